"""The committed code of the contracts is what the contracts say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import grpc_tools
import pytest

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "shared" / "proto"
GENERATED = ROOT / "shared" / "src" / "catena" / "api"
PROTOS = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.glob("catena/**/*.proto"))


def includes() -> list[Path]:
    """Folders with our protos, google/protobuf (grpc_tools) and google/rpc (googleapis)."""
    import google.rpc

    googleapis = next(
        Path(entry).parents[1]
        for entry in google.rpc.__path__
        if (Path(entry) / "status.proto").exists()
    )
    return [PROTO, Path(next(iter(grpc_tools.__path__))) / "_proto", googleapis]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            *(f"--proto_path={path}" for path in includes()),
            *(f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")),
            *PROTOS,
        ],
        check=True,
    )
    return out / "catena" / "api"


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_there_are_contracts() -> None:
    assert len(PROTOS) >= 3


def test_the_committed_files_are_those_that_make_proto_writes(fresh: Path) -> None:
    assert files(GENERATED) == files(fresh)


def test_their_content_is_what_make_proto_writes(fresh: Path) -> None:
    old = [
        name
        for name in sorted(files(fresh))
        if (GENERATED / name).read_text() != (fresh / name).read_text()
    ]
    assert not old, f"run `make proto`: {old}"


def test_packages_equal_import_paths() -> None:
    # Then generated code imports without rewriting.
    for name in PROTOS:
        package = name.rsplit("/", 1)[0].replace("/", ".")
        assert f"\npackage {package};\n" in (PROTO / name).read_text(), name


@pytest.mark.parametrize("path", sorted(GENERATED.rglob("*.py")), ids=lambda path: path.name)
def test_generated_code_imports_protobuf_and_grpc_only(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    allowed = ("google.protobuf", "google.rpc", "grpc", "catena.api", "warnings")
    assert all(name.startswith(allowed) for name in found), found
