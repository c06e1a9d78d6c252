"""Nitrogen and phosphorus of the pools whose ratios ELM fixes.

Soil organic matter and plant tissue have fixed C:N and C:P; litter and coarse woody debris float.
C:P is C:N times N:P: a parameter file holds N:P (``np_s1_new`` and so on), and taking that for C:P
would give more than ten times the phosphorus.

Sources: Thornton & Rosenbloom 2005 (soil C:N); Yang et al. 2014 (N:P); Oleson et al. 2013, chapter
13.5 (tissue); values of ELM's parameter file ``clm_params_c211124``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart.names import ORGANS, PARTS, SOIL, level_name, plant_name
from catena.coupler.restart.source import Source
from catena.coupler.restart.subgrid import Subgrid, pft_name
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

_TISSUE = {
    "leaf": "leaf",
    "froot": "froot",
    "livestem": "livewd",
    "livecroot": "livewd",
    "deadstem": "deadwd",
    "deadcroot": "deadwd",
}
_LEAF_CN = (1, 35, 40, 25, 30, 30, 25, 25, 25, 30, 25, 25, 25, 25, 25, 25, 25)
_LEAF_CP = (1, 525, 400, 250, 600, 450, 500, 375, 250, 450, 375, 250, 250, 375, 375, 275, 275)
_WOODY = (0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0)
_EVERGREEN = (0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Stoichiometry:
    """Ratios by mass, and the traits that decide which pools a plant has.

    Parameters
    ----------
    soil : mapping
        ``n`` and ``p`` to gC per gN or gP of soil1 to soil4.
    tissue : mapping
        (``leaf``, ``froot``, ``livewd`` or ``deadwd``; ``n`` or ``p``) to an array (PFT index).
    woody, evergreen : array (PFT index) of bool
        Whether a PFT has wood, and whether it keeps its leaves (then nothing is stored for the
        next onset).
    names : tuple of str
        PFTs by index.
    """

    soil: Mapping[str, tuple[float, float, float, float]]
    tissue: Mapping[tuple[str, str], Floats]
    woody: NDArray[np.bool_]
    evergreen: NDArray[np.bool_]
    names: tuple[str, ...]

    @classmethod
    def natural(cls) -> Stoichiometry:
        """The 17 natural PFTs with ELM's default values."""
        count = len(PFT_NAMES)
        tissue = {
            ("leaf", "n"): np.array(_LEAF_CN, float),
            ("leaf", "p"): np.array(_LEAF_CP, float),
            ("froot", "n"): np.full(count, 42.0),
            ("froot", "p"): np.full(count, 1000.0),
            ("livewd", "n"): np.full(count, 50.0),
            ("livewd", "p"): np.full(count, 3000.0),
            ("deadwd", "n"): np.full(count, 500.0),
            ("deadwd", "p"): np.full(count, 3000.0),
        }
        return cls(
            soil={"n": (12.0, 12.0, 10.0, 10.0), "p": (360.0, 360.0, 500.0, 500.0)},
            tissue=tissue,
            woody=np.array(_WOODY, bool),
            evergreen=np.array(_EVERGREEN, bool),
            names=PFT_NAMES,
        )

    @classmethod
    def from_parameters(cls, path: Path) -> Stoichiometry:
        """Ratios of a run's own parameter file.

        Parameters
        ----------
        path : Path
            ELM's parameter file (``clm_params_*.nc``) with C:N, C:P of tissue and N:P of soil.

        Raises
        ------
        InvalidData
            When it is no netCDF or has not these variables.
        """
        soil_cn = [f"cn_s{number}" for number in (1, 2, 3, 4)]
        soil_np = [f"np_s{number}_new" for number in (1, 2, 3, 4)]
        keys = [
            (kind, element) for kind in ("leaf", "froot", "livewd", "deadwd") for element in "np"
        ]
        names = [f"{kind}c{element}" for kind, element in keys]
        found = Source(path, "the parameter file of an ELM run with phosphorus").read(
            [*soil_cn, *soil_np, *names, "woody", "evergreen", "pftname"]
        )
        cn = [float(np.ravel(found[name])[0]) for name in soil_cn]
        np_ratio = [float(np.ravel(found[name])[0]) for name in soil_np]
        c_to_p = [a * b for a, b in zip(cn, np_ratio, strict=True)]
        return cls(
            soil={"n": (cn[0], cn[1], cn[2], cn[3]), "p": tuple(c_to_p)},  # type: ignore[dict-item]
            tissue={
                key: np.asarray(found[name], float) for key, name in zip(keys, names, strict=True)
            },
            woody=found["woody"] > 0,
            evergreen=found["evergreen"] > 0,
            names=tuple(b"".join(row).decode().strip() for row in found["pftname"]),
        )

    def require(self, subgrid: Subgrid) -> None:
        """Refuse a subgrid with PFTs that are unknown here, or that have other names.

        Raises
        ------
        InvalidData
            Naming the PFT on both sides.
        """
        for index in np.unique(subgrid.pft_type):
            theirs = pft_name(int(index), subgrid.pft_names)
            if index >= len(self.names):
                raise InvalidData(
                    f"the restart has PFT {theirs} and the ratios are of the {len(self.names)} "
                    f"PFTs {self.names[0]} to {self.names[-1]}; give those of the run's own "
                    "parameter file"
                )
            if index > 0 and theirs != self.names[index] and theirs != f"number {index}":
                raise InvalidData(
                    f"PFT index {index} is {theirs} in the restart and {self.names[index]} where "
                    "the ratios come from; give the run's own parameter file"
                )

    def soil_ratio(self, element: str) -> dict[str, float]:
        """C:N or C:P by soil pool."""
        return dict(zip(SOIL, self.soil[element], strict=True))

    def plant_ratio(self, organ: str, element: str, pft_type: NDArray[np.int64]) -> Floats:
        """C:N or C:P of an organ for PFTs by index."""
        return self.tissue[_TISSUE[organ], element][pft_type]

    def derived(
        self, carbon: Mapping[str, Floats], subgrid: Subgrid, elements: tuple[str, ...]
    ) -> dict[str, Floats]:
        """N and P of soil1 to soil4 and of plant tissue from their carbon.

        Parameters
        ----------
        carbon : mapping
            Carbon pools by name, (cell, level) or (pft,).
        subgrid : Subgrid
            Tells the slots' PFTs.
        elements : tuple of str
            Which the file has: ``("c", "n")`` or ``("c", "n", "p")``.

        Returns
        -------
        dict
            By name, for the pools whose carbon was given.
        """
        found: dict[str, Floats] = {}
        for element in elements:
            if element == "c":
                continue
            for pool, ratio in self.soil_ratio(element).items():
                name = level_name(pool, "c")
                if name in carbon:
                    found[level_name(pool, element)] = carbon[name] / ratio
            for organ in ORGANS:
                ratios = self.plant_ratio(organ, element, subgrid.pft_type)
                for part in PARTS:
                    name = plant_name(organ, "c", part)
                    if name in carbon:
                        # A ratio of 0 stands for "has no such tissue" in parameter files.
                        found[plant_name(organ, element, part)] = np.divide(
                            carbon[name], ratios, out=np.zeros_like(carbon[name]), where=ratios > 0
                        )
        return found


NATURAL = Stoichiometry.natural()
"""ELM's natural PFTs with its default values."""
