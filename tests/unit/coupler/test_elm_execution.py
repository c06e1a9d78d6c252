from __future__ import annotations

import os
import stat
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.elm_case import done, elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmCase, ElmEnsemble
from catena.coupler.elm.config import Executor
from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.fake_cime import Fault, set_faults
from catena.shared.errors import FailedPrecondition, JobFailed, Unavailable

SLEEP = [sys.executable, "-c", "import time; time.sleep(3)"]
LOUD = [sys.executable, "-c", "print('x' * 1_000_000)"]


def runner(kind: str = "local", **more: object) -> JobRunner:
    return JobRunner(Executor(kind=kind, **more), {})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["local", "none"])
def test_states_of_a_job(tmp_path: Path, kind: str) -> None:
    jobs = runner(kind)
    record = jobs.submit(SLEEP, tmp_path, "job", tmp_path / "log")
    assert jobs.state(record) in ("queued", "active")
    jobs.cancel(record)
    jobs.wait(record, timeout_s=20)
    assert jobs.state(record) in ("failed", "cancelled")


@pytest.mark.parametrize("kind", ["local", "none"])
def test_much_output_does_not_stop_a_job(tmp_path: Path, kind: str) -> None:
    jobs = runner(kind)
    record = jobs.submit(LOUD, tmp_path, "job", tmp_path / "log")
    jobs.wait(record, timeout_s=30)
    assert jobs.state(record) == "ended"
    assert (tmp_path / "log").stat().st_size > 1_000_000


def test_an_unknown_id_is_never_ended() -> None:
    gone = JobRecord("4194300", "local", "/", time.time())
    assert runner().state(gone) == "unknown"


def test_a_process_of_the_same_id_is_not_the_job() -> None:
    other = JobRecord(str(os.getpid()), "local", "/", 1.0)
    assert runner().state(other) == "unknown"


def test_another_runner_attaches_by_the_native_id(tmp_path: Path) -> None:
    record = runner().submit(SLEEP, tmp_path, "job", tmp_path / "log")
    other = runner()
    assert other.state(record) == "active"
    with pytest.raises(Unavailable, match="still runs"):
        other.wait(record, timeout_s=0.1)
    other.cancel(record)
    other.wait(record, timeout_s=10)


def test_a_job_of_another_executor_is_told(tmp_path: Path) -> None:
    record = JobRecord("123", "slurm", str(tmp_path), time.time())
    with pytest.raises(FailedPrecondition, match="the configuration says pbs"):
        runner("pbs").state(record)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs with the names and the answers of Slurm's; jobs run at once."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    _program(
        folder / "sbatch",
        f'#!/bin/bash\nfor last; do :; done\ncp "$last" {folder}/script\n'
        f'if [ -e {folder}/refuse ]; then echo "sbatch: error: invalid partition" >&2; exit 1; fi\n'
        'bash "$last" >/dev/null 2>&1\necho "Submitted batch job 77"\n',
    )
    _program(folder / "squeue", "#!/bin/bash\nexit 0\n")
    _program(folder / "scancel", "#!/bin/bash\nexit 0\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def test_slurm_gets_queue_project_and_walltime(tmp_path: Path, slurm: Path) -> None:
    executor = Executor(kind="slurm", queue="debug", project="e3sm", walltime="02:30:00")
    jobs = JobRunner(executor, {"GIT_AUTHOR_NAME": "catena"})
    record = jobs.submit(["/bin/true"], tmp_path, "moz_final", tmp_path / "log")
    assert record.native_id == "77" and record.executor == "slurm"
    script = (slurm / "script").read_text()
    assert "--partition" in script and "debug" in script
    assert "--account" in script and "e3sm" in script
    assert "--time=2:30:0" in script and 'job-name="moz_final"' in script
    assert "GIT_AUTHOR_NAME" in script and "/bin/true" in script


def test_slurms_refusal_is_quoted(tmp_path: Path, slurm: Path) -> None:
    (slurm / "refuse").touch()
    with pytest.raises(FailedPrecondition, match="invalid partition"):
        runner("slurm").submit(["/bin/true"], tmp_path, "job", tmp_path / "log")


def test_a_refused_job_is_not_looked_for_in_the_queue(tmp_path: Path, slurm: Path) -> None:
    (slurm / "refuse").touch()
    case = built(tmp_path, executor={"kind": "slurm"})
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="invalid partition"):
            case.run()


