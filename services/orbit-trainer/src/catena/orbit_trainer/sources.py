"""Hot caches that are trained on together, each with a share of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache, Metadata

__all__ = ["Source", "sources_of"]


@dataclass(frozen=True)
class Source:
    """A cache with its share among several, e.g. one climate model.

    Parameters
    ----------
    cache : HotCache
    share : float
        Of the samples, in whatever unit: 2 beside 1 is twice as many.
    """

    cache: HotCache
    share: float = 1.0


def sources_of(
    caches: HotCache | Sequence[HotCache | Source], variables: Sequence[str]
) -> list[Source]:
    """One or several caches, with their shares, that fit together.

    Raises
    ------
    InvalidData
        When grids differ, or the units of a variable; names the cache and both.
    InvalidRequest
        When there is no cache, a share is not above zero, or a variable is in none of them.
    """
    listed = [caches] if isinstance(caches, HotCache) else list(caches)
    sources = [Source(one) if isinstance(one, HotCache) else one for one in listed]
    if not sources or not all(np.isfinite(one.share) and one.share > 0 for one in sources):
        raise InvalidRequest(
            f"shares {[one.share for one in sources]}; wanted at least one cache, each with a "
            "share above zero"
        )
    first = sources[0].cache.metadata
    units: dict[str, str] = {}
    for number, source in enumerate(sources):
        metadata = source.cache.metadata
        if not all(
            len(mine) == len(wanted) and np.allclose(mine, wanted, atol=1e-4)
            for mine, wanted in ((metadata.lat, first.lat), (metadata.lon, first.lon))
        ):
            raise InvalidData(
                f"hot cache {number + 1} has {_grid(metadata)}, the first has {_grid(first)}; "
                "regrid one of them"
            )
        for channel in metadata.channels:
            known = units.setdefault(channel.label, channel.units)
            if known != channel.units:
                raise InvalidData(
                    f"hot cache {number + 1} has {channel.label} in {channel.units!r}, another in "
                    f"{known!r}; convert one of them"
                )
    unknown = [name for name in dict.fromkeys(variables) if name not in units]
    if unknown or not variables:
        raise InvalidRequest(
            f"variables {unknown} are not in the hot cache; wanted some of {sorted(units)}"
        )
    return sources


def _grid(metadata: Metadata) -> str:
    return (
        f"{len(metadata.lat)} latitudes from {metadata.lat[0]:g} to {metadata.lat[-1]:g} and "
        f"{len(metadata.lon)} longitudes from {metadata.lon[0]:g} to {metadata.lon[-1]:g}"
    )
