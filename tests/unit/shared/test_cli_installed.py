"""Groups of commands that packages bring: there when they are installed, never in the way."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner, Result

from catena.shared.cli import app, installed


def catena(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch):
    """``packages(name=value)``: entry points of these names; values are what they load."""

    def install(**values: object) -> None:
        module = types.ModuleType("some_package")
        for name, value in values.items():
            if value is not None:
                setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "some_package", module)
        entries = [
            EntryPoint(name=name, value=f"some_package:{name}", group=installed.GROUP)
            for name in values
        ]
        monkeypatch.setattr(
            installed, "entry_points", lambda group: entries if group == installed.GROUP else []
        )

    return install


def group(answer: str) -> typer.Typer:
    made = typer.Typer(help=f"Says {answer}.")

    @made.callback()
    def _group() -> None:
        """A group."""

    @made.command()
    def say() -> None:
        """Say it."""
        typer.echo(answer)

    return made


def test_a_package_brings_a_group(packages) -> None:
    packages(weather=group("rain"))
    assert "weather" in catena("--help").stdout
    done = catena("weather", "say")
    assert (done.exit_code, done.stdout) == (0, "rain\n")
    assert "--install-completion" not in catena("weather", "--help").stdout


def test_without_the_package_the_group_is_not_there(packages) -> None:
    packages()
    assert "weather" not in catena("--help").stdout
    done = catena("weather", "say")
    assert done.exit_code == 2
    assert "No such command" in done.output


def test_no_package_replaces_a_command_of_catena(packages) -> None:
    packages(jobs=group("not ours"))
    assert "not ours" not in catena("jobs", "--help").stdout
    assert catena("--help").stdout.count("Long requests") == 1


@pytest.mark.parametrize("value", [None, 3], ids=["not there", "no group"])
def test_a_broken_package_spoils_only_its_own_commands(packages, value) -> None:
    packages(weather=value, climate=group("warm"))
    shown = catena("--help")
    assert shown.exit_code == 0
    assert "Cannot be loaded" in shown.stdout
    assert catena("climate", "say").stdout == "warm\n"
    done = catena("weather", "say", "--loud")
    assert done.exit_code == 1
    assert "the commands of 'weather' cannot be loaded" in done.output


def test_help_loads_no_arrays() -> None:
    """`catena --help` loads the modules of all groups; they are light."""
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from catena.shared.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"grpc", "numpy", "pydantic", "ray", "torch", "prefect", "xarray", "yaml", "netCDF4"}
    assert not heavy & set(out.stdout.split())