def built(folder: Path, **changed: object) -> ElmCase:
    """A case whose programs are processes from now on."""
    config = elm_config(folder, stages=[{"name": "final", "years": 5}], **changed)
    case = ElmCase(config, config.runs[0])
    with inside():
        case.prepare()
    return case


@pytest.mark.slow
def test_processes_that_are_killed_go_on(tmp_path: Path) -> None:
    config = elm_config(tmp_path, stages=[{"name": "final", "years": 10}])
    case = ElmCase(config, config.runs[0])
    faults = [Fault("kill_driver", where="case.build"), Fault("killed_run", after_years=7)]
    set_faults(config.cime_root, [replace(one, times=1) for one in faults])
    with pytest.raises(FailedPrecondition, match="signal 9"):
        case.run()
    with pytest.raises(JobFailed, match="goes on from year 6"):
        case.run()
    # History is written while the model runs: of the years before the end, and of no other.
    files = sorted(path.name for path in case.run_folder.glob("*.elm.h0.*.nc"))
    assert files == [f"moz_final.elm.h0.{year:04d}-01-01-00000.nc" for year in range(1, 9)]
    assert ElmCase(config, case.stage).run().finished
    assert any("CONTINUE_RUN=TRUE,STOP_N=5" in text for text in done(case.log.path))


@pytest.mark.slow
def test_a_second_call_attaches_to_the_running_case(tmp_path: Path) -> None:
    case = built(tmp_path)
    config = case.config
    set_faults(config.cime_root, [Fault("slow_run", seconds=0.3)])
    with pytest.raises(Unavailable):
        case.run(timeout_s=0.1)
    job = case.state.get("job")
    other = ElmCase(config, config.runs[0])
    assert other.run().finished
    assert len(list(case.run_folder.glob("cpl.log.*"))) == 1 and job is not None


@pytest.mark.slow
def test_a_job_whose_id_was_not_kept_is_found_by_its_folder(tmp_path: Path) -> None:
    case = built(tmp_path)
    config = case.config
    set_faults(config.cime_root, [Fault("slow_run", seconds=0.3)])
    with pytest.raises(Unavailable):
        case.run(timeout_s=0.1)
    case.state.update(job=None, submitting={"executor": "local", "at": "2026-01-01T00:00:00"})
    assert ElmCase(config, config.runs[0]).run().finished
    assert len(list(case.run_folder.glob("cpl.log.*"))) == 1


@pytest.mark.slow
def test_a_second_call_attaches_to_running_members(tmp_path: Path) -> None:
    case = built(tmp_path)
    set_faults(case.config.cime_root, [Fault("slow_run", seconds=0.3)])
    changes = [{"br_mr": 3e-6}]
    ensemble = ElmEnsemble(case, changes)
    with pytest.raises(Unavailable, match="ask again"):
        ensemble.run(timeout_s=0.1)
    before = ensemble._state("g00001").get("job")
    other = ElmEnsemble(ElmCase(case.config, case.stage), changes)
    assert other.run().n_ok == 1
    logs = list(ensemble.folder("g00001").glob("cpl.log.*"))
    assert len(logs) == 1 and before is not None


def test_a_batch_job_whose_id_was_not_kept_is_not_doubled(tmp_path: Path) -> None:
    case = built(tmp_path, executor={"kind": "slurm"})
    case.state.update(submitting={"executor": "slurm", "at": "2026-01-01T00:00:00"})
    with pytest.raises(FailedPrecondition, match="forget_submission"):
        case.run()


def test_a_batch_job_of_unknown_state_is_not_doubled(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = built(tmp_path, executor={"kind": "slurm"})
    record = JobRecord("78", "slurm", str(case.root), time.time())
    case.state.update(job=record.as_dict())
    monkeypatch.setattr(JobRunner, "state", lambda self, record: "unknown")
    with pytest.raises(FailedPrecondition, match="not to say that it has ended"):
        case.run()
