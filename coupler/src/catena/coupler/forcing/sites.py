"""What is known of flux sites: place, clock, plants and soil, from ``sites.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from catena.coupler.pft import pft_index
from catena.shared.errors import InvalidData, NotFound


@dataclass(frozen=True)
class SoilLayer:
    """Texture of one layer.

    Parameters
    ----------
    top, bottom : float
        cm below the surface.
    sand, silt, clay : float
        % of the mineral soil.
    """

    top: float
    bottom: float
    sand: float
    silt: float
    clay: float


@dataclass(frozen=True)
class SiteFacts:
    """A flux site.

    Parameters
    ----------
    code, name : str
    lat, lon : float
        Degrees.
    elevation : float
        m.
    utc_offset_h : float
        Hours of local standard time ahead of UTC.
    pft : mapping of str to float
        Fraction of the ground of each plant functional type, adding up to 1.
    soil : tuple of SoilLayer
        From the surface down; empty where nothing is known. Below the last layer nothing is known
        either.
    sources : mapping of str to str
        Where place, pft and soil come from.
    """

    code: str
    name: str
    lat: float
    lon: float
    elevation: float
    utc_offset_h: float
    pft: Mapping[str, float]
    soil: tuple[SoilLayer, ...]
    sources: Mapping[str, str]


class _Sites(Mapping[str, SiteFacts]):
    """All sites by code; the file is read when first asked."""

    def __getitem__(self, code: str) -> SiteFacts:
        return _all()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(_all())

    def __len__(self) -> int:
        return len(_all())


SITES: Mapping[str, SiteFacts] = _Sites()
"""All sites by code."""


def site_facts(code: str) -> SiteFacts:
    """Facts of one site.

    Raises
    ------
    NotFound
        With the sites that are known.
    """
    if code not in SITES:
        raise NotFound(
            f"there are no facts about a site '{code}'; known are {', '.join(SITES)}: give lat, "
            "lon, plants and soil yourself"
        )
    return SITES[code]


@cache
def _all() -> Mapping[str, SiteFacts]:
    text = files("catena.coupler.forcing").joinpath("sites.yaml").read_text("utf-8")
    plain = yaml.safe_load(text)
    return MappingProxyType({code: _site(code, facts) for code, facts in plain.items()})


def _site(code: str, plain: dict[str, Any]) -> SiteFacts:
    site = SiteFacts(
        code=code,
        name=str(plain["name"]),
        lat=float(plain["lat"]),
        lon=float(plain["lon"]),
        elevation=float(plain["elevation"]),
        utc_offset_h=float(plain["utc_offset_h"]),
        pft=MappingProxyType({name: float(share) for name, share in plain["pft"].items()}),
        soil=tuple(SoilLayer(**layer) for layer in plain["soil"]),
        sources=MappingProxyType(dict(plain["sources"])),
    )
    for name in site.pft:
        pft_index(name)
    if abs(sum(site.pft.values()) - 1) > 1e-9:
        raise InvalidData(f"sites.yaml, {code}: pft add up to {sum(site.pft.values())}, wanted 1")
    depth = 0.0
    for layer in site.soil:
        total = layer.sand + layer.silt + layer.clay
        if layer.top != depth or layer.bottom <= depth or not 98 <= total <= 102:
            raise InvalidData(
                f"sites.yaml, {code}: layer {layer} adds up to {total} %, wanted 100, from {depth} "
                "cm downwards"
            )
        depth = layer.bottom
    return site
