"""Four models that know more and more of a basin, tested on unseen basins in unseen years."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from catena.forecaster import metrics
from catena.forecaster.data.records import BasinRecords, Mask, refuse, unusable
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search, fit_process, regionalise
from catena.forecaster.training import TrainingConfig, train
from catena.forecaster.training.loop import no_denormals
from catena.forecaster.ungauged.chips import Chips
from catena.forecaster.ungauged.fold_tables import FoldTables, Sequences
from catena.models.image_net import ImageConfig
from catena.models.static_net import StaticConfig
from catena.models.ungauged_lstm import UngaugedConfig, UngaugedLSTM
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Progress = Callable[[str], None]

MODELS: Mapping[str, tuple[bool, bool]] = {
    "lstm": (False, False),
    "attributes": (True, False),
    "images": (False, True),
    "both": (True, True),
}
"""Name -> whether the model looks at attributes, and at images."""
AT_ONCE = 64
"""Sequences that are simulated side by side."""


@dataclass(frozen=True)
class Settings:
    """How networks for ungauged basins are built and trained.

    Parameters
    ----------
    width : int
        Of the hidden state.
    entity_gate : bool
        See :class:`catena.models.ungauged_lstm.UngaugedConfig`.
    image : ImageConfig
    warm_up, scored : int
        Days of a sequence before its flow counts, and days with flow; so too in the test.
    attribute_noise : float
        See :class:`catena.forecaster.ungauged.fold_tables.Sequences`.
    training : TrainingConfig
    """

    width: int = 64
    entity_gate: bool = False
    image: ImageConfig = field(default_factory=ImageConfig)
    warm_up: int = 365
    scored: int = 365
    attribute_noise: float = 0.1
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            loss="nse",
            cpu_s=200.0,
            batch=16,
            learning_rate=6e-3,
            average=0.98,
            evaluations=8,
            patience=8,
            validation_samples=64,
        )
    )


def fit(
    tables: FoldTables,
    fold: Fold,
    model: str,
    settings: Settings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> UngaugedLSTM:
    """Train one of :data:`MODELS` on the training basins and days of a fold.

    Days for validation stop it early; they are of the training basins. Nothing of the fold's test
    basins and test days is looked at.

    Raises
    ------
    InvalidData
        When there is no such model, images are asked for and not there, a training basin has no
        flow to learn from (by name), or no sequence fits in.
    """
    if model not in MODELS:
        raise InvalidData(f"model '{model}' came; one of {', '.join(MODELS)} wanted")
    by_attributes, by_images = MODELS[model]
    if by_images and tables.chips is None:
        raise InvalidData(f"model '{model}' looks at images and no chips came; give one per basin")
    if by_attributes and not tables.attributes.shape[1]:
        raise InvalidData(f"model '{model}' looks at attributes; the records have none")
    net = UngaugedLSTM(
        UngaugedConfig(
            weather=tables.weather.shape[2],
            attributes=StaticConfig(attributes=tables.attributes.shape[1])
            if by_attributes
            else None,
            image=settings.image if by_images else None,
            width=settings.width,
            entity_gate=settings.entity_gate and (by_attributes or by_images),
        ),
        seed,
    )
    span = {"warm_up": settings.warm_up, "scored": settings.scored}
    samples = Sequences(
        tables, fold.train_basins, fold.train_days, **span, within=True,
        attribute_noise=settings.attribute_noise,
    )  # fmt: skip
    held = Sequences(tables, fold.train_basins, fold.validate_days, **span, within=False)

    def say(fraction: float, message: str) -> None:
        if progress is not None:
            progress(f"{model}: {message}")

    # The loop asks of model and samples only what these have; it hands inputs on as they are.
    train(
        cast(Any, net), cast(Any, samples), cast(Any, held), settings.training, seed=seed,
        progress=say,
    )  # fmt: skip
    return net


def simulate(
    model: UngaugedLSTM,
    tables: FoldTables,
    basins: Sequence[str],
    days: Mask,
    *,
    warm_up: int,
    scored: int,
) -> Array:
    """Flow, mm d-1, (basin, T), of basins on some days, from their weather; NaN on other days.

    Each run of days is simulated in pieces as long as those of training, each warmed up by the
    weather before it. Days with less than that before them in the records stay NaN.

    Parameters
    ----------
    model : UngaugedLSTM
    tables : FoldTables
    basins : sequence of str
    days : (T,) boolean array
    warm_up, scored : int
        As in training.
    """
    rows = tables.rows(basins)
    flow = np.full((len(rows), len(days)), np.nan)
    chips = None if tables.chips is None or model.image is None else tables.chips[rows]
    with torch.no_grad(), no_denormals():
        # Once per basin, however many days follow.
        encodings = model.encode(
            torch.from_numpy(tables.attributes[rows]),
            None if chips is None else torch.from_numpy(chips),
        )
        starts = [s for first, end in _runs(days, warm_up) for s in range(first, end, scored)]
        for start in starts:
            end = min(start + scored, len(days))
            weather = tables.weather[rows, start - warm_up : end]
            for some in np.array_split(np.arange(len(rows)), -(-len(rows) // AT_ONCE)):
                made = model.simulate(torch.from_numpy(weather[some]), encodings[some])
                flow[some, start:end] = made[:, warm_up:].numpy()
    flow *= tables.flow_scale[rows, None]
    flow[:, ~days] = np.nan
    return flow


def _runs(days: Mask, warm_up: int) -> list[tuple[int, int]]:
    """First and one past the last place of each run of days that can be warmed up."""
    can = np.array(days, bool)
    can[:warm_up] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], can, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def donor_flow(
    records: BasinRecords,
    fold: Fold,
    *,
    seed: int,
    search: Search | None = None,
    worst_misfit: float = 0.7,
) -> Array:
    """Flow, mm d-1, (test basin, T), of the process model with parameters of donor basins.

    The training basins are calibrated on the days of training and of validation, which it has no
    other use for; the most similar of them lend their parameters. It runs through all days with the
    weather of the test basins.

    Parameters
    ----------
    records : BasinRecords
    fold : Fold
    seed : int
    search : Search, optional
        How parameters are searched.
    worst_misfit : float
        See :func:`catena.forecaster.process.regionalise`.

    Raises
    ------
    InvalidData
        Training basins that cannot be calibrated (by name), or too few good donors.
    """
    gauged, ungauged = records.select(fold.train_basins), records.select(fold.test_basins)
    known = fold.train_days | fold.validate_days
    fitted = fit_process(gauged, known, seed=seed, search=search)
    donors = regionalise(
        fitted,
        gauged,
        ungauged,
        fold.train_days,
        attributes=records.attribute_names,
        worst_misfit=worst_misfit,
    )
    return donors.simulate(ungauged)


def compare(
    records: BasinRecords,
    folds: Sequence[Fold],
    settings: Settings,
    *,
    seed: int,
    chips: Chips | None = None,
    models: Iterable[str] = tuple(MODELS),
    donors: bool = True,
    search: Search | None = None,
    worst_misfit: float = 0.7,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """NSE of each model in each basin, on unseen days of a basin it was not trained on.

    Parameters
    ----------
    records : BasinRecords
    folds : sequence of Fold
        From :func:`catena.forecaster.data.splits.folds`.
    settings : Settings
    seed : int
        Of weights, batches and calibrations.
    chips : Chips, optional
    models : iterable of str
        Of :data:`MODELS`.
    donors : bool
        Whether to add ``donor``, the process model with parameters of similar basins.
    search, worst_misfit
        See :func:`donor_flow`.
    progress : callable, optional
        Told in words how far it is.

    Returns
    -------
    dict of str to (N,) array
        By model, for the basins of the records; NaN in basins that no fold tests. All are judged on
        the same days: those of the fold's test block with `warm_up` days of weather before them.

    Raises
    ------
    InvalidData
        As :func:`fit`; when basins cannot be learned from (by name).
    """
    names = [*models, *(["donor"] if donors else [])]
    scores = {name: np.full(len(records), np.nan) for name in names}
    for number, fold in enumerate(folds, 1):
        learned = records.select(fold.train_basins)
        shortest = settings.warm_up + settings.scored
        refuse(
            unusable(learned, days=fold.train_days, shortest=shortest),
            "basins cannot be learned from",
        )
        tables = FoldTables.of(records, fold, chips)
        rows = records.rows(fold.test_basins)
        judged = fold.test_days.copy()
        judged[: settings.warm_up] = False
        observed = records.flow[rows][:, judged]
        for name in names:
            if name == "donor":
                flow = donor_flow(
                    records, fold, seed=seed, search=search, worst_misfit=worst_misfit
                )
            else:
                net = fit(tables, fold, name, settings, seed=seed, progress=progress)
                flow = simulate(
                    net, tables, fold.test_basins, fold.test_days, warm_up=settings.warm_up,
                    scored=settings.scored,
                )  # fmt: skip
            scores[name][rows] = metrics.nse(flow[:, judged], observed, over=-1)
            if progress is not None:
                median = np.nanmedian(scores[name][rows])
                progress(f"fold {number}: {name}, median NSE {median:.3f}")
    return scores
