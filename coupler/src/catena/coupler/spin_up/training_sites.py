"""Sites with their equilibria, to learn a spin-up from: in memory, and as files.

The arrays are in the form that the trainer of emulators reads (``inputs.<kind>``, ``targets``,
``split``); what they are stands beside them in ``about.json``.

>>> sites = training_sites(case, native.state)                                 # doctest: +SKIP
>>> sites.write(folder)                                                        # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, LandCase, S, Sites
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.coupler.spin_up.learned_inputs import (
    FIRST_YEARS,
    PLANTS,
    first_years,
    input_names,
    inputs_of,
    logarithmic,
)
from catena.coupler.spin_up.lineage import lineage_of
from catena.coupler.spin_up.training_parts import LEFT_OUT, PARTS, TRAINING, split
from catena.coupler.spin_up.two_files import read_two
from catena.shared.errors import InvalidData, InvalidRequest

ARRAYS, ABOUT = "sites.safetensors", "about.json"
"""Names of the two files."""
LEAST_VEGETATION = 50.0
"""gC per m2 of a plant: with less, nothing grows at the site and there is nothing to learn."""
LEAST_SITES = 5
"""Of training, for a plant to count as learned."""


@dataclass(frozen=True)
class TrainingSites:
    """Sites with what is known of them and the pools of their equilibrium.

    Parameters
    ----------
    inputs : mapping of str to float64 (site, numbers) or (site, 12, variables)
        By kind, see :func:`catena.coupler.spin_up.learned_inputs.inputs_of`.
    targets : float64 (site, pool)
        NaN where a site lacks the plant.
    split : int64 (site,)
        0 training, 1 validation, 2 test.
    lat, lon : float64 (site,)
    about : mapping
        As JSON holds it: ``pools``, ``units``, ``signed``, ``pft``, ``plants`` (as pools of plants
        are named), ``logarithmic_inputs``,
        ``ad_years`` (read, not left: see :mod:`.learned_inputs`), ``split_by``, ``left_out`` and
        ``case`` (:func:`catena.coupler.spin_up.lineage.lineage_of`, with the names of all inputs).

    Raises
    ------
    InvalidData
        When numbers of sites differ or something lacks.
    """

    inputs: Mapping[str, Floats]
    targets: Floats
    split: Sites
    lat: Floats
    lon: Floats
    about: Mapping[str, Any]

    def __post_init__(self) -> None:
        wanted = ("pools", "units", "signed", "pft", "ad_years", "case")
        lacking = [name for name in wanted if name not in self.about]
        if lacking:
            raise InvalidData(f"what is said of the sites lacks {', '.join(lacking)}")
        count = len(self.targets)
        sizes = {kind: len(values) for kind, values in self.inputs.items()}
        sizes |= {"split": len(self.split), "lat": len(self.lat), "lon": len(self.lon)}
        odd = [f"{name} {size}" for name, size in sizes.items() if size != count]
        if odd or not self.inputs or self.targets.shape[1:] != (len(self.about["pools"]),):
            raise InvalidData(
                f"targets of shape {self.targets.shape} for {len(self.about['pools'])} pools and "
                f"inputs {', '.join(self.inputs) or 'none'}; other numbers of sites: "
                f"{', '.join(odd) or 'none'}"
            )
        kinds = self.about["case"]["inputs"]
        if list(kinds) != list(self.inputs):
            raise InvalidData(f"inputs {', '.join(self.inputs)} came, {', '.join(kinds)} are named")

    @property
    def layout(self) -> PoolLayout:
        """The columns of the targets."""
        rows = zip(*(self.about[key] for key in ("pools", "units", "pft", "signed")), strict=True)
        return PoolLayout(tuple(Pool(*row) for row in rows))

    @property
    def ad_years(self) -> int:
        """Years of accelerated decomposition that are read; 0 for none."""
        return int(self.about["ad_years"])

    def rows(self, part: str) -> Sites:
        """Sites of ``training``, ``validation`` or ``test``."""
        return np.flatnonzero(self.split == PARTS.index(part))

    def some(self, sites: Sites) -> dict[str, Floats]:
        """Inputs of some sites."""
        return {kind: values[sites] for kind, values in self.inputs.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by their name in the file."""
        return {
            **{f"inputs.{kind}": values for kind, values in self.inputs.items()},
            "targets": self.targets,
            "split": self.split,
            "lat": self.lat,
            "lon": self.lon,
        }

    @classmethod
    def from_parts(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Of ``about`` and :meth:`arrays`.

        Raises
        ------
        InvalidData
            When an array lacks, or see the class.
        """
        lacking = [n for n in ("targets", "split", "lat", "lon") if n not in arrays]
        if lacking or "case" not in about:
            raise InvalidData(
                f"the sites lack {', '.join(lacking) or 'what is said of their case'}; files that "
                "training_sites wrote were wanted"
            )
        kinds = about["case"].get("inputs", {})
        missing = [kind for kind in kinds if f"inputs.{kind}" not in arrays]
        if missing:
            raise InvalidData(f"the sites lack the inputs {', '.join(missing)}")
        inputs = {kind: np.asarray(arrays[f"inputs.{kind}"], np.float64) for kind in kinds}
        return cls(
            inputs,
            np.asarray(arrays["targets"], np.float64),
            np.asarray(arrays["split"], np.int64),
            np.asarray(arrays["lat"], np.float64),
            np.asarray(arrays["lon"], np.float64),
            about,
        )

    def write(self, folder: Path) -> None:
        """Write both files."""
        from catena.shared.artifacts.arrays import pack_arrays

        folder.mkdir(parents=True, exist_ok=True)
        (folder / ARRAYS).write_bytes(pack_arrays(self.arrays(), ARRAYS))
        (folder / ABOUT).write_text(json.dumps(self.about, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read both files.

        Raises
        ------
        InvalidData
            When one lacks or is something else.
        """
        return cls.from_parts(*read_two(folder, ABOUT, ARRAYS, "sites to learn from"))


def training_sites(
    case: LandCase[S],
    equilibrium: S,
    *,
    ad_years: int = FIRST_YEARS,
    degrees: float | None = None,
    seed: int = 0,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> TrainingSites:
    """Sites of a case to learn from, whose equilibrium is known.

    Sites whose run failed and sites without vegetation are left out, and plants with a few sites
    only; how many stands in ``about["left_out"]``.

    Parameters
    ----------
    case : LandCase
    equilibrium : S
        Of a spin-up that was judged: what is no equilibrium is learned too.
    ad_years : int
        Of accelerated decomposition, run here and read as inputs, rounded up to whole cycles; 0:
        climate, land and parameters alone.
    degrees : float, optional
        Width of the blocks of space that are held out, see
        :func:`catena.coupler.spin_up.training_parts.split`.
    seed : int
        Of the blocks.
    ranges : mapping of str to (low, high), optional
        From which parameters were drawn; those of the sites by default.

    Raises
    ------
    InvalidRequest
        When too few sites are left, or a range does not hold the sites' own.
    """
    first = first_years(case, ad_years)
    inputs, names = inputs_of(case, first), input_names(case, first)
    pools = case.pools(equilibrium)
    usable = _living(pools, case.layout)
    for kind in ("fluxes", "supplied_fluxes"):
        if kind in inputs:
            usable &= np.isfinite(inputs[kind]).all(axis=1)
    kept = np.flatnonzero(usable)
    if not kept.size:
        raise InvalidRequest(f"none of {case.sites} sites has vegetation; nothing can be learned")
    part, by = split(case.lat[kept], case.lon[kept], inputs["parameters"][kept], degrees, seed)
    crossed = int((part == LEFT_OUT).sum())
    kept, part = kept[part != LEFT_OUT], part[part != LEFT_OUT]
    columns, rare = _learned_columns(pools[kept], part, case.layout)
    few = np.isfinite(pools[kept][:, ~columns]).any(axis=1)
    kept, part = kept[~few], part[~few]
    lacking = [name for n, name in enumerate(PARTS) if not (part == n).any()]
    if lacking:
        raise InvalidRequest(
            f"{kept.size} of {case.sites} sites are left, none of them for {', '.join(lacking)}; "
            "learn from more cells"
        )
    layout = PoolLayout(tuple(p for p, own in zip(case.layout.pools, columns, strict=True) if own))
    about = {
        "pools": list(layout.names),
        "units": [pool.units for pool in layout.pools],
        "signed": [pool.signed for pool in layout.pools],
        "pft": [pool.pft for pool in layout.pools],
        "plants": names[PLANTS],
        "logarithmic_inputs": logarithmic(case, names),
        "ad_years": 0 if first is None else first.years,
        "split_by": by,
        "left_out": {
            "without vegetation or failed": int(case.sites - usable.sum()),
            "of parameter sets of another part": crossed,
            "with plants of less than "
            f"{LEAST_SITES} sites of training ({', '.join(rare) or 'none'})": int(few.sum()),
        },
        "case": _case(case, names, rare, ranges or {}),
    }
    return TrainingSites(
        {kind: values[kept] for kind, values in inputs.items()},
        pools[kept][:, columns],
        part,
        case.lat[kept],
        case.lon[kept],
        about,
    )


def _living(pools: Floats, layout: PoolLayout) -> NDArray[np.bool_]:
    """Sites with pools and vegetation, bool (site,)."""
    plants = np.array([p.pft >= 0 and p.units == "gC m-2" and not p.signed for p in layout.pools])
    soil = np.array([p.pft < 0 for p in layout.pools])
    whole = np.isfinite(pools[:, soil]).all(axis=1) & ~np.isinf(pools).any(axis=1)
    return np.asarray(whole & (np.nansum(pools[:, plants], axis=1) >= LEAST_VEGETATION))


def _learned_columns(
    pools: Floats, part: Sites, layout: PoolLayout
) -> tuple[NDArray[np.bool_], list[str]]:
    """Columns that enough sites of training have, and names of the plants that they have not."""
    counts = np.isfinite(pools[part == TRAINING]).sum(axis=0)
    rare = {p.pft for p, n in zip(layout.pools, counts, strict=True) if n < LEAST_SITES}
    names = [p.name.partition(".")[2] for p in layout.pools if p.pft in rare]
    return np.array([p.pft not in rare for p in layout.pools]), list(dict.fromkeys(names))


def _case(
    case: LandCase[S],
    names: dict[str, list[str]],
    rare: list[str],
    ranges: Mapping[str, tuple[float, float]],
) -> dict[str, Any]:
    made = {**lineage_of(case), "inputs": names}
    made["plants"] = [plant for plant in made.get("plants", []) if plant not in rare]
    own = made.get("parameters", {})
    for name, (low, high) in ranges.items():
        if name not in own or not (low <= own[name][0] and own[name][1] <= high):
            raise InvalidRequest(
                f"a range of {name} from {low:g} to {high:g} came; the sites have "
                f"{own.get(name, 'no such parameter')}"
            )
    made["parameters"] = {name: list(ranges.get(name, values)) for name, values in own.items()}
    return made
