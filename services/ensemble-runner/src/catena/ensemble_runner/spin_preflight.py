"""Checks of requests about spin-ups against the model and artifacts, before any job."""

from __future__ import annotations

from collections.abc import Iterator

from catena.coupler.spin_up.plug_in import spin_ups
from catena.ensemble_runner import preflight
from catena.ensemble_runner.members import single_values
from catena.ensemble_runner.models import Column, Model
from catena.ensemble_runner.queries import CompareSpinUpsQuery, SpinUpQuery
from catena.ensemble_runner.spin_methods import ABOUT, EMULATOR, SITES, WEIGHTS
from catena.ensemble_runner.spin_queries import SpinUpMethod
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidRequest


def check_spin_up(query: SpinUpQuery | CompareSpinUpsQuery, store: ArtifactStore) -> None:
    """Raise what is wrong with a request about spin-ups.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    if query.model == "elm":
        text = (
            "got elm; SpinUp runs sites of the embedded model. A case of elm is spun up by the "
            "command `catena elm`, with --spin-up emulator"
        )
        raise InvalidRequest(
            "the model cannot be spun up here", violations=[FieldViolation("model", text)]
        )
    model = preflight.asked_model(query.model)
    # What the model alone knows comes first: a flow asks before its artifacts are there.
    _refuse(model, [*_alone(model, query)])
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = [*_setup(model, query, opened)]
    if query.draws is not None:
        found += preflight.members_fit(model, query, opened)
    for where, method in _methods(query):
        found += _method(method, where, opened)
    _refuse(model, found)


def _refuse(model: Model, found: list[FieldViolation]) -> None:
    if found:
        raise InvalidRequest(f"{model.name} cannot be spun up so", violations=found)


def _methods(query: SpinUpQuery | CompareSpinUpsQuery) -> list[tuple[str, SpinUpMethod]]:
    if isinstance(query, SpinUpQuery):
        return [("method", query.method)]
    own = [(f"methods[{i}]", method) for i, method in enumerate(query.methods)]
    return [("reference", query.reference), *own]


def _alone(model: Model, query: SpinUpQuery | CompareSpinUpsQuery) -> Iterator[FieldViolation]:
    """What is wrong whatever the artifacts hold."""
    yield from preflight.version_fits(model, query.model_version)
    values = [(Column(item.name, item.pft), item.value) for item in query.setup.fixed]
    yield from single_values(model, values, "setup.fixed")
    if query.draws is None:
        yield from preflight.members_fit(model, query, {})
    for where, method in _methods(query):
        if method.kind not in spin_ups():
            text = f"got {method.kind}; installed are {', '.join(spin_ups())}"
            yield FieldViolation(f"{where}.kind", text)


def _setup(
    model: Model, query: SpinUpQuery | CompareSpinUpsQuery, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    setup = query.setup
    if setup.forcing is None:
        yield FieldViolation("setup.forcing", "is missing; give a dataset or a site's driver file")
    else:
        yield from preflight.forcing_fits(setup.forcing, opened)
        yield from preflight.surfaces_fit(model, setup, setup.forcing, opened)


def _method(
    method: SpinUpMethod, where: str, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    for field, files, what in (
        ("emulator", (EMULATOR, WEIGHTS), "train it anew with FineTune"),
        ("training", (SITES, ABOUT), "spin up a native sample with lessons"),
    ):
        artifact = opened.get(f"{where}.{field}")
        if artifact is None:
            continue
        if lacking := [name for name in files if name not in artifact.names]:
            yield FieldViolation(f"{where}.{field}", f"has no {' and no '.join(lacking)}; {what}")
