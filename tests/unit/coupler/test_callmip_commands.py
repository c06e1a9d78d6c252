"""``catena callmip check``: a table of what is found and wanted, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

from support.callmip_files import NAME, Draft, broken, observations_file
from typer.testing import CliRunner, Result

from catena.shared.cli import app


def check(*words: object) -> Result:
    return CliRunner().invoke(app, ["callmip", "check", *map(str, words)])


def test_a_good_file_exits_with_0(tmp_path: Path) -> None:
    done = check(Draft().write(tmp_path), "--observations", observations_file(tmp_path))
    assert done.exit_code == 0
    assert f"{NAME}: " in done.stdout
    assert " 0 failed, 0 advice" in done.stdout
    assert "passed  nep.units" in done.stdout


def test_a_broken_rule_exits_with_1_and_is_shown(tmp_path: Path) -> None:
    path = broken(lambda draft: draft.units.update(cSoil="kg m-2\u200b")).write(tmp_path)
    done = check(path, "--failures")
    assert done.exit_code == 1
    assert "cSoil.units" in done.stdout
    assert r"kg m-2\u200b" in done.stdout
    assert "nep.units" not in done.stdout


def test_one_bad_file_among_good_ones_is_enough(tmp_path: Path) -> None:
    for folder in ("good", "bad"):
        (tmp_path / folder).mkdir()
    good = Draft().write(tmp_path / "good")
    bad = broken(lambda draft: draft.without.add("lai")).write(tmp_path / "bad")
    done = check(good, bad, "--json")
    assert done.exit_code == 1
    assert [report["failed"] for report in json.loads(done.stdout)] == [0, 1]


def test_observations_are_found_in_a_folder(tmp_path: Path) -> None:
    path = Draft().write(tmp_path)
    observations_file(tmp_path, first=2001)
    done = check(path, "--observations", tmp_path, "--failures")
    assert done.exit_code == 1
    assert "time.start" in done.stdout
    (tmp_path / "empty").mkdir()
    done = check(path, "--observations", tmp_path / "empty")
    assert done.exit_code == 0
    assert "no observations of US-MMS" in done.stderr


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert check(tmp_path / "none.nc").exit_code == 3
    assert check(Draft().write(tmp_path), "--observations", tmp_path / "none").exit_code == 3
