"""What a job would find out minutes later is told before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import orbit as small

from catena.orbit_trainer import queries
from catena.orbit_trainer.preflight import check_against_artifacts
from catena.shared.errors import InvalidRequest, NotFound
from catena.shared.requests import request_from_dict


def check(method: str, request: dict[str, Any]) -> None:
    message = request_from_dict("orbit-trainer", method, request)
    query = getattr(queries, f"{method}Query").from_message(message)
    check_against_artifacts(query, small.made().store)


def faults(method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        check(method, request)
    return {item.field: item.description for item in caught.value.violations}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[small.Ref]:
    """Waves of other variables on another grid."""
    folder: Path = tmp_path_factory.mktemp("other") / "cache"
    yield small.put_cache(small.made().store, folder, names=("zg",), grid=(8, 16))


def pretrain(**changes: Any) -> dict[str, Any]:
    return small.pretrain_request(small.waves_cache(), **changes)


def fine_tune(**changes: Any) -> dict[str, Any]:
    return {
        "checkpoint": small.pretrained(),
        "task": "forecast",
        "cache": small.waves_cache(),
        "training_days": small.TRAINING,
        "training": small.STEPS,
        **changes,
    }


def evaluation(checkpoint: small.Ref, **changes: Any) -> dict[str, Any]:
    return {
        "checkpoint": checkpoint,
        "cache": small.waves_cache(),
        "days": small.TEST,
        **changes,
    }


def test_right_requests_pass() -> None:
    check("Pretrain", pretrain(validation_days=small.VALIDATION))
    check("FineTune", fine_tune())
    check("FineTune", fine_tune(task="downscale", factor=2, adapter="lora"))
    check("EvaluateCheckpoint", evaluation(small.pretrained(), roll_out=True, leads_h=[6, 48]))


def test_what_does_not_fit_the_caches_is_refused_all_at_once() -> None:
    found = faults(
        "Pretrain",
        pretrain(
            variables=["tas", "zg_50000"],
            outputs=["tas"],
            leads_h=[6, 8],
            training_days={"start": "1999-01-01", "end": "1999-12-31"},
            shape={**small.SHAPE, "patch": 5},
        ),
    )
    assert (
        "zg_50000" in found["variables[1]"]
        and "the caches have tas, psl, ua" in found["variables[1]"]
    )
    assert "every 6 h" in found["leads_h[1]"]
    assert "no step of the hot cache" in found["training_days"]
    assert "12 x 24 is not divisible by the patch of 5" in found["shape.patch"]


def test_a_mesh_that_does_not_divide_the_heads_is_refused() -> None:
    found = faults(
        "Pretrain", pretrain(training={**small.STEPS, "mesh": {"tp": 4}, "microbatches": 1})
    )
    assert "share 2 heads" in found["training.mesh.tp"]
    found = faults(
        "FineTune",
        fine_tune(task="downscale", factor=2, training={**small.STEPS, "mesh": {"pp": 2},
                                                        "microbatches": 2}),
    )  # fmt: skip
    assert "forecasting models only" in found["training.mesh.pp"]


def test_days_without_two_fields_a_lead_apart_are_refused() -> None:
    day = {"start": "2001-01-30", "end": "2001-01-30"}
    found = faults("Pretrain", pretrain(leads_h=[6, 24], validation_days=day))
    assert "no two fields 24 h apart lie in 2001-01-30" in found["validation_days"]
    found = faults("FineTune", fine_tune(training_days=day, leads_h=[6], samples=4))
    assert found == {"samples": "got 4; 2001-01-30 to 2001-01-30 (cache) has 3"}
    check("FineTune", fine_tune(task="downscale", factor=2, training_days=day, samples=4))


def test_caches_of_other_grids_are_not_mixed(other: small.Ref) -> None:
    found = faults("Pretrain", pretrain(caches=[small.waves_cache(), other]))
    assert "regrid" in found["caches"]


def test_a_fine_tuning_has_something_in_common_with_what_it_begins_from(other: small.Ref) -> None:
    days = {"training_days": small.TRAINING}
    assert "none of tas, psl, ua" in faults("FineTune", fine_tune(cache=other, **days))["cache"]
    # New channels begin afresh where they are asked for by name.
    check("FineTune", fine_tune(cache=other, variables=["zg"], outputs=["zg"], **days))
    assert "does not divide" not in str(faults("FineTune", fine_tune(outputs=["zg"])))
    found = faults("FineTune", fine_tune(task="downscale", factor=5))
    assert "factor" in found and "12 x 24" in found["factor"]
    found = faults("FineTune", fine_tune(checkpoint=small.downscale()))
    assert "downscales" in found["checkpoint"]


def test_days_that_were_trained_on_are_not_judged() -> None:
    seen = {"start": "2001-01-20", "end": "2001-02-05"}
    found = faults("EvaluateCheckpoint", evaluation(small.forecast(), days=seen))
    assert "trained on 2001-01-01 to 2001-01-25" in found["days.start"]
    found = faults("FineTune", fine_tune(
        training_days={"start": "2001-02-01", "end": "2001-02-05"}, validation_days=seen | {
            "end": "2001-01-28"}))  # fmt: skip
    assert "trained on" in found["validation_days.start"], "in pre-training"


def test_leads_that_were_not_trained_on_need_a_roll_out() -> None:
    found = faults("EvaluateCheckpoint", evaluation(small.pretrained(), leads_h=[6, 48]))
    assert list(found) == ["leads_h[1]"] and "trained on 6, 12 h" in found["leads_h[1]"]
    found = faults("EvaluateCheckpoint", evaluation(small.downscale(), roll_out=True, members=2))
    assert set(found) == {"roll_out", "members"}


def test_what_is_compared_by_samples_is_of_one_kind_and_of_both_beginnings() -> None:
    few = small.made().fine_tune("forecast", small.pretrained(), leads_h=[6], samples=8)
    request = evaluation(few, compared=[few, small.forecast()], leads_h=[6])
    found = faults("EvaluateCheckpoint", request)
    assert "number of samples" in found["compared[1]"]
    assert "some from scratch" in found["compared"]
    request = evaluation(small.pretrained(), compared=[few], leads_h=[12])
    assert "tas, psl, ua at 6 h; wanted" in faults("EvaluateCheckpoint", request)["compared[0]"]
    found = faults("EvaluateCheckpoint", evaluation(small.downscale(), compared=[few]))
    assert "downscales" in found["compared"]
    seen = faults("EvaluateCheckpoint", evaluation(few, compared=[few], days=small.TRAINING))
    assert "trained on" in seen["compared[0]"]


def test_another_grid_is_not_judged(other: small.Ref) -> None:
    days = {"start": "2001-02-02", "end": "2001-02-04"}
    with pytest.raises(InvalidRequest) as caught:
        check("EvaluateCheckpoint", evaluation(small.pretrained(), cache=other, days=days))
    said = [item.description for item in caught.value.violations if item.field == "cache"]
    assert "8 x 16" in said[0] and "has no tas, psl, ua" in said[1]


def test_a_prediction_is_of_the_model_s_fields() -> None:
    cells = small.GRID[0] * small.GRID[1]
    request = {
        "checkpoint": small.pretrained(),
        "fields": [{"name": name, "values": [280.0] * cells} for name in ("tas", "co2")],
        "lead_h": 24.0,
        "outputs": ["pr"],
    }
    found = faults("Predict", request)
    assert "'co2'" in found["fields[1].name"] and "'pr'" in found["outputs[0]"]
    assert "trained on 6, 12 h" in found["lead_h"]
    short = {"checkpoint": small.pretrained(), "fields": [{"name": "tas", "values": [1.0]}]}
    assert "wanted 12 x 24" in faults("Predict", {**short, "lead_h": 6.0})["fields[0].values"]
    time = {"checkpoint": small.pretrained(), "cache": small.waves_cache(), "lead_h": 6.0}
    assert "no step" in faults("Predict", {**time, "time": "2001-01-05T03:00:00"})["time"]
    check("Predict", {**time, "time": "2001-01-05T06:00:00"})


def test_a_reference_to_nothing_is_said_so() -> None:
    nothing = {"uri": "jobs/x", "digest": "sha256:" + "0" * 64, "kind": "hot_cache"}
    with pytest.raises(NotFound):
        check("Pretrain", pretrain(caches=[nothing]))


def test_sites_without_a_file_or_without_names_are_told_at_once() -> None:
    store = small.made().store
    plain = small.plain(store.put_files({"sites.safetensors": b"x"}))
    named = small.plain(
        store.put_files({"sites.safetensors": b"y", "about.json": b'{"pools": ["wood", "cwd"]}'})
    )

    def spin_up(**sites: Any) -> dict[str, Any]:
        sites = {"file": "sites.safetensors", **sites}
        return {"task": "spin_up", "sites": sites, "training": small.STEPS}

    check("FineTune", spin_up(files=named))
    check("FineTune", spin_up(files=plain, pools=["wood"]))
    found = faults("FineTune", spin_up(files=plain, file="other.safetensors"))
    assert found["sites.file"] == "is not there; there are sites.safetensors"
    assert "give pools, in the order of targets" in found["sites.pools"]
    found = faults("FineTune", spin_up(files=named, pools=["cwd", "wood"]))
    assert "leave pools out of the request" in found["sites.pools"]
