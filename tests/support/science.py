"""What a job computes with: its own code and every module of science that it reaches.

Run as a program it records the present state: ``make versions``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from catena.shared.jobs import JobFunction

LEXICON = "catena.shared.lexicon"
RECORD = Path(__file__).parents[1] / "contract" / "science_versions.json"


def jobs() -> dict[str, JobFunction]:
    """Every job of every installed service, by ``service/function``."""
    found = {}
    for entry in entry_points(group="catena.services"):
        module = importlib.import_module(f"{entry.module.rsplit('.', 1)[0]}.jobs")
        for name, value in vars(module).items():
            if isinstance(value, JobFunction):
                found[f"{value.service}/{name}"] = value
    return found


def science_digest(job: JobFunction) -> str:
    """SHA-256 over what the job computes with; comments and docstrings do not count."""
    functions: dict[str, FunctionType] = {}
    modules: set[str] = set()
    _follow(job.function, functions, modules)
    digest = hashlib.sha256()
    for name in sorted(functions):
        digest.update(name.encode() + _skeleton(inspect.getsource(functions[name])))
    reached = _closure(modules)
    for name in sorted(reached):
        digest.update(name.encode() + _skeleton(Path(_file(name)).read_text(encoding="utf-8")))
    if LEXICON in reached:
        # Its tables decide what becomes of data as much as its code does.
        for table in sorted((Path(_file(LEXICON)).parent / "tables").glob("*.csv")):
            digest.update(table.name.encode() + table.read_bytes())
    return digest.hexdigest()


def state() -> dict[str, dict[str, Any]]:
    """Version and digest of every job."""
    return {
        name: {"version": job.version, "science": science_digest(job)}
        for name, job in sorted(jobs().items())
    }


def _follow(function: Any, functions: dict[str, FunctionType], modules: set[str]) -> None:
    if function.__qualname__ in functions:
        return
    functions[function.__qualname__] = function
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, JobFunction):
            value = value.function
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        if isinstance(value, FunctionType) and home == function.__module__:
            _follow(value, functions, modules)
        elif home != function.__module__ and _is_science(home or ""):
            modules.add(home)
    for module, name in _local_imports(function):
        modules.update(each for each in (module, f"{module}.{name}") if _is_science(each))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _local_imports(function: FunctionType) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name


def _closure(start: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = {name for name in start if _file(name)}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in ast.walk(ast.parse(Path(_file(name)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                waiting |= {each for each in found if _is_science(each) and _file(each)} - seen
    return seen


def _is_science(module: str) -> bool:
    # The runtime (catena.shared, catena.api) moves data; it does not decide results. What names and
    # checks data does.
    if module.startswith(("catena.shared.lexicon", "catena.shared.checks")):
        return True
    return module.startswith("catena.") and not module.startswith(("catena.shared", "catena.api"))


def _file(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError):
        return ""
    return spec.origin if spec is not None and spec.origin else ""


def _skeleton(source: str) -> bytes:
    tree = ast.parse(textwrap.dedent(source))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            # @job(...) carries the version itself.
            node.decorator_list = [
                item
                for item in node.decorator_list
                if not (isinstance(item, ast.Call) and getattr(item.func, "id", "") == "job")
            ]
    return ast.dump(tree, annotate_fields=False).encode()


if __name__ == "__main__":
    RECORD.write_text(json.dumps(state(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"recorded {len(jobs())} jobs\n")
