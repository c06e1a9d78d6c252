"""A training as a JSON file: what processes that somebody else starts are told to do.

::

    {"task": "forecast",               or "downscale"
     "caches": ["planet"],             folders of hot caches
     "model": {...},                   OrbitConfig, or DownscaleConfig
     "settings": {"steps": 1000, "batch": 16},
     "checkpoints": "run-1",           folder of this training alone
     "leads_h": [6, 12, 24],           none for downscaling
     "period": {"first": "2001-01-01", "stop": "2010-01-01"},
     "validation": {"first": "2010-02-01"},
     "samples": 500,
     "statistics": {...},              measured in the period where they are left out
     "pretrained": {"model": {...}, "weights": "weights.safetensors"},
     "adaptation": {"kind": "lora", "rank": 8}}

Paths are absolute, or begin at the file's folder. All from `leads_h` on may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.orbit_trainer.trainings import Training
from catena.shared.errors import FailedPrecondition, FieldViolation, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = ["read_task", "write_task"]

_WEIGHTS = "pretrained.safetensors"
_NEEDED = ("task", "caches", "model", "settings", "checkpoints")
_OTHERS = ("leads_h", "period", "validation", "samples", "statistics", "pretrained", "adaptation")
_MODELS: dict[str, type[OrbitConfig] | type[DownscaleConfig]] = {
    "forecast": OrbitConfig,
    "downscale": DownscaleConfig,
}


def write_task(path: Path, training: Training, checkpoints: Path) -> None:
    """Write the file, and the pre-trained weights beside it if there are any.

    Raises
    ------
    FailedPrecondition
        When they cannot be written: the disk is full, for one.
    """
    before = training.pretrained
    plain = {
        "task": "downscale" if isinstance(training.config, DownscaleConfig) else "forecast",
        "caches": [str(folder.absolute()) for folder in training.folders],
        "model": training.config.to_dict(),
        "settings": training.settings.to_dict(),
        "checkpoints": str(checkpoints.absolute()),
        "leads_h": list(training.leads_h),
        "period": asdict(training.period),
        "validation": None if training.validation is None else asdict(training.validation),
        "samples": training.samples,
        "statistics": training.statistics.to_dict(),
        "pretrained": before and {"model": before.config.to_dict(), "weights": _WEIGHTS},
        "adaptation": asdict(training.adaptation),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if before is not None:
            save_file(dict(before.weights), path.with_name(_WEIGHTS))
        path.write_text(json.dumps(plain, indent=1))
    except (OSError, SafetensorError) as error:
        raise FailedPrecondition(
            f"the training's task could not be written ({error}); free some space and start again"
        ) from error


def read_task(path: Path) -> tuple[Training, Path]:
    """The training, and the folder of its checkpoints.

    Raises
    ------
    InvalidRequest
        When the file is no such JSON; names what is wrong with it.
    InvalidData, NotFound
        When a hot cache is not there, or not whole.
    """
    try:
        plain = json.loads(path.read_text())
        if not isinstance(plain, dict):
            raise ValueError(f"a {type(plain).__name__} came")
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"task {path.name}: wanted a JSON object ({error})") from None
    wrong = [FieldViolation(name, "is missing") for name in _NEEDED if name not in plain]
    for name in plain.keys() - {*_NEEDED, *_OTHERS}:
        known = ", ".join((*_NEEDED, *_OTHERS))
        wrong.append(FieldViolation(name, f"there is no such field; there are {known}"))
    if not wrong and plain["task"] not in list(_MODELS):
        wrong.append(FieldViolation("task", f"{plain['task']!r}; wanted {' or '.join(_MODELS)}"))
    if wrong:
        raise InvalidRequest(f"task {path.name} makes no training", violations=wrong)
    folder = path.absolute().parent
    given = {name: value for name, value in plain.items() if value is not None}
    settings = TrainingSettings.from_dict(plain["settings"])
    try:
        return _training(given, settings, folder), folder / plain["checkpoints"]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidRequest(
            f"task {path.name} makes no training: {type(error).__name__}: {error}"
        ) from None


def _training(plain: Mapping[str, Any], settings: TrainingSettings, folder: Path) -> Training:
    config = _MODELS[plain["task"]].from_dict(plain["model"])
    known = config.coarse if isinstance(config, DownscaleConfig) else config
    samples = plain.get("samples")
    if not isinstance(plain["caches"], list):
        raise ValueError(f"caches is {plain['caches']!r}; wanted a list of folders")
    if samples is not None and type(samples) is not int:
        raise ValueError(f"samples is {samples!r}; wanted a whole number")
    folders = tuple(folder / name for name in plain["caches"])
    leads = tuple(float(lead) for lead in plain.get("leads_h", ()))
    period = _period(plain.get("period", {}))
    if "statistics" in plain:
        statistics = Statistics.from_dict(plain["statistics"])
    else:
        caches = [HotCache.open(one) for one in folders]
        statistics = measured(caches, known.variables, leads, period)
    return Training(
        folders=folders,
        config=config,
        statistics=statistics,
        settings=settings,
        leads_h=leads,
        period=period,
        validation=_period(plain["validation"]) if "validation" in plain else None,
        samples=samples,
        pretrained=_pretrained(plain["pretrained"], folder) if "pretrained" in plain else None,
        adaptation=Adaptation(**plain.get("adaptation", {})),
    )


def _period(plain: Mapping[str, Any]) -> Period:
    if not all(isinstance(date, str) for date in plain.values()):
        raise ValueError(f"the period {dict(plain)}; wanted dates in quotes")
    return Period(**plain)


def _pretrained(plain: Mapping[str, Any], folder: Path) -> Pretrained:
    try:
        weights = load_file(folder / plain["weights"])
    except (OSError, SafetensorError) as error:
        raise ValueError(f"pretrained.weights cannot be read ({error})") from None
    return Pretrained(OrbitConfig.from_dict(plain["model"]), weights)
