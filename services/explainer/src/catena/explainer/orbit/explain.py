"""Why forecasts of fields came out as they did: contributions, SHAP, permutation, attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from catena.explainer.attribution.agreement import rank_agreement
from catena.explainer.orbit.explanation import OrbitExplanation
from catena.explainer.orbit.importance import variable_importance
from catena.explainer.orbit.loading import Fields, ForecastModel
from catena.explainer.orbit.methods import METHODS, SAMPLE, Work
from catena.explainer.orbit.prediction import FieldPrediction, Target
from catena.shared.errors import InvalidData, InvalidRequest

__all__ = ["explain_fields"]

DEFAULT_METHODS = ("expected_gradients", "permutation_shap", "attention", "permutation")
FEWEST_PERMUTED = 2

Progress = Callable[[float, str], None]
Array = NDArray[np.float64]


def explain_fields(
    forecast: ForecastModel,
    targets: Sequence[Target],
    samples: Fields,
    background: Fields,
    *,
    leads_h: Sequence[float] = (),
    ahead: NDArray[np.float32] | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    steps: int = 16,
    seed: int = 0,
    title: str = "",
    generated: bool = False,
    progress: Progress = lambda share, message: None,
) -> OrbitExplanation:
    """Explain forecasts of the means of fields over boxes.

    Parameters
    ----------
    forecast : ForecastModel
    targets : sequence of Target
        What is explained.
    samples : Fields, N times
        Fields that the forecasts begin from.
    background : Fields, M times
        What they are compared with: days of training, spread over its period.
    leads_h : sequence of float
        Lead times, hours, rising; all that the model was trained on by default.
    ahead : array, (N, L, V_out, H, W), optional
        What came of it (:func:`.loading.read_ahead`), for permutation importance and the page.
    methods : sequence of str
        Of :data:`.methods.METHODS`. The first one with gradients is `contribution` of the result.
    steps : int
        Nodes of a path of integrated gradients; doubled where its sum is not right.
    seed : int
        Of SHAP and of permutations.
    title : str
    generated : bool
        Whether the fields of the samples were made by a formula.
    progress : callable
        Told the fraction done and a sentence.

    Raises
    ------
    InvalidRequest
        When there is no such method, target or lead, leads do not rise, or permutation is asked for
        where nothing is known of what came.
    InvalidData
        When the fields are not those of the model, the variable of a target is missing, a
        prediction is not finite, or it does not depend on the fields.
    """
    _check(forecast, targets, samples, background, methods)
    leads = tuple(leads_h) or forecast.about.leads_h
    if list(leads) != sorted(set(leads)):
        raise InvalidRequest(f"leads of {list(leads)} h; give each once, the shortest first")
    whole = FieldPrediction(forecast, targets, leads)
    observed = _observed(whole, samples, ahead)
    if "permutation" in methods and (np.isfinite(observed).sum(0) < FEWEST_PERMUTED).any():
        raise InvalidRequest(
            "permutation needs what came of two forecasts or more at each lead; give days whose "
            "fields a lead later are in the hot cache, or leave the method out"
        )
    work = Work(whole, samples, background, methods, steps, seed)
    for number, lead in enumerate(leads):
        work.predicted(lead)
        for place, method in enumerate(methods):
            done = (number + place / len(methods)) / len(leads)
            progress(done, f"{method.replace('_', ' ')} at a lead of {lead:g} h")
            work.method(method, lead, observed[:, number])
    data = work.dataset(leads)
    data["observed"] = (SAMPLE, observed)
    importance = variable_importance(data)
    agreement = rank_agreement(importance) if importance else None
    about = forecast.about
    return OrbitExplanation(
        data=data,
        title=title or f"Why {about.title} forecasts what it does",
        model=about.title,
        methods={name: work.facts(name) for name in methods},
        agreement={
            "methods": list(agreement.methods) if agreement else [],
            "spearman": [
                [float(value) if np.isfinite(value) else None for value in row]
                for row in (agreement.spearman if agreement else [])
            ],
        },
        trained_on=about.days(),
        background=_background_words(background),
        generated=about.generated or generated,
        notes=_notes(samples),
    )


def _check(
    forecast: ForecastModel,
    targets: Sequence[Target],
    samples: Fields,
    background: Fields,
    methods: Sequence[str],
) -> None:
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods or len(set(methods)) != len(methods):
        raise InvalidRequest(
            f"methods {list(methods)}; wanted one at least, each once, of {', '.join(METHODS)}"
        )
    about = forecast.about
    for name, fields in (("samples", samples), ("background", background)):
        wanted = (len(about.fields.variables), *about.grid)
        if not len(fields) or fields.values.shape[1:] != wanted:
            raise InvalidData(
                f"{name} of shape {fields.values.shape}; one time or more of {wanted} (variables, "
                "rows, columns) is wanted: read them for this model"
            )
        if fields.units != tuple(forecast.units[name] for name in about.fields.variables):
            raise InvalidData(
                f"{name} have units {fields.units}, the model was trained on "
                f"{tuple(forecast.units.values())}; read them for this model"
            )
    for variable in dict.fromkeys(target.variable for target in targets):
        place = samples.variables.index(variable) if variable in samples.variables else None
        if place is not None and not np.isfinite(samples.values[:, place]).any((1, 2)).all():
            raise InvalidData(
                f"a time of the samples lacks {variable}, whose forecast begins from it; choose "
                "another target, or a hot cache that has it"
            )


def _observed(whole: FieldPrediction, samples: Fields, ahead: NDArray[np.float32] | None) -> Array:
    """What came of the forecasts, (N, L, T)."""
    shape = (len(samples), len(whole.leads_h))
    if ahead is None:
        return np.full((*shape, len(whole.targets)), np.nan)
    outputs = whole.forecast.about.fields.outputs
    if ahead.shape != (*shape, len(outputs), *whole.shape[1:]):
        raise InvalidData(
            f"fields a lead later of shape {ahead.shape}; "
            f"{(*shape, len(outputs), *whole.shape[1:])} is wanted: samples, leads, what is "
            "forecast, rows, columns"
        )
    return whole.means(ahead)


def _background_words(background: Fields) -> str:
    dates = background.dates()
    return f"{len(dates)} times from {min(dates)[:10]} to {max(dates)[:10]}"


def _notes(samples: Fields) -> tuple[str, ...]:
    lacking = [
        name
        for name, values in zip(samples.variables, samples.values.swapaxes(0, 1), strict=True)
        if not np.isfinite(values).any()
    ]
    if not lacking:
        return ()
    return (f"The hot cache lacks {', '.join(lacking)}: the model did without.",)
