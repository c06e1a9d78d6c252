"""Jobs: caches to checkpoints, checkpoints to scores; what was begun is gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from support import orbit as small

from catena.models.spin_up_emulator import SpinUpEmulator
from catena.orbit_trainer import jobs, storage
from catena.orbit_trainer.evaluation.baselines import Climatology
from catena.orbit_trainer.evaluation.scores import rmse
from catena.orbit_trainer.training_job import HISTORY, TRAINING
from catena.orbit_trainer.vocabulary import Period as Days
from catena.shared.errors import InvalidData
from catena.shared.hot_cache_period import Period
from catena.shared.latitudes import latitude_weights
from catena.shared.testing import Killed


def opened(ref: small.Ref) -> Any:
    return small.made().store.open(ref["uri"])


def test_a_pretraining_learns_and_says_how() -> None:
    artifact = opened(small.pretrained())
    assert artifact.manifest.kind == "checkpoint"
    assert artifact.manifest.units == {"tas": "K", "psl": "Pa", "ua": "m s-1"}
    assert artifact.manifest.lineage.seed == 1
    history = artifact.read_json(HISTORY)
    assert len(history["loss"]) == small.STEPS["steps"]
    assert np.mean(history["loss"][-8:]) < 0.95 * np.mean(history["loss"][:8])
    page = artifact.read_bytes("report.html").decode()
    assert "pre-training" in page and "2001-01-01" in page
    assert not Path(small.made().store.local(artifact.uri), TRAINING).exists(), "it has ended"


def test_a_killed_training_goes_on_to_the_same_weights() -> None:
    request = small.pretrain_request(small.waves_cache(), title="killed")
    seen: list[str] = []

    def kill(fraction: float, message: str) -> None:
        seen.append(message)
        if message.startswith("step 25 "):
            raise Killed

    with pytest.raises(Killed):
        small.made().run(jobs.pretrain, request, report=kill)
    seen.clear()
    ref = small.made().run(jobs.pretrain, request, report=lambda _, said: seen.append(said))
    steps = [said.split()[1] for said in seen if said.startswith("step ")]
    # Checkpoints are written beside the training: the newest may not have been whole.
    assert steps[0] in ("11", "21")
    killed, whole = (storage.read_checkpoint(opened(one)) for one in (ref, small.pretrained()))
    assert all(torch.equal(one, killed.weights[name]) for name, one in whole.weights.items())
    assert "went on from a checkpoint" in opened(ref).read_bytes("report.html").decode().lower()


def test_a_forecast_is_scored_beside_the_references() -> None:
    ref = small.made().evaluate(small.forecast(), leads_h=[6, 24], roll_out=True, members=2)
    artifact = opened(ref)
    summary = artifact.read_json("evaluation.json")
    assert summary["forecasters"] == [
        "ORBIT",
        "ORBIT, roll-out",
        "ORBIT, ensemble",
        "persistence",
        "climatology",
    ]
    rmse = {name: np.array(values) for name, values in summary["scores"]["rmse"].items()}
    # At the shortest lead a roll-out is the direct forecast.
    assert np.allclose(rmse["ORBIT"][0], rmse["ORBIT, roll-out"][0], rtol=1e-5)
    assert not np.allclose(rmse["ORBIT"][1], rmse["ORBIT, roll-out"][1], rtol=1e-3)
    skill = artifact.open_dataset("skill.zarr")
    assert np.allclose(skill.rmse.sel(forecaster="ORBIT"), rmse["ORBIT"])
    page = artifact.read_bytes("report.html").decode()
    assert "2001-02-02 to 2001-02-09" in page and "GENERATED" not in page


def test_leads_beyond_training_are_reached_by_steps_alone() -> None:
    ref = small.made().evaluate(small.pretrained(), leads_h=[6, 48], roll_out=True)
    names = opened(ref).read_json("evaluation.json")["forecasters"]
    assert names == ["ORBIT, roll-out", "persistence", "climatology"]


def test_skill_is_drawn_by_the_number_of_samples() -> None:
    of = {"leads_h": [6], "training": {**small.STEPS, "steps": 10}}
    compared = [
        small.made().fine_tune("forecast", start, samples=count, **more, **of)
        for start, more in ((small.pretrained(), {}), (None, {"shape": small.SHAPE}))
        for count in (8, 32)
    ]
    ref = small.made().evaluate(compared[0], compared=compared)
    found = opened(ref).read_json("evaluation.json")["efficiency"]
    curves = found["curves"]
    assert found["samples"] == [8, 32] and curves["climatology"] == [1.0, 1.0]
    # The first is the one that the page is about: its ratio is that of the page.
    summary = opened(ref).read_json("evaluation.json")["scores"]["rmse"]
    own = np.mean(np.array(summary["ORBIT"]) / np.array(summary["climatology"]))
    assert curves["pre-trained"][0] == pytest.approx(own)
    assert len(set(curves["pre-trained"] + curves["from scratch"])) == 4
    page = opened(ref).read_bytes("report.html").decode()
    assert "What does pre-training save?" in page


def test_a_climatology_is_never_of_the_days_that_are_judged(tmp_path: Path) -> None:
    """A cache that was not trained on: before, its climatology was of all its days."""
    whole = small.put_cache(small.made().store, tmp_path / "whole", steps=4 * small.DAYS, seed=5)
    ref = small.made().evaluate(small.pretrained(), cache=whole, leads_h=[6])
    cache = storage.open_cache(opened(whole))
    days = Period(small.TEST["start"], small.TEST["end"] + "T23:59:59")
    usual = Climatology.fit(cache, small.NAMES, Period("", days.first))
    first, stop = days.steps(cache)
    steps = np.arange(first, stop - 1, 3)
    truth = cache.physical(cache.gather(steps + 1, dtype=np.float32))
    error = truth - usual.at(cache.times_s()[steps + 1])
    wanted = rmse(error, np.zeros_like(error), latitude_weights(cache.metadata.lat))
    found = opened(ref).read_json("evaluation.json")["scores"]["rmse"]["climatology"][0]
    assert np.allclose(found, wanted, rtol=1e-4)
    assert "only the days that are judged" not in opened(ref).read_bytes("report.html").decode()


def test_a_cache_of_judged_days_alone_says_so_of_its_climatology(tmp_path: Path) -> None:
    few = small.put_cache(small.made().store, tmp_path / "few", steps=12, seed=5)
    source = opened(few)
    about = storage.read_about(opened(small.pretrained()))
    cache = storage.open_cache(source)
    whole, said = jobs._usual_days(about, source, cache, Days(start="2001-01-01", end="2001-01-03"))
    assert whole == Period() and "only the days that are judged" in said[0]
    # What is before them, or after them, whichever is more.
    after, said = jobs._usual_days(about, source, cache, Days(start="2001-01-01", end="2001-01-01"))
    assert after.steps(cache) == (4, 12) and not said


def test_a_downscaling_is_scored_beside_bicubic() -> None:
    about = storage.read_about(opened(small.downscale()))
    assert about.grid == small.GRID and about.fields.grid == (6, 12)
    summary = opened(small.made().evaluate(small.downscale())).read_json("evaluation.json")
    assert set(summary["scores"]) == {"ORBIT", "bicubic"} and summary["factor"] == 2
    ours, theirs = (np.array(summary["scores"][name]["rmse"]) for name in ("ORBIT", "bicubic"))
    # It begins as an interpolation: a few steps do not make it much worse.
    assert (ours < 1.1 * theirs).all()


def test_low_rank_additions_are_merged_into_an_ordinary_model() -> None:
    ref = small.made().fine_tune("forecast", small.pretrained(), adapter="lora", rank=2)
    tuned, before = (storage.read_checkpoint(opened(one)) for one in (ref, small.pretrained()))
    assert tuned.weights.keys() == before.weights.keys()
    name = "blocks.0.attention.qkv.weight"
    change = (tuned.weights[name] - before.weights[name]).double()
    assert 0 < torch.linalg.matrix_rank(change, atol=1e-6) <= 2


def test_from_scratch_is_from_random_weights_of_the_shape() -> None:
    ref = small.made().fine_tune("forecast", None, shape=small.SHAPE, leads_h=[6], samples=8)
    about = storage.read_about(opened(ref))
    assert about.fields.width == 32 and about.record["samples"] == 8
    assert len(about.seen) == 1


def test_an_emulator_of_spin_ups_is_judged_on_sites_it_has_not_seen(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    known = random.uniform(1, 2, (60, 3)).astype(np.float32)
    pools = np.stack([100 * known[:, 0] / known[:, 1], 5 * known[:, 2]], -1)
    save_file({"inputs.static": known, "targets": pools}, tmp_path / "sites.safetensors")
    files = small.plain(small.made().store.put_files([tmp_path / "sites.safetensors"]))
    sites = {"files": files, "file": "sites.safetensors", "pools": ["wood", "litter"]}
    request = {
        "task": "spin_up",
        "sites": sites,
        "shape": small.SHAPE,
        "training": {"steps": 30, "batch": 16, "learning_rate": 0.005},
    }
    artifact = opened(small.made().run(jobs.fine_tune, request))
    about = artifact.read_json("emulator.json")
    assert about["sites"] == {"training": 42, "validation": 9, "test": 9}
    weights = artifact.read_arrays("weights.safetensors")
    emulator = SpinUpEmulator.from_parts(about, weights)
    error = emulator.predict({"static": known[51:]}) - pools[51:]
    for place, pool in enumerate(sites["pools"]):
        r2 = 1 - (error[:, place] ** 2).mean() / pools[51:, place].var()
        assert about["skill"][pool]["r2"] == pytest.approx(r2, abs=1e-4)
        assert r2 > 0.5
    with pytest.raises(InvalidData, match="2 pools, 1 are named"):
        small.made().run(jobs.fine_tune, request | {"sites": sites | {"pools": ["wood"]}})


def test_what_sites_say_of_themselves_goes_with_the_emulator(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    known = random.uniform(1, 2, (90, 3)).astype(np.float32)
    pools = np.stack([100 * known[:, 0] / known[:, 1], 5 * known[:, 2] - 7.5], -1)
    said = {
        "pools": ["wood", "cpool"],
        "units": ["gC m-2", "gC m-2"],
        "signed": [False, True],
        "logarithmic_inputs": {"static": True},
        "model": "embedded",
        "generated": ["weather", "soils"],
        "version": 3,
        "parameters": {"flnr": [0.05, 0.2]},
    }
    save_file({"inputs.static": known, "targets": pools}, tmp_path / "sites.safetensors")
    (tmp_path / "about.json").write_text(json.dumps(said))
    store = small.made().store
    files = small.plain(store.put_files([tmp_path / "sites.safetensors", tmp_path / "about.json"]))
    request = {
        "task": "spin_up",
        "sites": {"files": files, "file": "sites.safetensors", "members": 2},
        "shape": small.SHAPE,
        "training": {"steps": 40, "batch": 16, "learning_rate": 0.005},
    }
    artifact = opened(small.made().run(jobs.fine_tune, request))
    assert artifact.manifest.units == {"wood": "gC m-2", "cpool": "gC m-2"}
    stored = artifact.read_json("emulator.json")
    assert stored["about"] == said
    emulator = SpinUpEmulator.from_parts(stored, artifact.read_arrays("weights.safetensors"))
    assert (emulator.pools, len(emulator.models)) == (("wood", "cpool"), 2)
    judged = emulator.judged({"static": known})
    assert (judged.mean[:, 0] >= 0).all()
    assert (judged.mean[:, 1] < 0).any()  # a signed pool
    assert (judged.spread > 0).all()
    assert (judged.unfamiliar[:63] == 0).all()  # sites of training
    inside = (judged.lower <= pools) & (pools <= judged.upper)
    for place, pool in enumerate(emulator.pools):
        assert stored["skill"][pool]["coverage90"] == pytest.approx(inside[77:, place].mean())
    page = artifact.read_bytes("report.html").decode()
    assert "GENERATED: weather, soils of these sites are made by formulas." in page
    assert "In its interval" in page and "Predicted over true amounts" in page


def test_a_plan_says_what_a_cluster_would_take() -> None:
    request = {
        "shape": {"size": "115m"},
        "variables": 48,
        "cluster": {"preset": "h200", "gpus": 64},
        "gpus": 16,
        "batch": 64,
        "samples": 100_000,
        "trace": True,
    }
    artifact = opened(small.made().run(jobs.plan_training, request))
    plan = artifact.read_json("plan.json")
    best = plan["proposals"][0]
    assert np.prod(list(best["mesh"].values())) == 16
    assert plan["epoch"]["steps"] == 1563
    assert {one["dimension"] for one in plan["collectives"]} and plan["collectives_traced"]
    page = artifact.read_bytes("report.html").decode()
    assert "traced from the trainer itself" in page
    assert "nothing was run on these GPUs" in page and "h200" in page
