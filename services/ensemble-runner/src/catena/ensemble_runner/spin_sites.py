"""Sites of a spin-up: cells x parameter sets, and which of them are run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.forcing import CO2_1850_PPM, NDEP_1850, DailyForcing
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.training_parts import (
    PARAMETER_BLOCKS,
    parameter_blocks,
    spatial_blocks,
)
from catena.ensemble_runner import members as tables
from catena.ensemble_runner.embedded import columns_of, parameters_of
from catena.ensemble_runner.inputs import field, read_forcing, read_members
from catena.ensemble_runner.land import read_land
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import Column, Land, Model, Setup
from catena.ensemble_runner.queries import CompareSpinUpsQuery, SpinUpQuery
from catena.ensemble_runner.spin_queries import SiteSample
from catena.shared.artifacts import Artifact
from catena.shared.errors import FieldViolation, InternalError, InvalidRequest
from catena.shared.query import RefQuery

MOST_SITES = 200_000


@dataclass(frozen=True, eq=False)
class SpinUpSites:
    """All that a spin-up of many sites works on.

    Parameters
    ----------
    columns : Columns
    forcing : DailyForcing
        Of the same cells.
    land : tuple of Land
        Of the same cells.
    members : Members
        Parameter sets; without a column where nothing varies.
    parameters : ParameterSet
        One row for each site.
    cell : int64 (site,)
    row : int64 (site,)
        Of `members`.
    co2, ndep : float
        ppm; gN m-2 yr-1.
    """

    columns: Columns
    forcing: DailyForcing
    land: tuple[Land, ...]
    members: Members
    parameters: ParameterSet
    cell: NDArray[np.int64]
    row: NDArray[np.int64]
    co2: float
    ndep: float

    @property
    def count(self) -> int:
        """How many sites there are."""
        return int(self.cell.size)

    def of(self, sites: NDArray[np.int64]) -> SpinUpSites:
        """Some of the sites; cells stay as they are."""
        return replace(
            self,
            cell=self.cell[sites],
            row=self.row[sites],
            parameters=replace(
                self.parameters,
                scalars=self.parameters.scalars[sites],
                pfts=self.parameters.pfts[sites],
            ),
        )

    def compact(self) -> SpinUpSites:
        """Without the cells that have no site."""
        used, cell = np.unique(self.cell, return_inverse=True)
        if used.size == self.columns.cells:
            return self
        whole = self.columns
        names = ("lat", "lon", "sand", "clay", "pfts", "weights")
        return replace(
            self,
            columns=Columns(*(getattr(whole, name)[used] for name in names)),
            forcing=self.forcing.of_cells(used),
            land=tuple(self.land[one] for one in used.tolist()),
            cell=np.asarray(cell, dtype=np.int64).reshape(self.cell.shape),
        )

    def case(self) -> EmbeddedCase:
        """The model on these sites."""
        return EmbeddedCase(
            self.columns,
            self.forcing,
            self.parameters,
            cell=self.cell,
            co2=self.co2,
            ndep=self.ndep,
            varied=[(one.name, one.pft or None) for one in self.members.columns],
        )

    def described(self) -> dict[str, Any]:
        """What all sites have in common, as JSON, for digests; parameters come by their rows."""
        setup = Setup(self.forcing, (), self.land, (), ())
        known = setup.described()
        return {name: known[name] for name in ("forcing", "land", "land_of_cells")} | {
            "co2": self.co2,
            "ndep": self.ndep,
            "columns": [column.label for column in self.members.columns],
        }


def read_sites(
    query: SpinUpQuery | CompareSpinUpsQuery, model: Model, open_ref: Callable[[RefQuery], Artifact]
) -> SpinUpSites:
    """Sites of a request, those of its sample only.

    Raises
    ------
    InvalidData, InvalidRequest
        As :func:`catena.ensemble_runner.inputs.read_setup`; or when there are too many sites.
    """
    asked = query.setup
    if asked.forcing is None:
        raise InternalError("a spin-up without forcing came past its checks")
    with field("setup.forcing"):
        forcing, _ = read_forcing(asked.forcing, open_ref)
    forcing, land = read_land(asked, asked.forcing, forcing, open_ref)
    fixed = tuple((Column(item.name, item.pft), item.value) for item in asked.fixed)
    common = Setup(forcing, (), land, fixed, ())
    members = _members(query, model, open_ref, forcing.cells)
    count = len(members.rows)
    if query.own_parameters:
        cell = np.repeat(np.arange(forcing.cells), count // forcing.cells)
        row = np.arange(count)
    else:
        cell = np.repeat(np.arange(forcing.cells), count)
        row = np.tile(np.arange(count), forcing.cells)
    if cell.size > MOST_SITES:
        raise _wrong("draw.members", f"makes {cell.size} sites; wanted at most {MOST_SITES}")
    known = parameters_of(common, members.columns, members.rows)
    sites = SpinUpSites(
        columns=columns_of(common),
        forcing=forcing,
        land=land,
        members=members,
        parameters=ParameterSet(known.scalars[row], known.pfts[row]),
        cell=cell,
        row=row,
        co2=CO2_1850_PPM if asked.forcing.co2_ppm is None else asked.forcing.co2_ppm,
        ndep=NDEP_1850 if asked.forcing.n_deposition is None else asked.forcing.n_deposition,
    )
    return sites if query.sample is None else sites.of(sampled(sites, query.sample)).compact()


def _members(
    query: SpinUpQuery | CompareSpinUpsQuery,
    model: Model,
    open_ref: Callable[[RefQuery], Artifact],
    cells: int,
) -> Members:
    if query.draw is None and query.table is None and query.draws is None:
        return Members((), np.zeros((1, 0)), (), (), np.zeros(0), np.zeros(0))
    if query.own_parameters and query.draw is not None:
        total = query.draw.members * cells
        if total > MOST_SITES:
            raise _wrong("draw.members", f"makes {total} sites; wanted at most {MOST_SITES}")
        return tables.drawn(model, query.draw.model_copy(update={"members": total}))
    return read_members(query, model, open_ref)


def sampled(sites: SpinUpSites, asked: SiteSample) -> NDArray[np.int64]:
    """Sites of whole blocks, about as many as wanted, in their order.

    Blocks are of space; those of one place are of neighbouring parameter sets.
    """
    lat, lon = sites.columns.lat[sites.cell], sites.columns.lon[sites.cell]
    block = spatial_blocks(lat, lon, asked.block_deg)
    if np.unique(block).size == 1 and len(sites.members.columns):
        values = sites.members.rows[sites.row]
        block = parameter_blocks(values, PARAMETER_BLOCKS, asked.seed)
    wanted = asked.sites or round(asked.share * sites.count)
    names, counts = np.unique(block, return_counts=True)
    order = np.random.default_rng([asked.seed, 5]).permutation(names.size)
    # A block is taken if that brings the number nearer to what is wanted, the first one always.
    before = np.cumsum(counts[order]) - counts[order]
    taken = order[(before + counts[order] / 2.0 <= wanted) | (before == 0)]
    return np.flatnonzero(np.isin(block, names[taken]))


def _wrong(name: str, text: str) -> InvalidRequest:
    return InvalidRequest("the sites cannot be run", violations=[FieldViolation(name, text)])
