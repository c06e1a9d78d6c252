"""Checks of a request against the artifacts that it names, before a job is made of it.

What a job would find out minutes later is said at once. Only small JSON files are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np

from catena.explainer import storage
from catena.explainer.attribution.integrated import GRADIENTS
from catena.explainer.queries import ExplainForecastQuery, ExplainParametersQuery
from catena.explainer.vocabulary import FieldForecasts, FlowForecasts
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.query import Query

MOST_NUMBERS = 200_000_000
"""Contributions of one request: samples times leads times columns; 1.6 GB while it runs."""


def check_against_artifacts(query: Query, store: ArtifactStore) -> None:
    """Raise what is wrong with `query`, given what its references hold.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = list(_violations(query, opened))
    if found:
        raise InvalidRequest("the request does not fit the artifacts it names", violations=found)


def _violations(query: Query, opened: dict[str, Artifact]) -> Iterable[FieldViolation]:
    if isinstance(query, ExplainForecastQuery):
        if query.flow is not None:
            return _flow(query.flow, opened)
        if query.fields is not None:
            return _fields(query, query.fields, opened)
    if isinstance(query, ExplainParametersQuery):
        return _parameters(query, opened)
    return ()


def _flow(flow: FlowForecasts, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    forecaster, samples = opened["flow.forecaster"], opened["flow.samples"]
    about = storage.read_samples_about(samples)
    if about["forecaster"] != forecaster.manifest.digest:
        yield FieldViolation(
            "flow.samples", "were drawn for another forecaster; draw samples for this one"
        )
        return
    forecasts, columns = storage.read_samples_size(samples)
    numbers = forecasts * about["leads"] * columns
    if numbers > MOST_NUMBERS:
        yield FieldViolation(
            "flow.samples",
            f"{forecasts} forecasts of {about['leads']} leads and {columns} inputs make "
            f"{numbers:.2g} contributions, {MOST_NUMBERS:.2g} at most; draw fewer samples",
        )
    # Of the defaults, leads that the forecaster does not have are left out.
    asked = flow.leads if "leads" in flow.model_fields_set else ()
    for i, lead in enumerate(asked):
        if lead > about["leads"]:
            yield FieldViolation(
                f"flow.leads[{i}]", f"got {lead}; the forecaster has {about['leads']} leads"
            )


def _fields(
    query: ExplainForecastQuery, fields: FieldForecasts, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    about = storage.read_checkpoint_about(opened["fields.checkpoint"])
    if about["task"] != "forecast":
        yield FieldViolation(
            "fields.checkpoint",
            f"got a checkpoint of the task {about['task']}; one that was fine-tuned for forecasts "
            "is wanted",
        )
        return
    trained = np.array(about["leads_h"], np.float64)
    for i, lead in enumerate(fields.leads_h):
        if not np.isclose(trained, lead, rtol=1e-5).any():
            yield FieldViolation(
                f"fields.leads_h[{i}]",
                f"got {lead:g}; the model was trained on {', '.join(f'{h:g}' for h in trained)} h",
            )
    known = about["config"]["outputs"]
    for i, target in enumerate(fields.targets):
        if target.variable not in known:
            yield FieldViolation(
                f"fields.targets[{i}].variable",
                f"got {target.variable!r}; the model forecasts {', '.join(known[:12])}"
                f"{', ...' if len(known) > 12 else ''}",
            )
    leads = len(fields.leads_h or about["leads_h"])
    cells = len(about["config"]["variables"]) * prod(about["config"]["grid"])
    maps = sum(name in GRADIENTS for name in query.asked) * leads * len(fields.targets)
    if (numbers := fields.count * maps * cells) > MOST_NUMBERS:
        yield FieldViolation(
            "fields.count",
            f"{fields.count} forecasts of {leads} leads and {len(fields.targets)} targets, from "
            f"{cells} numbers each, make {numbers:.2g} contributions, {MOST_NUMBERS:.2g} at most; "
            "ask for fewer forecasts, leads or targets",
        )


def _parameters(
    query: ExplainParametersQuery, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    known = storage.read_surrogate_outputs(opened["surrogate"])
    for i, name in enumerate(query.outputs):
        if name not in known:
            yield FieldViolation(
                f"outputs[{i}]",
                f"got {name!r}; the surrogate predicts {', '.join(known[:12])}"
                f"{', ...' if len(known) > 12 else ''}",
            )
