"""The pools of the embedded model as a table, and other pools into its state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet, pft_parameter_names
from catena.coupler.embedded.state import (
    CWD,
    LITR1,
    LITR2,
    LITR3,
    N_COLUMN,
    N_PLANT,
    N_POOLS,
    N_TISSUES,
    P_ANNSUM_NPP,
    P_CPOOL,
    P_NPOOL,
    POOLS,
    S_C,
    S_N,
    S_SMINN,
    SOIL1,
    STORAGE,
    TISSUES,
    State,
)
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart.limits import POOREST, RICHEST, odd_litter
from catena.coupler.spin_up.case import Floats, Sites
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

FLOATING = (LITR1, LITR2, LITR3, CWD)
"""Pools whose C:N ratio is that of what fell into them."""
_WOODY = ("livestem", "deadstem", "livecroot", "deadcroot")
_PARTS = ("", "_storage", "_xfer")


@dataclass(frozen=True)
class Stocks:
    """What the sites hold, gC and gN per m2 of the column, float64 (site,) each."""

    carbon: Floats
    nitrogen: Floats


class EmbeddedPools:
    """Where each pool lies in the states of some sites.

    Parameters
    ----------
    columns : Columns
    cell : int64 (site,)
    parameters : ParameterSet
        One row for each site.

    Raises
    ------
    InvalidRequest
        When a plant has two slots in a cell.
    """

    def __init__(self, columns: Columns, cell: Sites, parameters: ParameterSet) -> None:
        occurs = np.unique(columns.pfts[columns.weights > 0.0])
        plants = [int(pft) for pft in occurs if pft > 0]
        places = [*_column_places()]
        for pft in plants:
            places += _plant_places(pft, parameters)
        self.layout = PoolLayout(tuple(pool for pool, _ in places))
        slots = {pft: _slot(columns, pft) for pft in plants}
        index = np.full((cell.size, len(places)), -1, dtype=np.int64)
        for n, (pool, at) in enumerate(places):
            if pool.pft < 0:
                index[:, n] = at
            else:
                slot = slots[pool.pft][cell]
                index[:, n] = np.where(slot >= 0, N_COLUMN + slot * N_PLANT + at, -1)
        self._index = index
        self._signed = np.array([pool.signed for pool in self.layout.pools])
        self._pfts = columns.pfts[cell]
        self._weights = columns.weights[cell]
        self._soil_cn = np.stack([parameters.get(f"cn_s{n}") for n in (1, 2, 3, 4)], axis=1)
        self._traits = parameters.pfts[np.arange(cell.size)[:, None], self._pfts]

    def part(self, sites: Sites) -> EmbeddedPools:
        """Those of some sites, with the same columns."""
        made = object.__new__(EmbeddedPools)
        made.layout, made._signed = self.layout, self._signed
        for name in ("_index", "_pfts", "_weights", "_soil_cn", "_traits"):
            setattr(made, name, getattr(self, name)[sites])
        return made

    def of(self, state: State) -> Floats:
        """The table, float64 (site, pool)."""
        found = np.take_along_axis(state.values[:, 0], np.maximum(self._index, 0), axis=1)
        return np.where(self._index >= 0, found, np.nan)

    def put(self, state: State, pools: Floats) -> State:
        """A state with other pools; NaN leaves what is there, and so does a site that has failed.

        N of soil1 to soil4 follows from C by the site's ratios, N of litter and debris where it is
        not given by the ratio that is there; N of tissue needs no place, for the model derives it.
        What a plant cannot have is set to 0: storage of evergreens, wood of grasses.

        Raises
        ------
        FailedPrecondition
            When the state is one of accelerated decomposition, whose pools are in other units.
        InvalidData
            When the table has another shape, a pool is infinite or negative that cannot be, the
            ratio of litter is impossible, or nothing is left of a site.
        """
        if state.spinup_state != 0:
            raise FailedPrecondition(
                "pools came for a state of accelerated decomposition (spinup_state 1), whose slow "
                "pools are in other units; leave that first (leave_ad)"
            )
        if pools.shape != self._index.shape:
            raise InvalidData(
                f"pools of shape {pools.shape} came; (site, pool) = {self._index.shape} was wanted"
            )
        alive = np.asarray(np.isfinite(state.values[:, 0]).all(axis=1))
        given = (self._index >= 0) & ~np.isnan(pools) & alive[:, None]
        now = self.of(state)
        changed = given & np.not_equal(pools, now)
        self._refuse(pools, changed)
        made = state.copy()
        values = made.values[:, 0]
        site, column = np.nonzero(changed)
        values[site, self._index[site, column]] = pools[site, column]
        self._follow(state.values[:, 0], values, given)
        self._without(values, given)
        whole = self.stocks(made).carbon
        # Others are what the model made of them: where all has died plants owe a little.
        nothing = changed.any(axis=1) & (whole <= 0.0)
        if nothing.any():
            at = int(np.argmax(nothing))
            raise InvalidData(
                f"site {at} would hold {whole[at]:g} gC m-2; a site without carbon has no plants "
                "that could come back"
            )
        return made

    def _refuse(self, pools: Floats, changed: NDArray[np.bool_]) -> None:
        wrong = changed & (np.isinf(pools) | ((pools < 0.0) & ~self._signed))
        if wrong.any():
            site, column = np.argwhere(wrong)[0]
            pool = self.layout.pools[column]
            raise InvalidData(
                f"{pool.name} of site {site} is {pools[site, column]:g} {pool.units}; a finite "
                f"number of 0 or more was wanted ({int(wrong.sum())} such numbers in all)"
            )

    def _follow(self, before: Floats, after: Floats, given: NDArray[np.bool_]) -> None:
        names = self.layout.names
        new = after[:, S_C : S_C + N_POOLS] != before[:, S_C : S_C + N_POOLS]
        for pool in range(SOIL1, N_POOLS):
            ratio = self._soil_cn[:, pool - SOIL1]
            row = new[:, pool]
            after[row, S_N + pool] = after[row, S_C + pool] / ratio[row]
        for pool in FLOATING:
            alone = new[:, pool] & ~given[:, names.index(f"{POOLS[pool]}n")]
            there = before[alone, S_C + pool]
            if (there <= 0.0).any():
                raise InvalidData(
                    f"carbon of {POOLS[pool]} came without its nitrogen for a site that has none "
                    "there to take the ratio from; give both"
                )
            after[alone, S_N + pool] = before[alone, S_N + pool] / there * after[alone, S_C + pool]
        places = [first + pool for first in (S_C, S_N) for pool in FLOATING]
        c, n = np.split(after[:, places], 2, axis=1)
        moved = np.logical_or(*np.split(after[:, places] != before[:, places], 2, axis=1))
        odd = moved & odd_litter(c, n)
        if odd.any():
            site, column = np.argwhere(odd)[0]
            raise InvalidData(
                f"{POOLS[FLOATING[column]]} of site {site} would have {c[site, column]:g} gC and "
                f"{n[site, column]:g} gN m-2; C:N from {RICHEST:g} to {POOREST:g} was wanted"
            )

    def _without(self, values: Floats, given: NDArray[np.bool_]) -> None:
        """Empty what a plant cannot have, in plants that were given something."""
        names = pft_parameter_names()
        evergreen, woody = (
            self._traits[..., names.index(name)] > 0.5 for name in ("evergreen", "woody")
        )
        plants = values[:, N_COLUMN:].reshape(len(values), -1, N_PLANT)
        kinds = np.array([pool.pft for pool in self.layout.pools])
        for slot in range(plants.shape[1]):
            mine = (given & (kinds == self._pfts[:, [slot]]) & (kinds > 0)).any(axis=1)
            green, bare = mine & evergreen[:, slot], mine & ~woody[:, slot]
            plants[green, slot, STORAGE : 3 * N_TISSUES] = 0.0
            for part in range(3):
                for tissue in _WOODY:
                    plants[bare, slot, part * N_TISSUES + TISSUES.index(tissue)] = 0.0

    def stocks(self, state: State) -> Stocks:
        """Carbon and nitrogen of whole sites, by the model's own ratios of tissue."""
        names = pft_parameter_names()
        ratios = np.stack(
            [
                self._traits[..., names.index(name)]
                for name in (
                    "leafcn", "frootcn", "livewdcn", "deadwdcn", "livewdcn", "deadwdcn",
                )
            ],
            axis=-1,
        )  # fmt: skip
        per_carbon = np.divide(1.0, ratios, out=np.zeros_like(ratios), where=ratios > 0.0)
        for live in (2, 4):  # dead wood is never richer than live wood
            per_carbon[..., live + 1] = np.minimum(per_carbon[..., live + 1], per_carbon[..., live])
        plants = state.plants[:, 0]
        tissue = plants[..., : 3 * N_TISSUES].reshape(*plants.shape[:2], 3, N_TISSUES).sum(axis=2)
        area = np.where(self._pfts > 0, self._weights, 0.0)
        carbon = (area * (tissue.sum(axis=-1) + plants[..., P_CPOOL])).sum(axis=1)
        nitrogen = (area * ((tissue * per_carbon).sum(axis=-1) + plants[..., P_NPOOL])).sum(axis=1)
        column = state.column[:, 0]
        return Stocks(
            carbon + column[:, S_C : S_C + N_POOLS].sum(axis=1),
            nitrogen + column[:, S_N : S_N + N_POOLS].sum(axis=1) + column[:, S_SMINN],
        )


