"""The ``catena`` command without a running system."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from catena.shared.cli import app, common
from catena.shared.client import open_store


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CATENA_RUN_DIR", str(tmp_path / "run"))


def catena(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_help_needs_nothing_heavy() -> None:
    """Help and completion answer at once: nothing is imported that only commands need."""
    code = (
        "import sys; from catena.shared.cli import app; "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"grpc", "numpy", "pydantic", "ray", "torch", "prefect", "fsspec", "xarray", "yaml"}
    assert not heavy & set(out.stdout.split())


@pytest.mark.parametrize(
    "words",
    [(), ("jobs",), ("artifacts",), ("flow",)],
)
def test_help_lists_every_command(words: Sequence[str]) -> None:
    shown = catena(*words, "--help")
    wanted = {
        (): ("up", "down", "status", "jobs", "artifacts", "flow"),
        ("jobs",): ("list", "show", "watch", "cancel"),
        ("artifacts",): ("list", "show", "import", "export", "pin", "unpin", "gc"),
        ("flow",): ("run", "list"),
    }[tuple(words)]
    assert shown.exit_code == 0
    assert [word for word in wanted if word not in shown.stdout] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there(shell: str) -> None:
    environment = os.environ | {"_CATENA_COMPLETE": f"source_{shell}"}
    command = [str(Path(sys.executable).parent / "catena")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "_CATENA_COMPLETE" in done.stdout


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENA_MAX_JOBS", "0")
    monkeypatch.setenv("CATENA_HEARTBEAT_S", "soon")
    done = catena("status")
    assert done.exit_code == 2
    assert "CATENA_MAX_JOBS" in done.stderr
    assert "CATENA_HEARTBEAT_S" in done.stderr


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENA_TOKEN", "hush-hush")
    monkeypatch.setenv("CATENA_MAX_JOBS", "0")
    assert "hush-hush" not in catena("status").output


def test_a_defect_is_one_message_unless_debug_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("ratio of nothing")

    monkeypatch.setattr(common, "settings", broken)
    monkeypatch.setattr("catena.shared.cli.system.settings", broken)
    done = catena("down")
    assert done.exit_code == 1
    assert "ZeroDivisionError: ratio of nothing" in done.stderr
    assert "--debug" in done.stderr
    assert isinstance(catena("--debug", "down").exception, ZeroDivisionError)


def test_commands_that_need_a_server_say_so_at_once() -> None:
    done = catena("jobs", "list")
    assert done.exit_code == 4
    assert "catena up" in done.stderr


def test_status_of_nothing() -> None:
    done = catena("status", "--json")
    assert done.exit_code == 4
    report = json.loads(done.stdout)
    assert not report["supervised"]
    assert report["lease"] == ""


def test_the_beginning_of_a_digest_is_enough(tmp_path: Path) -> None:
    ref = open_store().put_files({"a.csv": b"x,1"}, title="one row")
    done = catena("artifacts", "show", ref.uri[:20], "--json")
    assert json.loads(done.stdout)["digest"] == ref.digest
    open_store().put_files({"a.csv": b"x,2"})
    ambiguous = catena("artifacts", "show", "imports/")
    assert ambiguous.exit_code == 2
    assert "2 artifacts" in ambiguous.stderr


def test_titles_are_shown_as_they_are() -> None:
    open_store().put_files({"a.csv": b"x,1"}, title="[red]brackets[/red] stay")
    assert "[red]brackets[/red] stay" in catena("artifacts", "list").stdout


def test_a_file_is_not_overwritten_by_another(tmp_path: Path) -> None:
    ref = open_store().put_files({"a.csv": b"x,1"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.csv").write_text("mine")
    done = catena("artifacts", "export", ref.uri, str(tmp_path / "out"))
    assert done.exit_code != 0
    assert (tmp_path / "out" / "a.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.4, "0 s"), (59.6, "60 s"), (61, "1 min 1 s"), (7300, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_spans_of_time(value: float, shown: str) -> None:
    assert common.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB")]
)
def test_sizes(value: int, shown: str) -> None:
    assert common.size(value) == shown


def test_the_version_names_release_and_code() -> None:
    said = catena("--version")
    assert said.exit_code == 0
    assert re.fullmatch(r"catena \d+\.\d+\.\d+ \(src-[0-9a-f]{16}\)\n", said.output)
