"""Several fine-tuned checkpoints on the same days: what pre-training is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from catena.models.orbit_checkpoint import About
from catena.orbit_trainer.evaluation.baselines import Climatology
from catena.orbit_trainer.evaluation.efficiency import DataEfficiency
from catena.orbit_trainer.evaluation.evaluate import evaluate
from catena.orbit_trainer.evaluation.forecasters import Direct
from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE, Skill
from catena.orbit_trainer.predict import Predictor
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = ["PRETRAINED", "SCRATCH", "beginning", "data_efficiency"]

PRETRAINED, SCRATCH = "pre-trained", "from scratch"
LABEL = "RMSE over that of climatology"


def beginning(about: About) -> str:
    """What a fine-tuning began from: its weights have seen more than its own days, or not."""
    return PRETRAINED if len(about.seen) > 1 else SCRATCH


def data_efficiency(
    checkpoints: Iterable[Predictor],
    reference: Skill,
    cache: HotCache,
    period: Period,
    climatology: Climatology,
    *,
    stride: int = 1,
    progress: Callable[[int], None] = lambda judged: None,
) -> DataEfficiency:
    """Skill of each checkpoint by the number of its samples.

    It is the RMSE over that of climatology, as the mean over leads and variables; persistence is
    judged alike.

    Parameters
    ----------
    checkpoints : iterable of Predictor
        Fine-tuned for forecasts with a number of samples; with the outputs of `climatology`.
    reference : Skill
        Of any model on the same days: its leads are taken.
    cache : HotCache
    period : Period
        Days that are judged.
    climatology : Climatology
    stride : int
        Steps of the cache between initial times.
    progress : callable
        Told how many were judged.
    """
    found: dict[str, dict[int, float]] = {PRETRAINED: {}, SCRATCH: {}}
    for judged, predictor in enumerate(checkpoints, start=1):
        about = predictor.about
        skill = evaluate(
            {"ORBIT": Direct(predictor.forecaster)},
            cache,
            period,
            reference.leads_h,
            climatology,
            variables=about.fields.variables,
            outputs=about.fields.outputs,
            stride=stride,
        )
        found[beginning(about)][about.record["samples"]] = _error(skill, "ORBIT")
        progress(judged)
    samples = sorted({count for curve in found.values() for count in curve})
    curves = {
        name: np.array([curve.get(count, np.nan) for count in samples])
        for name, curve in found.items()
    }
    for name in (PERSISTENCE, CLIMATOLOGY):
        curves[name] = np.full(len(samples), _error(reference, name))
    return DataEfficiency(samples, curves, LABEL)


def _error(skill: Skill, name: str) -> float:
    return float(np.nanmean(skill.ratio(name, CLIMATOLOGY)))
