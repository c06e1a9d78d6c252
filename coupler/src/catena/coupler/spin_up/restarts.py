"""Spun-up sites of the embedded model as restart files with ELM's names: one for a parameter set.

A restart comes only when nothing speaks against it: pools as they are (``spinup_state`` 0), no NaN,
nothing negative, the ratios of the parameter set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cftime
import numpy as np

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet, pft_parameter_names
from catena.coupler.embedded.restart_state import empty_restart, to_restart
from catena.coupler.embedded.state import State
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import NATURAL, Restart, Stoichiometry, check
from catena.coupler.spin_up.case import Sites
from catena.coupler.spin_up.check import ROUNDING
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.shared.errors import FailedPrecondition, InvalidData

START = cftime.DatetimeNoLeap(1, 1, 1)


@dataclass(frozen=True)
class SetOfSites:
    """Sites that share a parameter set, and so a restart file.

    Parameters
    ----------
    sites : int64 (cell,)
        Of the case, in its order.
    columns : Columns
        Their cells.
    parameters : ParameterSet
        One member.
    """

    sites: Sites
    columns: Columns
    parameters: ParameterSet


def sets_of_sites(case: EmbeddedCase) -> list[SetOfSites]:
    """Sites by parameter set, in the order in which the sets first occur."""
    rows: dict[bytes, list[int]] = {}
    for site in range(case.sites):
        own = case.parameters.scalars[site].tobytes() + case.parameters.pfts[site].tobytes()
        rows.setdefault(own, []).append(site)
    made = []
    for sites in rows.values():
        cell, whole = case.cell[sites], case.columns
        columns = Columns(
            whole.lat[cell],
            whole.lon[cell],
            whole.sand[cell],
            whole.clay[cell],
            whole.pfts[cell],
            whole.weights[cell],
        )
        first = slice(sites[0], sites[0] + 1)
        one = replace(
            case.parameters,
            scalars=case.parameters.scalars[first],
            pfts=case.parameters.pfts[first],
        )
        made.append(SetOfSites(np.array(sites), columns, one))
    return made


def ratios_of(parameters: ParameterSet) -> Stoichiometry:
    """C:N ratios and traits of one parameter set; phosphorus as in ELM's defaults."""
    names = pft_parameter_names()

    def of(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values: np.ndarray[tuple[int], np.dtype[np.float64]] = parameters.pfts[0][
            :, names.index(name)
        ]
        return values

    first, second, third, fourth = (
        float(parameters.get(f"cn_s{number}")[0]) for number in (1, 2, 3, 4)
    )
    tissue = dict(NATURAL.tissue)
    for kind, name in (
        ("leaf", "leafcn"),
        ("froot", "frootcn"),
        ("livewd", "livewdcn"),
        ("deadwd", "deadwdcn"),
    ):
        tissue[kind, "n"] = of(name)
    return Stoichiometry(
        soil={"n": (first, second, third, fourth), "p": NATURAL.soil["p"]},
        tissue=tissue,
        woody=of("woody") > 0.5,
        evergreen=of("evergreen") > 0.5,
        names=PFT_NAMES,
    )


def restarts(
    case: EmbeddedCase, state: State, date: cftime.datetime = START
) -> Iterator[tuple[SetOfSites, Restart]]:
    """Restarts of a spun-up state, one for each parameter set.

    Parameters
    ----------
    case : EmbeddedCase
    state : State
        Of all its sites.
    date : cftime.datetime
        That the files carry, in the calendar noleap.

    Raises
    ------
    FailedPrecondition
        When the state is one of accelerated decomposition: the file would hold its pools in other
        units, or equilibrium pools under its flag.
    InvalidData
        When a pool is NaN, infinite, negative, or not in the ratio of the parameter set.
    """
    if state.spinup_state != 0:
        raise FailedPrecondition(
            "the state is one of accelerated decomposition (spinup_state 1); a spun-up state has "
            "left it: call leave_ad and run the model as it is"
        )
    _refuse(case, state)
    for group in sets_of_sites(case):
        empty = empty_restart(group.columns, date.calendar, 0)
        made = to_restart(
            state.values[group.sites, 0], group.columns, group.parameters, date, 0, empty=empty
        )
        wrong = [
            each
            for each in check(made, stoichiometry=ratios_of(group.parameters))
            if each.action == "refused"
        ]
        if wrong:
            raise InvalidData(
                f"no restart is made of sites {group.sites[0]} to {group.sites[-1]}: {wrong[0]}"
                + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")
            )
        yield group, made


def _refuse(case: EmbeddedCase, state: State) -> None:
    lost = np.flatnonzero(~np.isfinite(state.values).all(axis=(1, 2)))
    if lost.size:
        raise InvalidData(
            f"the state of site {lost[0]} is NaN or infinite (and so of {lost.size - 1} more): its "
            "run has failed; leave it out, or spin it up again"
        )
    pools = case.pools(state)
    signed = np.array([pool.signed for pool in case.layout.pools])
    wrong = np.argwhere((pools < -ROUNDING) & ~signed)
    if wrong.size:
        site, column = wrong[0]
        raise InvalidData(
            f"{case.layout.names[column]} of site {site} is {pools[site, column]:g}; 0 or more "
            f"was wanted ({len(wrong)} such pools in all)"
        )
