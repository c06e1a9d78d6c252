"""Models that know more and more of a basin, tested on unseen basins in unseen years."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from catena.forecaster import metrics
from catena.forecaster.data.records import BasinRecords, Mask, refuse, unusable
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search
from catena.forecaster.training import TrainingConfig, train
from catena.forecaster.training.loop import no_denormals
from catena.forecaster.ungauged.chips import Chips
from catena.forecaster.ungauged.donor_flow import donor_flows
from catena.forecaster.ungauged.fold_tables import FoldTables, Sequences
from catena.models.image_net import ImageConfig
from catena.models.static_net import StaticConfig
from catena.models.ungauged_lstm import UngaugedConfig, UngaugedLSTM
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Progress = Callable[[str], None]

MEMBER = 1000
"""What the seeds of the members of an ensemble are apart."""
AT_ONCE = 64
"""Sequences that are simulated side by side."""


@dataclass(frozen=True)
class Settings:
    """What a network for ungauged basins looks at, how it is built and trained.

    Parameters
    ----------
    attributes, images, donor_flow : bool
        What it knows of a basin besides its weather: attributes, a satellite chip, and the flow of
        a process model with the parameters of other basins.
    width : int
        Of the hidden state.
    entity_gate : bool
        See :class:`catena.models.ungauged_lstm.UngaugedConfig`.
    image : ImageConfig
    warm_up, scored : int
        Days of a sequence before its flow counts, and days with flow; so too in the test.
    attribute_noise : float
        See :class:`catena.forecaster.ungauged.fold_tables.Sequences`.
    members : int
        Networks, alike but for their seeds, whose flows are averaged.
    training : TrainingConfig
        Of each of them.
    """

    attributes: bool = False
    images: bool = False
    donor_flow: bool = False
    width: int = 64
    entity_gate: bool = False
    image: ImageConfig = field(default_factory=ImageConfig)
    warm_up: int = 365
    scored: int = 365
    attribute_noise: float = 0.1
    members: int = 1
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


MODELS: Mapping[str, Settings] = {
    "lstm": Settings(),
    "attributes": Settings(attributes=True),
    "images": Settings(images=True),
    "both": Settings(attributes=True, images=True),
}
"""The four models of Tayal, Renganathan and Lu (2024)."""
HYBRID = Settings(
    attributes=True,
    donor_flow=True,
    width=32,
    warm_up=90,
    scored=180,
    attribute_noise=0.3,
    members=4,
    training=replace(
        Settings().training, cpu_s=60.0, batch=32, learning_rate=2e-3, validation_samples=200
    ),
)
"""Networks that learn what is wrong with donors' flow, which remembers the seasons for them."""


