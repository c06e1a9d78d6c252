"""From a request about spin-ups and the artifacts that it names to sites, methods and states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.forcing.makers import CO2_PPM, NDEP
from catena.ensemble_runner import members as tables
from catena.ensemble_runner.embedded import columns_of, parameters_of
from catena.ensemble_runner.inputs import field, read_forcing, read_members
from catena.ensemble_runner.land import read_land
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import Column, Model, Setup
from catena.ensemble_runner.queries import CompareSpinUpsQuery, SpinUpQuery
from catena.ensemble_runner.spin_methods import ABOUT, EMULATOR, SITES, WEIGHTS, MethodPlan
from catena.ensemble_runner.spin_queries import SpinUpMethod
from catena.ensemble_runner.spin_sites import SpinUpSites, sampled
from catena.shared.artifacts import Artifact
from catena.shared.errors import FieldViolation, InternalError, InvalidRequest
from catena.shared.query import RefQuery

MOST_SITES = 200_000


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
        raise _too_many(query, cell.size)
    known = parameters_of(common, members.columns, members.rows)
    sites = SpinUpSites(
        columns=columns_of(common),
        forcing=forcing,
        members=members,
        parameters=ParameterSet(known.scalars[row], known.pfts[row]),
        cell=cell,
        row=row,
        co2=CO2_PPM if asked.forcing.co2_ppm is None else asked.forcing.co2_ppm,
        ndep=NDEP if asked.forcing.n_deposition is None else asked.forcing.n_deposition,
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
            raise _too_many(query, total)
        return tables.drawn(model, query.draw.model_copy(update={"members": total}))
    return read_members(query, model, open_ref)


_AD_YEARS = {"native": "ad_years", "sasu": "start_years", "anderson": "start_years"}


def method_plan(asked: SpinUpMethod, open_ref: Callable[[RefQuery], Artifact]) -> MethodPlan:
    """A method of a request with what it learned."""
    options = {}
    if asked.ad_years is not None:
        options[_AD_YEARS[asked.kind]] = asked.ad_years
    if asked.final_years is not None:
        options["final_years"] = asked.final_years
    ref = asked.emulator or asked.training
    if ref is None:
        return MethodPlan(asked.kind, options)
    artifact = open_ref(ref)
    files = (EMULATOR, WEIGHTS) if asked.kind == "emulator" else (ABOUT, SITES)
    about = artifact.read_json(files[0])
    if not isinstance(about, dict):
        raise InternalError(f"{files[0]} holds no object; the artifact is of another make")
    return MethodPlan(asked.kind, options, about, artifact.read_arrays(files[1]), ref.digest)


def _too_many(query: SpinUpQuery | CompareSpinUpsQuery, sites: int) -> InvalidRequest:
    """Names the field by which there are so many."""
    name = "setup"
    if query.draw is not None:
        name = "draw.members"
    elif query.table is not None:
        name = "table.values"
    elif query.draws is not None:
        name = "draws.members"
    text = f"makes {sites} sites, cells x parameter sets; wanted at most {MOST_SITES}: give fewer"
    return InvalidRequest("the sites cannot be run", violations=[FieldViolation(name, text)])
