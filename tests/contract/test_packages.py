"""What would break an installation without breaking a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import catena

ROOT = Path(__file__).parents[2]


def test_no_package_claims_the_namespace() -> None:
    # One stray catena/__init__.py hides every other distribution.
    stray = [
        path
        for path in ROOT.glob("**/catena/__init__.py")
        if ".venv" not in path.parts and "site-packages" not in path.parts
    ]
    assert stray == []
    assert getattr(catena, "__file__", None) is None
    assert not [root for root in catena.__path__ if (Path(root) / "__init__.py").exists()]


def test_generated_code_is_a_namespace_too() -> None:
    assert list((ROOT / "shared" / "src" / "catena" / "api").rglob("__init__.py")) == []


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("catena.shared.client", ("ray", "torch", "prefect", "xarray", "zarr")),
        ("catena.shared.server", ("ray", "torch", "prefect", "xarray", "zarr")),
        ("catena.shared.settings", ("grpc", "ray", "torch", "numpy")),
    ],
)
def test_light_modules_stay_light(module: str, forbidden: tuple[str, ...]) -> None:
    """A client starts in a blink; what is heavy is imported where it is used."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not set(forbidden) & set(out.split())