def _column_places() -> list[tuple[Pool, int]]:
    made = [(Pool(f"{pool}c", "gC m-2"), S_C + n) for n, pool in enumerate(POOLS)]
    made += [(Pool(f"{POOLS[n]}n", "gN m-2"), S_N + n) for n in FLOATING]
    return [*made, (Pool("sminn", "gN m-2"), S_SMINN)]


def _plant_places(pft: int, parameters: ParameterSet) -> list[tuple[Pool, int]]:
    """Pools of a plant; those that it cannot have in any site have no column."""
    name, names = PFT_NAMES[pft], pft_parameter_names()
    evergreen, woody = (
        parameters.pfts[:, pft, names.index(trait)] > 0.5 for trait in ("evergreen", "woody")
    )
    made = []
    for n, part in enumerate(_PARTS):
        for k, tissue in enumerate(TISSUES):
            if (part and evergreen.all()) or (tissue in _WOODY and not woody.any()):
                continue
            made.append((Pool(f"{tissue}c{part}.{name}", "gC m-2", pft), n * N_TISSUES + k))
    made.append((Pool(f"cpool.{name}", "gC m-2", pft, signed=True), P_CPOOL))
    made.append((Pool(f"npool.{name}", "gN m-2", pft), P_NPOOL))
    made.append((Pool(f"annsum_npp.{name}", "gC m-2 yr-1", pft, signed=True), P_ANNSUM_NPP))
    return made


def _slot(columns: Columns, pft: int) -> Sites:
    """Slot of a plant in each cell, -1 where it is not, int64 (cell,)."""
    here = (columns.pfts == pft) & (columns.weights > 0.0)
    twice = here.sum(axis=1) > 1
    if twice.any():
        raise InvalidRequest(
            f"{PFT_NAMES[pft]} has two slots in cell {int(np.argmax(twice))}; give each plant of a "
            "cell one share"
        )
    return np.where(here.any(axis=1), here.argmax(axis=1), -1).astype(np.int64)
