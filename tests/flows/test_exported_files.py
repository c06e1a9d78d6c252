"""What flows leave where the user looks: whole files or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from catena.flows import rpc
from catena.shared.artifacts import ArtifactStore
from catena.shared.client import FailedPrecondition

Ref = dict[str, str]


@pytest.fixture
def ref(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ref:
    store = ArtifactStore(f"file://{tmp_path / 'store'}")
    writer = store.writer("calibrator/WriteReport/" + "a" * 64, 1)
    writer.write_bytes("report.html", b"whole")
    made = writer.commit(kind="report")
    monkeypatch.setattr(rpc, "open_store", lambda: store)
    return {"uri": made.uri, "digest": made.digest, "kind": made.kind}


def test_a_file_replaces_what_was_there(ref: Ref, tmp_path: Path) -> None:
    target = tmp_path / "out" / "r.html"
    for _ in range(2):
        assert rpc.export_file(ref, "report.html", target) == target
    assert target.read_bytes() == b"whole"
    assert [path.name for path in target.parent.iterdir()] == ["r.html"]


def test_a_file_that_cannot_be_written_leaves_nothing(
    ref: Ref, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "r.html"
    rpc.export_file(ref, "report.html", target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FailedPrecondition, match="No space left on device"):
        rpc.export_file(ref, "report.html", target)
    assert target.read_bytes() == b"whole"
    assert [path.name for path in target.parent.iterdir()] == ["r.html"]
