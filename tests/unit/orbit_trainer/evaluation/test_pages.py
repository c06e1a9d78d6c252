"""Pages say what was found, also where it is bad, and that generated fields are generated."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from support.orbit_skill import skill_of

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.evaluation.downscaling import downscaling_scores
from catena.orbit_trainer.evaluation.efficiency import DataEfficiency
from catena.orbit_trainer.evaluation.evaluate_downscaling import BICUBIC, DownscalingSkill
from catena.orbit_trainer.evaluation.plots import Scaling
from catena.orbit_trainer.evaluation.skill import Skill
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.report_downscaling import downscaling_page
from catena.orbit_trainer.report_evaluation import evaluation_page
from catena.orbit_trainer.report_plan import PlannedMesh, plan_page
from catena.orbit_trainer.report_training import model_facts, training_page
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.settings import TrainingSettings


@pytest.fixture
def skill() -> Skill:
    return skill_of()


PERIODS = {"trained_on": "2001 to 2003", "judged_on": "2004"}


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def said(summary: dict) -> dict[str, str]:
    """Status of each finding."""
    json.dumps(summary, allow_nan=False)
    return {one["title"]: one["status"] for one in summary["findings"]}


def test_an_evaluation_says_who_wins_and_that_fields_are_generated(skill: Skill) -> None:
    efficiency = DataEfficiency(
        (10, 40), {"pre-trained": np.array([0.5, 0.4]), "scratch": np.array([0.9, 0.5])}, "RMSE"
    )
    html, summary = evaluation_page("<A test>", skill, **PERIODS, efficiency=efficiency)
    found = said(summary)
    assert found["ORBIT beats persistence in 6 of 6 pairs of lead and variable"] == "passed"
    assert found["Forecasts have 90 to 90 % of the truth's activity"] == "passed"
    text = text_of(html)
    assert "GENERATED" in text
    assert "<A test>" not in html
    assert "scratch needs about 4 times as many" in text
    assert "1970-01-01 12:00" in text
    assert "Do ensembles know" not in text
    assert "5 d" in text
    assert html.count("<figure>") == 6


def test_an_evaluation_does_not_hide_a_loss() -> None:
    skill = dataclasses.replace(skill_of(better=False, members=4, globe=False), generated=False)
    skill.scores["activity"][0] *= 0.5
    html, summary = evaluation_page("t", skill, **PERIODS, shown=("pr", "nothing"))
    found = said(summary)
    assert found["ORBIT beats persistence in 0 of 6 pairs of lead and variable"] == "failed"
    assert found["Forecasts have 45 to 45 % of the truth's activity"] == "doubtful"
    text = text_of(html)
    assert "GENERATED" not in text
    assert "Do ensembles know" in text
    assert "sharp as the truth" not in text, "a region has no zonal wavenumbers"
    assert "pr, 5 d" in text
    assert "tas, 5 d" not in text, "what was not asked to be shown is in tables only"


def test_forecasts_that_are_too_rough_are_not_called_lively(skill: Skill) -> None:
    skill.scores["activity"][0] *= 1.5
    html, summary = evaluation_page("t", skill, **PERIODS)
    assert said(summary)["Forecasts have 135 to 135 % of the truth's activity"] == "doubtful"
    assert "more than the truth is error" in text_of(html)


def test_a_downscaling_is_held_against_bicubic() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(3, 1, 16, 16))
    scores = {
        "ORBIT": downscaling_scores(truth + 0.1 * random.normal(size=truth.shape), truth),
        BICUBIC: downscaling_scores(truth + 0.4 * random.normal(size=truth.shape), truth),
    }
    skill = DownscalingSkill(
        scores, ("tas",), ("K",), tuple(np.linspace(-75, 75, 16)), tuple(np.arange(16) * 22.5),
        4, np.arange(3) * 86_400, "standard", True, 86_400,
        truth[1].reshape(1, 4, 4, 4, 4).mean(axis=(2, 4)), truth[1], truth[1],
    )  # fmt: skip
    html, summary = downscaling_page("t", skill, **PERIODS)
    assert said(summary) == {"ORBIT beats bicubic in 1 of 1 variables": "passed"}
    assert list(summary["scores"]["ORBIT"]["above"]) == ["0.68", "0.95", "0.997", "0.9999"]
    text = text_of(html)
    assert "above 99.99 %" in text
    assert "GENERATED" in text
    assert "1970-01-02 00:00" in text


def history_of(losses: list[float], validation: list[tuple[int, float]]) -> History:
    count = len(losses)
    skipped = [place for place, loss in enumerate(losses) if math.isnan(loss)]
    return History(
        losses, [1.0] * count, [5e-4] * count, [20.0] * count, [0.01] * count, skipped, validation
    )


def test_a_training_tells_its_story() -> None:
    config = OrbitConfig(("tas", "ua"), ("tas",), (8, 16), width=32, depth=2, heads=4)
    losses = (1.0 / np.sqrt(np.arange(1, 61))).tolist()
    losses[30] = float("nan")
    settings = TrainingSettings(steps=60, batch=8, mesh=MeshShape(fsdp=2))
    html, summary = training_page(
        "t",
        history_of(losses, [(20, 0.3), (60, 0.2)]),
        settings,
        model=model_facts(config, 250_000),
        data=[("Cache", "planet"), ("Days", "2001 to 2003")],
        generated=True,
        seconds=75.0,
        resumed=(40,),
    )
    found = said(summary)
    assert found["The loss fell"] == "passed"
    assert found["1 steps were skipped"] == "doubtful"
    assert found["Held-back samples were best after 60 steps"] == "passed"
    assert found["Went on from a checkpoint 1 times"] == "passed"
    text = text_of(html)
    for words in ("GENERATED", "1 min 15 s", "0.25 million", "sharded 2", "480", "planet"):
        assert words in text, words
    assert summary["best_validation"] == (60, 0.2)


def test_a_training_that_failed_is_called_so() -> None:
    history = history_of([1.0, 2.0, 3.0], [(1, 1.0), (3, 2.0)])
    history.wait_share = [0.4] * 3
    _, summary = training_page(
        "t",
        history,
        TrainingSettings(steps=3, batch=8),
        model=[],
        data=[],
        generated=False,
        seconds=1.0,
    )
    found = said(summary)
    assert found["The loss did not fall"] == "failed"
    assert found["Held-back samples were best after 1 steps"] == "doubtful"
    assert found["Batches were late"] == "doubtful"


def test_a_plan_says_that_nothing_was_run_and_on_what_it_stands() -> None:
    memory = {"weights": 2.0 * 2**30, "activations": 3.0 * 2**30}
    seconds = {"compute": 0.3, "stragglers": 0.1}
    mesh = PlannedMesh("fsdp 64, tp 8", 512, memory, seconds, 40.0, 0.41)
    large = dataclasses.replace(mesh, label="fsdp 512", fits=False)
    ranks = np.array([512, 49152])
    curve = Scaling("113B", ranks, np.array([40.0, 2000.0]), np.array([1.0, 0.52]))
    html, summary = plan_page(
        "t",
        model=[("Parameters", "113 billion")],
        cluster=[("GPU", "MI250X")],
        epoch=[("An epoch", "3 d")],
        meshes=[mesh, large],
        strong=[curve],
        published=[("ORBIT", 49152, 0.41, 0.85)],
        collectives=[("tp", "all_reduce", 224, 2.0**20)],
        calibration=["Latency from the published 512-GPU step."],
    )
    assert said(summary) == {}
    assert summary["strong"][0]["ranks"] == [512, 49152]
    text = text_of(html)
    for words in (
        "nothing was run on these GPUs", "41.0 %", "5 (too much)", "113 billion", "3 d",
        "Latency from the published", "all_reduce", "arithmetic", "Strong scaling",
    ):  # fmt: skip
        assert words in text, words
    assert "Weak scaling: more" not in text


@pytest.mark.parametrize(
    ("kind", "said"),
    [("forecast", "normalised changes"), ("spin-up", "pools"), ("downscale", "total variation")],
)
def test_a_training_says_what_its_loss_is(kind: str, said: str) -> None:
    html, _ = training_page(
        "t",
        history_of([1.0, 0.5], []),
        TrainingSettings(steps=2, batch=8),
        model=[],
        data=[],
        generated=False,
        seconds=1.0,
        kind=kind,
    )
    assert said in text_of(html)
