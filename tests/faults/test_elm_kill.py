"""A driver that is killed at any step goes on; without its state file the drill fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.elm_case import done, elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmCase, ElmExperiment
from catena.coupler.elm.outcome import Outcome, run_outcome
from catena.coupler.elm.state import CaseState
from catena.coupler.fake_cime import Fault, set_faults
from catena.shared.errors import CatenaError

STAGES = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 5}]
PROGRAMS = (
    "create_newcase",
    "xmlchange",
    "case.setup",
    "case.build",
    "preview_namelists",
    "check_input_data",
)


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


class DriverEnded(BaseException):
    """Stands for SIGKILL: nothing of the driver runs after it."""


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End the driver just before its `number`-th note of what has been done."""
    save, calls = CaseState.save, iter(range(number))

    def saving(self: CaseState) -> None:
        if next(calls, None) is None:
            raise DriverEnded
        save(self)

    monkeypatch.setattr(CaseState, "save", saving)


@pytest.mark.parametrize("number", range(0, 24, 2))
def test_a_driver_killed_before_any_note_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    config = elm_config(tmp_path, stages=STAGES[1:])
    with monkeypatch.context() as patch, pytest.raises(DriverEnded):
        killed_at(patch, number)
        ElmCase(config, config.runs[0]).run()
    case = ElmCase(config, config.runs[0])
    assert case.run().finished
    # The model has not run twice over the same years.
    assert sum(text.startswith("submit") for text in done(case.log.path)) <= 2
    namelist = (case.run_folder / "lnd_in").read_text()
    assert "spinup_state = 0" in namelist


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_killed_in_the_middle_is_called_again(tmp_path: Path, program: str) -> None:
    config = elm_config(tmp_path, stages=STAGES, restart_years=20)
    set_faults(config.cime_root, [Fault("kill_driver", where=program, times=1)])
    with pytest.raises(CatenaError, match="signal 9"):
        ElmExperiment(config).run()
    outcomes = ElmExperiment(config).run()
    assert all(outcome.finished for outcome in outcomes.values())


def test_the_drill_fails_without_the_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = elm_config(tmp_path, stages=STAGES[1:])
    set_faults(config.cime_root, [Fault("kill_driver", where="create_newcase", times=1)])
    with pytest.raises(CatenaError, match="signal 9"):
        ElmCase(config, config.runs[0]).run()
    monkeypatch.setattr(CaseState, "get", lambda self, name: None)
    with pytest.raises(CatenaError, match="not made from here"):
        ElmCase(config, config.runs[0]).run()


def trusting(*arguments: object) -> Outcome:
    """The judgement without its safety line: a job that ended has finished."""
    found = run_outcome(*arguments)  # type: ignore[arg-type]
    return Outcome(True, "", None, found.reached)


@pytest.mark.parametrize("what", ["no_termination", "nan_restart", "no_restart", "killed_run"])
def test_trusting_the_scheduler_would_pass_a_bad_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    config = elm_config(tmp_path, stages=STAGES[1:])
    set_faults(config.cime_root, [Fault(what)])
    with pytest.raises(CatenaError):
        ElmCase(config, config.runs[0]).run()
    monkeypatch.setattr("catena.coupler.elm.case.run_outcome", trusting)
    assert ElmCase(config, config.runs[0]).run().finished
