"""States of many sites as arrays of an artifact, and how members of an ensemble begin from them.

A member begins from the site that lies in its cell and was spun up with its own parameters: an
equilibrium belongs to a parameter set. What does not fit is refused by name; members whose sites
never came to equilibrium are told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.state import State
from catena.coupler.embedded.version import model_version
from catena.ensemble_runner.spin_result import WANTED_WITHIN
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

STATES = "states.safetensors"
SUMMARY = "spin_up.json"
_NEAR = 1e-4
"""Degrees within which two places are the same."""
_ARRAYS = (
    "state", "settled", "lat", "lon", "cell", "scalars", "pfts", "plants", "weights", "sand",
    "clay",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SiteStates:
    """States of the sites of a spin-up, out of accelerated decomposition.

    Parameters
    ----------
    version : str
        Of the model.
    columns : Columns
        The cells.
    cell : int64 (site,)
        Cell of each site.
    parameters : ParameterSet
        One row for each site.
    state : float64 (site, number)
        NaN where the model itself failed.
    settled : bool (site,)
        Whether it is an equilibrium: the check was passed, perhaps after the fallback.
    """

    version: str
    columns: Columns
    cell: NDArray[np.int64]
    parameters: ParameterSet
    state: Array
    settled: NDArray[np.bool_]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file holds it; the version stands beside it."""
        cells = self.columns
        return {
            "state": self.state,
            "settled": self.settled,
            "lat": cells.lat,
            "lon": cells.lon,
            "sand": cells.sand,
            "clay": cells.clay,
            "plants": cells.pfts,
            "weights": cells.weights,
            "cell": self.cell,
            "scalars": self.parameters.scalars,
            "pfts": self.parameters.pfts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], version: str) -> Self:
        """Inverse of :meth:`arrays`.

        Raises
        ------
        InvalidData
            When an array is missing.
        """
        if lacking := [name for name in _ARRAYS if name not in arrays]:
            raise InvalidData(
                f"the states lack {', '.join(lacking)}; wanted those that SpinUp writes today: "
                "spin up again"
            )
        names = ("lat", "lon", "sand", "clay", "plants", "weights")
        return cls(
            version,
            Columns(*(arrays[name] for name in names)),
            arrays["cell"],
            ParameterSet(arrays["scalars"], arrays["pfts"]),
            arrays["state"],
            arrays["settled"],
        )

    def digest(self) -> str:
        """Of all that decides what begins from them."""
        digest = hashlib.sha256(self.version.encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name} {array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def of_members(self, columns: Columns, parameters: ParameterSet) -> State:
        """State (member, cell, number) for members in some of the cells.

        Parameters and errors: see :meth:`sites_of_members`.
        """
        return State(self.state[self.sites_of_members(columns, parameters)])

    def not_settled(self, columns: Columns, parameters: ParameterSet) -> dict[int, str]:
        """Members too few of whose cells came to equilibrium, and why they cannot begin.

        Parameters and errors: see :meth:`sites_of_members`.
        """
        settled = self.settled[self.sites_of_members(columns, parameters)]
        share = settled.mean(axis=1)
        found = {}
        for member in np.flatnonzero(share < WANTED_WITHIN).tolist():
            cell = int(settled[member].argmin())
            found[member] = (
                f"the spin-up came to equilibrium in {int(settled[member].sum())} of "
                f"{columns.cells} cells, not at {columns.lat[cell]:.2f}, {columns.lon[cell]:.2f}; "
                f"{100 * WANTED_WITHIN:.0f} % were wanted: give its fallback more years, or its "
                "check a wider limit"
            )
        return found

    def sites_of_members(self, columns: Columns, parameters: ParameterSet) -> NDArray[np.int64]:
        """Site of each member in each cell, int64 (member, cell).

        Parameters
        ----------
        columns : Columns
            Cells of the run.
        parameters : ParameterSet
            Of its members.

        Raises
        ------
        InvalidData
            When the model is another one, a cell was not spun up or is another one by now, or no
            site of it has a member's parameters.
        """
        if self.version != model_version():
            raise InvalidData(
                f"the states are of version {self.version} of the model, which is "
                f"{model_version()} here; spin up again"
            )
        if columns.slots != self.columns.slots:
            raise InvalidData(
                f"the states have {self.columns.slots} plants in a cell, the run "
                f"{columns.slots}; give the same land"
            )
        theirs = [self._cell(columns, cell) for cell in range(columns.cells)]
        known: dict[tuple[int, bytes], int] = {}
        for site, there in enumerate(self.cell.tolist()):
            known.setdefault((there, _key(self.parameters, site, self.columns, there)), site)
        sites = np.empty((parameters.members, columns.cells), dtype=np.int64)
        for member in range(parameters.members):
            for cell, there in enumerate(theirs):
                found = known.get((there, _key(parameters, member, columns, cell)))
                if found is None:
                    raise InvalidData(
                        f"no site at {columns.lat[cell]:.2f}, {columns.lon[cell]:.2f} was spun up "
                        f"with the parameters of member {member}; spin up with the same members "
                        "and fixed parameters as are run"
                    )
                sites[member, cell] = found
        return sites

    def _cell(self, columns: Columns, cell: int) -> int:
        """Number among the spun-up cells of one of a run."""
        lat, lon = columns.lat[cell], columns.lon[cell]
        away = np.hypot(self.columns.lat - lat, self.columns.lon - lon)
        there = int(away.argmin())
        if away[there] > _NEAR:
            raise InvalidData(
                f"there is no spun-up cell at {lat:.2f}, {lon:.2f}; the nearest lies at "
                f"{self.columns.lat[there]:.2f}, {self.columns.lon[there]:.2f}"
            )
        for name in ("pfts", "weights", "sand", "clay"):
            mine, other = getattr(columns, name)[cell], getattr(self.columns, name)[there]
            if not np.allclose(mine, other, rtol=1e-9, atol=1e-9):
                raise InvalidData(
                    f"{name} at {lat:.2f}, {lon:.2f} are {mine.tolist()}, they were "
                    f"{other.tolist()} in the spin-up; give the same land"
                )
        return there


def _key(parameters: ParameterSet, row: int, columns: Columns, cell: int) -> bytes:
    """Parameters that matter in a cell: those of all plants together, and of its own."""
    grown = columns.pfts[cell][columns.weights[cell] > 0.0]
    own = np.ascontiguousarray(parameters.pfts[row, np.sort(grown)])
    return np.ascontiguousarray(parameters.scalars[row]).tobytes() + own.tobytes()
