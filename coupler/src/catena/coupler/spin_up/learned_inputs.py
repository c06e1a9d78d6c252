"""What learned methods look at: what is known of a site, and its first years of acceleration.

The variant with years runs bare ground for some years of accelerated decomposition and only *reads*
what they left: nothing is multiplied, and no equilibrium is written into them. So ELM's rule that
accelerated decomposition is not left before year 40 is not touched, see :mod:`.learned`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

import numpy as np

from catena.coupler.spin_up.case import Floats, LandCase, S, Stretch
from catena.coupler.spin_up.layout import PoolLayout
from catena.coupler.spin_up.native import whole_cycles
from catena.shared.errors import InvalidRequest

FIRST_YEARS = 20
"""Of accelerated decomposition, for the variant that reads them."""
KNOWN = ("climate", "static", "parameters")
"""Kinds of input that need no run."""
PLANTS = "plants"
"""Kind of input that says what grows at a site; the trainer parts sites by it."""
LOGARITHMIC = ("states", "fluxes", "supplied_fluxes", "decomposition")
"""Kinds whose numbers span orders of magnitude; those that may be negative are told by name."""
_SIGNED_MEANS = ("NEE",)


@dataclass(frozen=True)
class FirstYears(Generic[S]):
    """Bare ground after some years of accelerated decomposition.

    Parameters
    ----------
    last : Stretch
        Its last cycle, in which nitrogen limits as it does.
    supplied : Stretch, optional
        The cycles before, in which it is supplied; None where there is one cycle only.
    years : int
    """

    last: Stretch[S]
    supplied: Stretch[S] | None
    years: int


def first_years(case: LandCase[S], years: int) -> FirstYears[S] | None:
    """Run the years that are read; None for 0.

    Nitrogen is supplied in all cycles but the last: what plants would grow with enough of it, and
    what they grow with the little that there is yet, lie on both sides of the equilibrium.

    Parameters
    ----------
    case : LandCase
    years : int
        Rounded up to whole cycles of the forcing.

    Raises
    ------
    InvalidRequest
        For a negative number of years.
    """
    if years < 0:
        raise InvalidRequest(f"{years} years of accelerated decomposition came; wanted 0 or more")
    if years == 0:
        return None
    cycles = whole_cycles(case, years)
    state, supplied = case.cold_start(), None
    if cycles > 1:
        supplied = case.run(state, cycles - 1, accelerated=True, supplement=True)
        state = supplied.state
    last = case.run(state, 1, accelerated=True)
    return FirstYears(last, supplied, cycles * case.cycle_years)


def inputs_of(case: LandCase[S], first: FirstYears[S] | None) -> dict[str, Floats]:
    """Inputs by kind, float64 (site, numbers), or (site, 12, variables) for the climate.

    ``plants`` is 1 for each plant that grows at a site, else 0. With first years also ``states``
    (pools at their end, in units of acceleration), ``fluxes`` and ``supplied_fluxes`` (means of a
    cycle), and ``decomposition`` where the model has a matrix (losses, then litter, of each pool).
    NaN where a site lacks a plant, and where its run failed.
    """
    made = {kind: np.asarray(case.known()[kind], dtype=np.float64) for kind in KNOWN}
    made[PLANTS] = _presence(case)
    if first is None:
        return made
    made["states"] = first.last.pools
    made["fluxes"] = _means(first.last)
    if first.supplied is not None:
        made["supplied_fluxes"] = _means(first.supplied)
    if first.last.cascade is not None:
        cascade = first.last.cascade
        made["decomposition"] = np.concatenate([cascade.losses, cascade.litter], axis=1)
    return made


def input_names(case: LandCase[S], first: FirstYears[S] | None) -> dict[str, list[str]]:
    """Names of the numbers of each kind of input, in their order."""
    own: Mapping[str, list[str]] = case.about()["inputs"]
    made = {kind: list(own[kind]) for kind in KNOWN}
    made[PLANTS] = list(plant_names(case.layout))
    if first is None:
        return made
    made["states"] = list(case.layout.names)
    made["fluxes"] = sorted(first.last.means)
    if first.supplied is not None:
        made["supplied_fluxes"] = sorted(first.supplied.means)
    if first.last.cascade is not None:
        pools = first.last.cascade.pools
        made["decomposition"] = [f"{kind} {p}" for kind in ("loss", "litter") for p in pools]
    return made


def logarithmic(case: LandCase[S], names: Mapping[str, list[str]]) -> dict[str, list[bool]]:
    """Of each number of a kind, whether its logarithm is looked at; kinds without any lack."""
    signed = {pool.name for pool in case.layout.pools if pool.signed} | set(_SIGNED_MEANS)
    return {
        kind: [name not in signed and not name.startswith("litter ") for name in names[kind]]
        for kind in LOGARITHMIC
        if kind in names
    }


def placed(values: Floats, names: list[str], wanted: list[str]) -> Floats:
    """Numbers in another order; NaN for those that are not there, as plants that do not occur."""
    at = {name: n for n, name in enumerate(names)}
    made = np.full((*values.shape[:-1], len(wanted)), np.nan)
    for n, name in enumerate(wanted):
        if name in at:
            made[..., n] = values[..., at[name]]
    return made


def plant_names(layout: PoolLayout) -> tuple[str, ...]:
    """Plants of a layout, as they stand behind the point in the names of their pools."""
    names = (pool.name.partition(".")[2] for pool in layout.pools if pool.pft >= 0)
    return tuple(dict.fromkeys(names))


def _presence(case: LandCase[S]) -> Floats:
    """Whether each plant grows at a site, (site, plant) of 0 and 1."""
    # What a site has not is NaN in bare ground already.
    there = np.isfinite(case.pools(case.cold_start()))
    made = np.zeros((case.sites, 0))
    for name in plant_names(case.layout):
        mine = [p.pft >= 0 and p.name.endswith(f".{name}") for p in case.layout.pools]
        made = np.column_stack([made, there[:, mine].any(axis=1)])
    return made


def _means(stretch: Stretch[S]) -> Floats:
    return np.stack([stretch.means[name] for name in sorted(stretch.means)], axis=1)
