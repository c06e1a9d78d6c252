"""Each distribution, installed without the others it does not ask for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Distribution:
    """One distribution: its folder, what it stands on, what it must do without.

    Attributes
    ----------
    folder : str
    stands_on : tuple of str
        Names of catena distributions that it asks for, directly or not.
    imports : tuple of str
        Modules that must then be importable.
    without : tuple of str
        Packages that are made unavailable first.
    """

    folder: str
    stands_on: tuple[str, ...]
    imports: tuple[str, ...]
    without: tuple[str, ...]


DISTRIBUTIONS = {
    "catena-shared": Distribution(
        "shared",
        (),
        ("catena.shared.client", "catena.shared.server", "catena.shared.cli", "catena.shared.jobs"),
        ("torch", "prefect", "ray", "scipy", "sklearn", "matplotlib"),
    ),
    "catena-models": Distribution(
        "shared/models",
        ("catena-shared",),
        ("catena.models",),
        ("prefect", "ray", "grpc", "sklearn", "matplotlib"),
    ),
    "catena-coupler": Distribution(
        "coupler",
        ("catena-shared", "catena-models"),
        ("catena.coupler.land_model",),
        ("torch", "prefect", "ray", "grpc", "sklearn", "matplotlib"),
    ),
    "catena-data-ingest": Distribution(
        "services/data-ingest",
        ("catena-shared",),
        ("catena.data_ingest.server", "catena.data_ingest.jobs"),
        ("torch", "prefect", "ray", "sklearn"),
    ),
    "catena-calibrator": Distribution(
        "services/calibrator",
        ("catena-shared", "catena-models"),
        ("catena.calibrator.server", "catena.calibrator.jobs"),
        ("prefect", "ray"),
    ),
    "catena-ensemble-runner": Distribution(
        "services/ensemble-runner",
        ("catena-shared", "catena-models", "catena-coupler"),
        ("catena.ensemble_runner.server", "catena.ensemble_runner.jobs"),
        ("torch", "prefect", "ray", "sklearn"),
    ),
    "catena-forecaster": Distribution(
        "services/forecaster",
        ("catena-shared", "catena-models"),
        ("catena.forecaster.server", "catena.forecaster.jobs"),
        ("prefect", "ray"),
    ),
    "catena-explainer": Distribution(
        "services/explainer",
        ("catena-shared", "catena-models"),
        ("catena.explainer.server", "catena.explainer.jobs"),
        ("prefect", "ray", "captum"),
    ),
    "catena-orbit-trainer": Distribution(
        "services/orbit-trainer",
        ("catena-shared", "catena-models"),
        ("catena.orbit_trainer.server", "catena.orbit_trainer.jobs"),
        ("prefect", "ray", "deepspeed", "sklearn"),
    ),
    "catena-flows": Distribution(
        "deploy/flows",
        ("catena-shared",),
        (
            "catena.flows.calibrate_site",
            "catena.flows.explain_basins",
            "catena.flows.finetune_orbit",
            "catena.flows.forecast_basins",
            "catena.flows.ingest",
            "catena.flows.run",
        ),
        ("torch", "ray", "sklearn", "matplotlib"),
    ),
}
NAMES = sorted(DISTRIBUTIONS)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel of each distribution, built as a release would be."""
    out = tmp_path_factory.mktemp("wheels")
    folders = [str(ROOT / item.folder) for item in DISTRIBUTIONS.values()]
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(out), *folders)
    found = {re.split(r"-\d", path.name)[0].replace("_", "-"): path for path in out.glob("*.whl")}
    assert set(found) == set(DISTRIBUTIONS)
    return found


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -I -S: no editable installs, no PYTHONPATH; of site-packages only what is not ours.
ALONE = """
import sys
target, packages, without, modules = sys.argv[1], sys.argv[2], *map(str.split, sys.argv[3:5])
sys.path[:0] = [target]
sys.path.append(packages)

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in without:
            raise ModuleNotFoundError(f"{name} is not to be needed", name=name)

sys.meta_path.insert(0, Refuse())
import importlib
for name in modules:
    importlib.import_module(name)
import catena
assert [*catena.__path__] == [target + "/catena"], [*catena.__path__]
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_installs_and_imports_alone(
    name: str, wheels: dict[str, Path], tmp_path: Path
) -> None:
    one = DISTRIBUTIONS[name]
    chosen = [str(wheels[item]) for item in (name, *one.stands_on)]
    pip("install", "--no-deps", "--no-index", "--target", str(tmp_path), *chosen)
    packages = sysconfig.get_paths()["purelib"]
    words = [str(tmp_path), packages, " ".join(one.without), " ".join(one.imports)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_holds_its_own_files_and_no_others(name: str, wheels: dict[str, Path]) -> None:
    source = ROOT / DISTRIBUTIONS[name].folder / "src"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    held = {
        item
        for item in zipfile.ZipFile(wheels[name]).namelist()
        if ".dist-info/" not in item and not item.endswith(".pth")
    }
    assert held == {item for item in tracked if (source / item).is_file()}
    assert "catena/__init__.py" not in held


def declared(name: str) -> set[str]:
    """Distributions that `name` asks for, its own included."""
    path = ROOT / DISTRIBUTIONS[name].folder / "pyproject.toml"
    wanted = tomllib.loads(path.read_text())["project"]["dependencies"]
    plain = {re.split(r"[<>=!~ \[]", item)[0] for item in wanted}
    return {_normal(item) for item in (*plain, name)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(name: str) -> Iterator[tuple[str, str]]:
    """(module, file) of every import in the sources of `name`."""
    source = ROOT / DISTRIBUTIONS[name].folder / "src"
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((item.name, str(path)) for item in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module, str(path)


OURS = {
    "api": "catena-shared",
    "shared": "catena-shared",
    "models": "catena-models",
    "data_ingest": "catena-data-ingest",
    "calibrator": "catena-calibrator",
    "ensemble_runner": "catena-ensemble-runner",
    "forecaster": "catena-forecaster",
    "explainer": "catena-explainer",
    "orbit_trainer": "catena-orbit-trainer",
    "coupler": "catena-coupler",
    "flows": "catena-flows",
}
# Imported inside a function that only those call who have it.
OPTIONAL = {("catena-shared", "matplotlib")}  # a figure is given to the report, or it is not
# Modules that several distributions share (namespaces) cannot be told by their first word.
SHARED_NAMES = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc_status": "grpcio-status",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_import_is_asked_for(name: str) -> None:
    """What is imported but not declared works in this environment and in no other."""
    known = packages_distributions()
    wanted = declared(name)
    missing = set()
    for module, path in imported(name):
        first, _, rest = module.partition(".")
        ours_or_none = first in sys.stdlib_module_names or module == "catena"
        if ours_or_none or (name, first) in OPTIONAL:
            continue
        two = ".".join(module.split(".")[:2])
        if first == "catena":
            found = {OURS[rest.partition(".")[0]]}
        elif two in SHARED_NAMES:
            found = {SHARED_NAMES[two]}
        else:
            found = {_normal(item) for item in known.get(first, [first])}
        if not found & wanted:
            missing.add((module, Path(path).name))
    assert missing == set()
