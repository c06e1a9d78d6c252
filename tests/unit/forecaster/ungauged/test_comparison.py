"""Networks and donors, each basin judged once, on days and basins nobody learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold, folds
from catena.forecaster.process import Search
from catena.forecaster.training import TrainingConfig
from catena.forecaster.ungauged import (
    HYBRID,
    MODELS,
    Chips,
    FoldTables,
    Settings,
    compare,
    donor_flows,
    fit,
    generated_chips,
    simulate,
)
from catena.models.image_net import ImageConfig
from catena.shared.errors import InvalidData

SEARCH = Search(members=8, generations=2)


def known_by(settings: Settings, **models: Settings) -> dict[str, Settings]:
    """Models that look at what these do, in all else as in `settings`."""
    return {
        name: replace(
            settings,
            attributes=model.attributes,
            images=model.images,
            donor_flow=model.donor_flow,
            members=2 if model.donor_flow else 1,
        )
        for name, model in models.items()
    }


def test_each_model_is_judged_in_each_basin_on_the_same_unseen_days(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings
) -> None:
    said: list[str] = []
    models = known_by(quick, **MODELS, hybrid=HYBRID)
    scores = compare(
        records, made_folds, models, chips=chips, seed=1, search=SEARCH, worst_misfit=9.0,
        progress=said.append,
    )  # fmt: skip
    assert list(scores) == ["donor", "mixture", *MODELS, "hybrid"]
    assert all(np.isfinite(score).all() and score.shape == (6,) for score in scores.values())
    assert len({tuple(score) for score in scores.values()}) == 7
    assert "fold 3: hybrid, median NSE" in said[-1]

    fold = made_folds[2]
    lent = donor_flows(records, fold, seed=1, search=SEARCH, worst_misfit=9.0)
    tables = FoldTables.of(records, fold, chips, lent.all())
    rows = records.rows(fold.test_basins)
    flows = {"donor": lent.similar.mean(axis=-1)[rows], "mixture": lent.mixed[rows].copy()}
    for flow in flows.values():
        flow[:, : quick.warm_up] = np.nan
    for name in ("attributes", "hybrid"):
        seeds = (1, 1001) if name == "hybrid" else (1,)
        members = [
            simulate(
                fit(tables, fold, models[name], seed=seed), tables, fold.test_basins,
                fold.test_days, warm_up=quick.warm_up, scored=quick.scored,
            )
            for seed in seeds
        ]  # fmt: skip
        flows[name] = np.mean(members, axis=0)
    for name, flow in flows.items():
        for row, made in zip(rows, flow, strict=True):
            came = records.flow[row].astype(float)
            both = fold.test_days & ~np.isnan(came) & ~np.isnan(made)
            error = ((made - came)[both] ** 2).sum() / ((came[both] - came[both].mean()) ** 2).sum()
            assert scores[name][row] == pytest.approx(1 - error, abs=1e-6)


def test_pieces_of_a_simulation_are_warmed_up_runs(
    records: BasinRecords, made_folds: list[Fold], quick: Settings
) -> None:
    fold = made_folds[0]
    lent = donor_flows(records, fold, seed=1, search=SEARCH, worst_misfit=9.0)
    tables = FoldTables.of(records, fold, donor_flow=lent.all())
    net = fit(tables, fold, known_by(quick, it=HYBRID)["it"], seed=1)
    days = np.zeros(len(records.days), bool)
    days[10:130] = days[300:310] = True
    flow = simulate(net, tables, fold.test_basins, days, warm_up=40, scored=50)
    rows = tables.rows(fold.test_basins)
    known = net.encode(torch.from_numpy(tables.attributes[rows]))
    wanted = np.full_like(flow, np.nan)
    assert tables.donor_flow is not None
    for start, end in ((40, 90), (90, 130), (300, 310)):
        weather, theirs = (
            torch.from_numpy(values[rows, start - 40 : end])
            for values in (tables.weather, tables.donor_flow)
        )
        wanted[:, start:end] = net.simulate(weather, known, theirs)[:, 40:].detach().numpy()
    np.testing.assert_allclose(flow, wanted * tables.flow_scale[rows, None], rtol=1e-5)
    assert np.isnan(flow[:, :40]).all()


def test_what_a_model_needs_is_asked_for(
    records: BasinRecords, made_folds: list[Fold], quick: Settings
) -> None:
    fold = made_folds[0]
    tables = FoldTables.of(records, fold)
    models = known_by(quick, **MODELS, hybrid=HYBRID)
    with pytest.raises(InvalidData, match="looks at images and no chips came"):
        fit(tables, fold, models["both"], seed=0)
    with pytest.raises(InvalidData, match="looks at flow by donors and none came"):
        fit(tables, fold, models["hybrid"], seed=0)
    bare = replace(tables, attributes=np.empty((6, 0), np.float32))
    with pytest.raises(InvalidData, match="the records have none"):
        fit(bare, fold, models["attributes"], seed=0)


def test_training_basins_without_flow_are_named(
    records: BasinRecords, made_folds: list[Fold], quick: Settings
) -> None:
    fold = made_folds[0]
    lost = fold.train_basins[1]
    flow = records.flow.copy()
    flow[records.row(lost)] = 0.0
    with pytest.raises(InvalidData, match=rf"basins\[{lost}\]: flow is zero"):
        compare(records.with_flow(flow), made_folds, {"lstm": quick}, seed=0, donors=False)


def told_by(share: np.ndarray, basins: int) -> BasinRecords:
    """Basins whose rain runs off in two days by this share, and in some forty by the rest."""
    made = generated_records(basins, 6, seed=11, missing_flow=0.02)
    rain = made.weather[:, :, made.column("pr")].astype(float)
    flow = share[:, None] * drained(rain, 2.0) + (1 - share[:, None]) * drained(rain, 40.0)
    flow[np.isnan(made.flow)] = np.nan
    return replace(
        made.with_flow(flow), attributes=share[:, None], attribute_names=("quick_share",)
    )


def drained(rain: np.ndarray, days: float) -> np.ndarray:
    """Flow out of a linear reservoir with this mean stay of water."""
    return lfilter([1 / days], [1, 1 / days - 1], rain, axis=1)


@pytest.mark.slow
def test_what_tells_basins_apart_is_learned_from_attributes_and_from_images() -> None:
    """Weather cannot tell how the ground drains; the attribute does, and the chips carry it."""
    share = np.random.default_rng(5).uniform(0, 1, 40)
    records = told_by(share, 40)
    made = folds(records.basins, records.days, count=2, validate_years=1, seed=0)[:1]
    settings = Settings(
        width=16,
        image=ImageConfig(width=32, heads=2, layers=1, outputs=8),
        warm_up=120,
        scored=120,
        training=TrainingConfig(
            loss="nse", steps=420, batch=16, learning_rate=1e-2, average=0.9, evaluations=3,
            validation_samples=24,
        ),
    )  # fmt: skip
    few = {name: MODELS[name] for name in ("lstm", "attributes", "images")}
    scores = compare(
        records, made, known_by(settings, **few), seed=1, donors=False,
        chips=generated_chips(records.basins, share, seed=2),
    )  # fmt: skip
    plain, known, seen = (np.nanmedian(scores[name]) for name in ("lstm", "attributes", "images"))
    assert known > plain + 0.1 and known > 0.7, scores
    # Most of what the attribute is worth comes through the images too.
    assert seen - plain > 0.6 * (known - plain), (plain, known, seen)
