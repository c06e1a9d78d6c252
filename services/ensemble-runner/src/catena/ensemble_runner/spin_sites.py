"""Sites of a spin-up: cells x parameter sets, and which of them are sampled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.forcing import DailyForcing
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.training_parts import (
    PARAMETER_BLOCKS,
    parameter_blocks,
    spatial_blocks,
)
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import Setup
from catena.ensemble_runner.spin_queries import SiteSample

_COLUMNS = ("lat", "lon", "sand", "clay", "pfts", "weights")
"""Fields of :class:`Columns`, in their order."""


@dataclass(frozen=True, eq=False)
class SpinUpSites:
    """All that a spin-up of many sites works on.

    Parameters
    ----------
    columns : Columns
    forcing : DailyForcing
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
        return replace(
            self,
            columns=Columns(*(getattr(whole, name)[used] for name in _COLUMNS)),
            forcing=self.forcing.of_cells(used),
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
        cells = hashlib.sha256()
        for name in _COLUMNS:
            # As the model is given them: how land is put on its layers may change.
            cells.update(np.ascontiguousarray(getattr(self.columns, name)).tobytes())
        return {
            "forcing": Setup(self.forcing, (), (), (), ()).described()["forcing"],
            "cells": cells.hexdigest(),
            "co2": self.co2,
            "ndep": self.ndep,
            "varied": [column.label for column in self.members.columns],
        }


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
