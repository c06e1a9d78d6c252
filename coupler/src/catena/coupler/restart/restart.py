"""A restart file of ELM, or of a model that writes ELM's form: read, changed, written.

Everything that is not replaced on purpose keeps its bytes: water, temperature and snow, attributes,
types and the file's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart.dates import date_of
from catena.coupler.restart.levels import layer_thickness, node_depths
from catena.coupler.restart.limits import impossible
from catena.coupler.restart.names import HEADER, POOLS
from catena.coupler.restart.pools import with_pools
from catena.coupler.restart.source import Source
from catena.coupler.restart.stoichiometry import NATURAL, Stoichiometry
from catena.coupler.restart.subgrid import Subgrid, structure_difference
from catena.coupler.restart.writing import write_changed
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Restart:
    """What a restart file holds. It is never changed: ``with_...`` give another one.

    Attributes
    ----------
    subgrid : Subgrid
        Columns and PFTs that take part in biogeochemistry.
    available : tuple of str
        Names of the pools that the file has.
    nlevdecomp : int
        Active levels of decomposition; those below are never touched.
    date : cftime.datetime
        Of the state.
    structure : mapping
        The index vectors.
    remarks : tuple of str
        What was altered or left alone on the way from the file to this state, in words.
    """

    source: Source
    header: Mapping[str, int]
    structure: Mapping[str, NDArray[Any]]
    subgrid: Subgrid
    available: tuple[str, ...]
    nlevdecomp: int
    date: cftime.datetime
    changed: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    _cache: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.source.path.name

    @property
    def spinup_state(self) -> int:
        """1: pools are in units of accelerated decomposition; 0: as they are."""
        return int(self["spinup_state"])

    @property
    def decomp_cascade_state(self) -> int:
        """Ones: decomposition cascade; tens: denitrification."""
        return int(self["decomp_cascade_state"])

    @property
    def elements(self) -> tuple[str, ...]:
        """``("c", "n", "p")``, or without phosphorus where the model has none."""
        return ("c", "n", "p") if "soil1p_vr" in self.available else ("c", "n")

    @property
    def thickness(self) -> Floats:
        """Of the active levels, m."""
        return layer_thickness(self.source.dimensions["levgrnd"])[: self.nlevdecomp]

    def __contains__(self, name: str) -> bool:
        return name in self.source.variables

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A whole variable, all columns and levels, fill values included."""
        if name in self.changed:
            return self.changed[name]
        self.load([name])
        return self._cache[name]

    def load(self, names: Iterable[str]) -> None:
        """Read some variables at once: one opening of the file instead of one for each."""
        wanted = [name for name in names if name not in self.changed and name not in self._cache]
        if wanted:
            found = self.source.read(wanted)
            for values in found.values():
                values.setflags(write=False)
            self._cache.update(found)

    def values(self, name: str) -> NDArray[Any]:
        """A variable on the columns or PFT slots that take part: (cell, ...) or (pft, ...)."""
        first = self.source.variables[name].dimensions[:1] if name in self else ()
        whole = self[name]
        if first == ("column",):
            return whole[self.subgrid.column]
        if first == ("pft",):
            return whole[self.subgrid.slot]
        return whole

    def active(self, name: str) -> Floats:
        """As :meth:`values`, in float64 and without the levels below ``nlevdecomp``."""
        values = np.asarray(self.values(name), np.float64)
        return values[:, : self.nlevdecomp] if values.ndim == 2 else values

    def pools(self) -> xr.Dataset:
        """Everything that a spin-up determines.

        Returns
        -------
        xarray.Dataset
            Dimensions ``cell``, ``level`` (active levels, from the surface) and ``pft`` (slots of
            all cells one after the other; coordinate ``cell_of_pft`` says whose). Units are in the
            attributes: gC, gN, gP m-3 for ``_vr``, m-2 for the others. Attribute ``spinup_state``
            says in which units pools are.
        """
        self.load(self.available)
        dimensions = {"level": ("cell", "level"), "pft": ("pft",), "cell": ("cell",)}
        subgrid = self.subgrid
        depths = node_depths(self.source.dimensions["levgrnd"])[: self.nlevdecomp]
        return xr.Dataset(
            {
                name: (dimensions[POOLS[name].place], self.active(name), {"units": pool.units})
                for name, pool in ((name, POOLS[name]) for name in self.available)
            },
            coords={
                "lat": ("cell", subgrid.lat, {"units": "degrees_north"}),
                "lon": ("cell", subgrid.lon, {"units": "degrees_east"}),
                "depth": ("level", depths, {"units": "m"}),
                "thickness": ("level", self.thickness, {"units": "m"}),
                "cell_of_pft": ("pft", subgrid.cell),
                "pft_type": ("pft", subgrid.pft_type),
                "pft_name": ("pft", [subgrid.name(slot) for slot in range(len(subgrid.slot))]),
                "pft_weight": ("pft", subgrid.pft_weight, {"units": "1"}),
            },
            attrs={
                "spinup_state": self.spinup_state,
                "decomp_cascade_state": self.decomp_cascade_state,
                "date": self.date.strftime("%Y-%m-%d"),
            },
        )

    def with_pools(
        self,
        pools: xr.Dataset,
        *,
        stoichiometry: Stoichiometry | None = NATURAL,
        spinup_state: int = 0,
    ) -> Restart:
        """Replace pools and set the flag; see :func:`catena.coupler.restart.pools.with_pools`."""
        return with_pools(self, pools, stoichiometry=stoichiometry, spinup_state=spinup_state)

    def with_values(self, values: Mapping[str, Any]) -> Restart:
        """Replace variables that are no pools: water, temperature, snow, phenology.

        Parameters
        ----------
        values : mapping
            By name: (cell, ...) for a variable of columns, (pft, ...) for one of PFTs, otherwise
            the whole variable; a number stands for the same everywhere.

        Raises
        ------
        InvalidData
            When a variable is missing, belongs to what only ``with_pools`` and the header may set,
            has another shape, or is not finite.
        """
        changed = {}
        for name, given in values.items():
            if name not in self:
                raise InvalidData(f"{self.name}: the file has no variable {name} to be replaced")
            if name in POOLS or name in HEADER or name in self.structure or _is_total(name):
                raise InvalidData(
                    f"{name} is not set one by one: pools and totals are set together by "
                    "with_pools, the date by with_date, the subgrid never"
                )
            variable = self.source.variables[name]
            here = np.asarray(given, variable.dtype)
            if not np.isfinite(here.astype(float)).all():
                raise InvalidData(f"{name}: the values hold NaN or infinity, wanted finite numbers")
            shape = self.values(name).shape
            if here.shape not in ((), shape):
                raise InvalidData(f"{name}: the values have shape {here.shape}, wanted {shape}")
            changed[name] = self.scattered(name, here)
        return self.having(changed)

    def with_date(self, date: cftime.datetime) -> Restart:
        """The same state at another date; the calendar stays the file's."""
        ymd = date.year * 10000 + date.month * 100 + date.day
        seconds = date.hour * 3600 + date.minute * 60 + date.second
        changed = {
            "timemgr_rst_curr_ymd": np.asarray(ymd, np.int32),
            "timemgr_rst_curr_tod": np.asarray(seconds, np.int32),
        }
        header = {**self.header, **{name: int(value) for name, value in changed.items()}}
        return replace(self.having(changed), header=header, date=date_of(header, self.name))

    def scattered(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """A whole variable with new values where the state takes part; the rest stays.

        Fewer levels than the file has are the upper ones.
        """
        whole = np.array(self[name])
        first = self.source.variables[name].dimensions[:1]
        if first not in (("column",), ("pft",)):
            whole[...] = values
            return whole
        rows = self.subgrid.column if first == ("column",) else self.subgrid.slot
        if values.ndim == 2 and values.shape[1] < whole.shape[1]:
            whole[rows, : values.shape[1]] = values
        else:
            whole[rows] = values
        return whole

    def having(self, changed: Mapping[str, NDArray[Any]], remarks: Iterable[str] = ()) -> Restart:
        """This restart with whole variables replaced, unchecked: for this package."""
        cast = {
            name: np.asarray(values, self.source.variables[name].dtype)
            for name, values in changed.items()
        }
        return replace(self, changed={**self.changed, **cast}, remarks=(*self.remarks, *remarks))

    def require_same_run(self, other: Restart) -> None:
        """Refuse to go together with the restart of another run.

        Raises
        ------
        InvalidData
            When decomposition cascade, subgrid structure or levels differ; both are named.
        """
        for what, ours, theirs in (
            ("decomp_cascade_state", self.decomp_cascade_state, other.decomp_cascade_state),
            ("number of active levels", self.nlevdecomp, other.nlevdecomp),
        ):
            if ours != theirs:
                raise InvalidData(
                    f"{what} is {ours} in {self.name} and {theirs} in {other.name}; a restart only "
                    "fits a run with the same decomposition cascade and levels"
                )
        difference = structure_difference(self.structure, other.structure)
        if difference is not None:
            name, here, there = difference
            raise InvalidData(
                f"the subgrid structure differs: {name} is {here} in {self.name} and {there} in "
                f"{other.name}; a restart only fits a run on the same grid and surface data"
            )

    def write(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all.

        Raises
        ------
        InvalidData
            When a pool holds NaN, infinity, fill or negative values.
        OSError
            When the disk is full; an earlier file of that name stays as it was.
        """
        self.load(self.available)
        for name in self.available:
            wrong = impossible(POOLS[name], self.active(name), self.subgrid)
            if wrong:
                raise InvalidData(f"{Path(path).name} is not written: {wrong}")
        write_changed(self.source, self.changed, Path(path))


def write_restart(restart: Restart, path: Path) -> None:
    """See :meth:`Restart.write`."""
    restart.write(path)


def _is_total(name: str) -> bool:
    return name.startswith("tot") or name in ("cwdc", "cwdn", "cwdp")
