"""A user's first hour: everything through the command, on a machine where nothing runs yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ray_cluster import RayCluster
from support.system import System

from catena.shared.settings import SERVICE_NAMES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS = {
    "ImportEnsemble",
    "TrainSurrogate",
    "TrainPosterior",
    "CheckCalibration",
    "RunMcmc",
    "WriteReport",
}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """One system whose chain has run once.

    A lease that is not given back keeps others out for its stall, longer than an `up` waits.
    """
    with System(lease_stall_s="600") as started:
        started("up")
        started.first_run = started("flow", "run", "calibrate_site", "--config", site(started))
        yield started


def site(system: System) -> Path:
    return system.site_file()


def test_a_second_up_says_that_it_runs(system: System) -> None:
    before = system.process("supervisor")
    assert "already" in system("up").stdout
    assert system.process("supervisor") == before


def test_other_settings_are_refused_while_it_runs(system: System) -> None:
    system.variables["CATENA_MAX_JOBS"] = "5"
    try:
        done = system("up", check=False)
    finally:
        del system.variables["CATENA_MAX_JOBS"]
    assert done.returncode == 1
    assert "max_jobs" in done.stderr
    assert "catena down" in done.stderr
    assert system.process("supervisor").alive()


def test_status_tells_what_runs(system: System) -> None:
    report = system.json("status")
    assert report["healthy"]
    assert {row["part"] for row in report["parts"]} == {"supervisor", "ray", *SERVICE_NAMES}
    assert all(row["pid"] and row["up_s"] > 0 for row in report["parts"])
    assert report["ray"]["jobs_at_once"] == 2
    assert report["jobs"]["calibrator"] == {"succeeded": len(STEPS)}
    assert report["lease"]
    shown = system("status").stdout
    assert "calibrator" in shown
    assert report["store"] in shown


def test_the_flow_leaves_a_report_where_it_says(system: System) -> None:
    page = system.folder / "reports" / "tiny.html"
    assert str(page) in system.first_run.stdout
    assert "<html" in page.read_text().lower()
    assert "generated" in page.read_text()
    for noise in ("Traceback", "database is locked", "prefect.", "Task run"):
        assert noise not in system.first_run.stdout + system.first_run.stderr


def test_every_step_is_a_job_that_can_be_looked_up(system: System) -> None:
    jobs = system.json("jobs", "list")
    assert {job["name"].split("/")[1] for job in jobs} == STEPS
    one = jobs[0]
    shown = system("jobs", "show", one["name"][:-40]).stdout  # a part of the digest is enough
    assert one["name"] in shown
    assert one["artifact"]["uri"] in shown
    assert "succeeded" in system("jobs", "watch", one["name"]).stdout
    # What has ended stays as it ended.
    assert "succeeded" in system("jobs", "cancel", one["name"]).stdout


def test_artifacts_can_be_listed_looked_at_and_taken_out(system: System) -> None:
    kinds = {item["kind"] for item in system.json("artifacts", "list")}
    assert kinds == {"ensemble", "surrogate", "posterior", "check", "chains", "report"}
    report = system.json("artifacts", "list", "--kind", "report")[0]
    shown = system("artifacts", "show", report["uri"], "--verify").stdout
    assert "every file verified" in shown
    assert "jobs/calibrator/TrainPosterior" in shown, "its lineage"
    target = system.folder / "taken"
    system("artifacts", "export", report["uri"], target)
    assert (target / "report.html").read_bytes() == (
        system.folder / "reports" / "tiny.html"
    ).read_bytes()


def test_garbage_collection_only_tells(system: System) -> None:
    report = system.json("artifacts", "list", "--kind", "report")[0]["uri"]
    young = system.json("artifacts", "gc", "--dry-run")
    assert young["remove"] == [], "what is young is kept"
    old = system.json("artifacts", "gc", "--dry-run", "--grace-days", "0")
    assert report in {item["path"] for item in old["remove"]}
    system("artifacts", "pin", report)
    pinned = system.json("artifacts", "gc", "--dry-run", "--grace-days", "0")
    everything = {item["uri"] for item in system.json("artifacts", "list")}
    # What a job has left beside its artifact may go; the artifacts may not.
    removed = {item["path"] for item in pinned["remove"]}
    assert not everything & removed, "a pinned report keeps all that it was made from"
    system("artifacts", "unpin", report)
    assert len(system.json("artifacts", "list")) == len(STEPS)


def test_imported_files_are_found_again(system: System) -> None:
    table = system.folder / "runs.csv"
    table.write_text("a,b\n1,2\n")
    uri = system("artifacts", "import", table, "--title", "two numbers").stdout.strip()
    assert uri == system("artifacts", "import", table).stdout.strip(), "the same content"
    target = system.folder / "copied"
    system("artifacts", "export", uri, target)
    assert (target / "runs.csv").read_text() == "a,b\n1,2\n"
    system("artifacts", "gc", "--remove", "--grace-days", "7")


def test_the_second_run_finds_everything(system: System) -> None:
    before = {job["name"]: job["update_time"] for job in system.json("jobs", "list")}
    again = system("flow", "run", "calibrate_site", "--config", site(system))
    assert again.stdout.count("was there already") == len(STEPS)
    assert {job["name"]: job["update_time"] for job in system.json("jobs", "list")} == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("jobs", "show", "calibrator/TrainSurrogate/" + "0" * 64), 3, "no job"),
        (("jobs", "show", "nonsense"), 2, "<service>/<Method>/<digest>"),
        (("jobs", "list", "--service", "calibrater"), 3, "no service"),
        (("artifacts", "show", "jobs/nothing"), 3, "artifacts list"),
        (("artifacts", "show", "../../etc/passwd"), 3, "no artifact"),
        (("artifacts", "import", "/no/such/file"), 2, "does not exist"),
        (("flow", "run", "calibrate_sight", "--config", "x.yaml"), 3, "calibrate_site"),
        (("flow", "run", "calibrate_site", "--config", "x.yaml"), 3, "x.yaml"),
    ],
)
def test_mistakes_are_one_message_and_a_code(
    system: System, words: tuple[str, ...], code: int, said: str
) -> None:
    done = system(*words, check=False)
    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_every_wrong_field_of_a_site_is_told_before_anything_runs(system: System) -> None:
    before = len(system.json("jobs", "list"))
    path = system.folder / "wrong.yaml"
    path.write_text(
        "site: wrong\n"
        "ensemble: {generated: {runs: 3}}\n"
        "observation: {synthetic: {run: 1}}\n"
        "posterior: {bank_size: 1}\n"
        "check: {draws: 1}\n"
        "mcmc: {chains: 1}\n"
    )
    done = system("flow", "run", "calibrate_site", "--config", path, check=False)
    assert done.returncode == 2
    for field in ("ensemble.generated.runs", "posterior.bank_size", "check.draws", "mcmc.chains"):
        assert field in done.stderr
    assert len(system.json("jobs", "list")) == before


def test_down_leaves_nothing(system: System) -> None:
    """It ends the system that the tests above share."""
    assert system.processes(), "otherwise the claim below could not fail"
    ray = system.ray_processes()
    assert "none is left" in system("down").stdout
    assert system.processes() == []
    assert not [record for record in ray if record.alive()]
    assert "nothing was running" in system("down").stdout
    assert system("status", check=False).returncode == 4
    done = system("jobs", "list", check=False)
    assert done.returncode == 4
    assert "catena up" in done.stderr
    assert len(system.json("artifacts", "list")) >= len(STEPS), "the store needs no server"


def test_two_ups_at_once_both_come_up_as_the_lease_is_free_at_once(system: System) -> None:
    """After a down. The second up finds the lock taken and waits for the first one's system."""
    both = [system.start("up"), system.start("up")]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert system.json("status")["healthy"]


def test_where_a_ray_is_given_none_is_started(ray_cluster: RayCluster) -> None:
    """As in a cluster: the servers join it, and going down leaves it alone."""
    with System(ray_address=ray_cluster.address) as system:
        system("up")
        report = system.json("status")
        assert {row["part"] for row in report["parts"]} == {"supervisor", *SERVICE_NAMES}
        assert report["healthy"]
        with system.client() as client:
            ensemble = {"generated": {"runs": 100, "seed": 1}}
            assert client.submit("ImportEnsemble", ensemble).result(200).kind == "ensemble"
        before = ray_cluster.processes()
        system("down")
        assert system.processes() == []
        assert {p.pid for p in before} & {p.pid for p in ray_cluster.processes()}


def test_up_says_why_it_failed_and_leaves_nothing() -> None:
    with System(token_file="/nonexistent/token") as system:
        done = system("up", check=False)
        assert done.returncode == 4
        assert "CATENA_TOKEN_FILE" in done.stderr
        assert system.processes() == []
