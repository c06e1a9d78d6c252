"""A job's version must be raised when its science changes, or users get results of the old one."""

from __future__ import annotations

import json

import pytest
from support import science

RECORDED = json.loads(science.RECORD.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(science.jobs()))
def test_a_changed_science_has_a_new_version(name: str) -> None:
    job = science.jobs()[name]
    recorded = RECORDED.get(name, {"version": 0, "science": ""})
    if science.science_digest(job) == recorded["science"]:
        assert job.version == recorded["version"], "the version was raised: run `make versions`"
        return
    assert job.version > recorded["version"], (
        f"what {name} computes with has changed since version {recorded['version']} was recorded. "
        "Raise `version` in its @job if results may differ, then run `make versions`; "
        "if no result can differ, run `make versions` alone"
    )


def test_the_digest_sees_science_and_not_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    before = science._skeleton('def f(x):\n    """Doc."""\n    # why\n    return x + 1\n')
    assert before == science._skeleton("def f(x):\n    return x + 1\n")
    assert before != science._skeleton("def f(x):\n    return x + 2\n")
    name, job = sorted(science.jobs().items())[0]
    present = science.science_digest(job)
    monkeypatch.setattr(science, "_skeleton", lambda source: b"changed")
    assert science.science_digest(job) != present, name


def test_a_change_of_the_science_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    job = science.jobs()["calibrator/run_mcmc"]
    modules: set[str] = set()
    science._follow(job.function, {}, modules)
    reached = science._closure(modules)
    assert {"catena.calibrator.mcmc", "catena.calibrator.surrogate", "catena.models.mlp"} <= reached
    assert "catena.calibrator.report" not in reached
