"""Which model this is: a digest that changes whenever its results may."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

_HERE = Path(__file__).parent
_PACKAGE = "catena.coupler.embedded."


@lru_cache(maxsize=1)
def model_version() -> str:
    """Sixteen hexadecimal digits over the code and the tables that decide a run.

    What :mod:`~catena.coupler.embedded.simulate` reaches within the package counts; comments and
    docstrings do not, nor do files, histories and configurations.
    """
    digest = hashlib.sha256()
    for name in sorted(_reached("simulate")):
        tree = ast.parse((_HERE / f"{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
        digest.update(f"{name}\0{ast.dump(tree)}\0".encode())
    for path in sorted(_HERE.glob("*.csv")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _reached(first: str) -> set[str]:
    """Modules of the package that one imports, and what these import."""
    found: set[str] = set()
    open_ = [first]
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse((_HERE / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                open_ += _of_package(node)
    return found


def _of_package(node: ast.ImportFrom) -> list[str]:
    module = str(node.module)
    if module.startswith(_PACKAGE):
        return [module.removeprefix(_PACKAGE)]
    if module == _PACKAGE.rstrip("."):
        return [each.name for each in node.names if (_HERE / f"{each.name}.py").is_file()]
    return []