def fit(
    tables: FoldTables,
    fold: Fold,
    settings: Settings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> UngaugedLSTM:
    """Train a network on the training basins and days of a fold.

    Days for validation stop it early; they are of the training basins. Nothing of the fold's test
    basins and test days is looked at.

    Raises
    ------
    InvalidData
        When something it is to look at is not there, a training basin has no flow to learn from (by
        name), or no sequence fits in.
    """
    if settings.images and tables.chips is None:
        raise InvalidData("the model looks at images and no chips came; give one per basin")
    if settings.attributes and not tables.attributes.shape[1]:
        raise InvalidData("the model looks at attributes; the records have none")
    if settings.donor_flow and tables.donor_flow is None:
        raise InvalidData("the model looks at flow by donors and none came; see donor_flows")
    tables = _seen_by(settings, tables)
    net = UngaugedLSTM(
        UngaugedConfig(
            weather=tables.weather.shape[2],
            attributes=StaticConfig(attributes=tables.attributes.shape[1])
            if settings.attributes
            else None,
            image=settings.image if settings.images else None,
            width=settings.width,
            entity_gate=settings.entity_gate and (settings.attributes or settings.images),
            donors=0 if tables.donor_flow is None else tables.donor_flow.shape[2],
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
            progress(message)

    # The loop asks of model and samples only what these have; it hands inputs on as they are.
    train(
        cast(Any, net), cast(Any, samples), cast(Any, held), settings.training, seed=seed,
        progress=say,
    )  # fmt: skip
    return net


def _seen_by(settings: Settings, tables: FoldTables) -> FoldTables:
    """Tables without what the model does not look at: it costs nothing then."""
    return replace(
        tables,
        chips=tables.chips if settings.images else None,
        donor_flow=tables.donor_flow if settings.donor_flow else None,
        donor_error=tables.donor_error if settings.donor_flow else None,
    )


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
    donor_flow = tables.donor_flow if model.donors else None
    with torch.no_grad(), no_denormals():
        # Once per basin, however many days follow.
        encodings = model.encode(
            torch.from_numpy(tables.attributes[rows]),
            None if chips is None else torch.from_numpy(chips),
        )
        starts = [s for first, end in _runs(days, warm_up) for s in range(first, end, scored)]
        for start in starts:
            end = min(start + scored, len(days))
            for some in np.array_split(np.arange(len(rows)), -(-len(rows) // AT_ONCE)):
                at = rows[some], slice(start - warm_up, end)
                made = model.simulate(
                    torch.from_numpy(tables.weather[at]),
                    encodings[some],
                    None if donor_flow is None else torch.from_numpy(donor_flow[at]),
                )
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


def compare(
    records: BasinRecords,
    folds: Sequence[Fold],
    models: Mapping[str, Settings],
    *,
    seed: int,
    chips: Chips | None = None,
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
    models : mapping of str to Settings
        Such as :data:`MODELS`.
    seed : int
        Of weights, batches and calibrations.
    chips : Chips, optional
    donors : bool
        Whether to add ``donor``, the process model with parameters of the most similar basins, and
        ``mixture``, the one with learned weights of donors.
    search, worst_misfit
        See :func:`catena.forecaster.ungauged.donor_flow.donor_flows`.
    progress : callable, optional
        Told in words how far it is.

    Returns
    -------
    dict of str to (N,) array
        By model, for the basins of the records; NaN in basins that no fold tests. All are judged on
        the same days: those of the fold's test block with the longest warm-up before them.

    Raises
    ------
    InvalidData
        As :func:`fit`; when basins cannot be learned from (by name).
    """
    names = [*(["donor", "mixture"] if donors else []), *models]
    scores = {name: np.full(len(records), np.nan) for name in names}
    warm_up = max((settings.warm_up for settings in models.values()), default=0)
    shortest = max((warm_up + settings.scored for settings in models.values()), default=0)
    by_donors = donors or any(settings.donor_flow for settings in models.values())
    tell = progress or (lambda message: None)
    for number, fold in enumerate(folds, 1):
        learned = records.select(fold.train_basins)
        refuse(
            unusable(learned, days=fold.train_days, shortest=shortest),
            "basins cannot be learned from",
        )
        lent = None
        if by_donors:
            lent = donor_flows(records, fold, seed=seed, search=search, worst_misfit=worst_misfit)
        tables = FoldTables.of(records, fold, chips, None if lent is None else lent.all())
        rows = records.rows(fold.test_basins)
        judged = fold.test_days.copy()
        judged[:warm_up] = False
        observed = records.flow[rows][:, judged]
        for name in names:
            if lent is not None and name not in models:
                flow = (lent.mean() if name == "donor" else lent.mixed)[rows]
            else:
                settings = models[name]

                def say(message: str, name: str = name) -> None:
                    tell(f"{name}: {message}")

                flow = np.mean(
                    [
                        simulate(
                            fit(tables, fold, settings, seed=seed + MEMBER * k, progress=say),
                            tables, fold.test_basins, fold.test_days, warm_up=settings.warm_up,
                            scored=settings.scored,
                        )
                        for k in range(settings.members)
                    ],
                    axis=0,
                )  # fmt: skip
            scores[name][rows] = metrics.nse(flow[:, judged], observed, over=-1)
            tell(f"fold {number}: {name}, median NSE {np.nanmedian(scores[name][rows]):.3f}")
    return scores
