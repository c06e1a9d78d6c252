"""No name that comes from outside leads out of the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import ArtifactStore
from catena.shared.artifacts.paths import MAX_PATH, check_relative, check_segment
from catena.shared.errors import CatenaError, UnsafePath

UNSAFE = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "../secret",
    "../../secret",
    "jobs/../../secret",
    "jobs/x/../../../secret",
    "jobs/./x",
    "jobs//x",
    "jobs/x/",
    "imports/..",
    "..\\secret",
    "jobs\\..\\..\\secret",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "file:///etc/passwd",
    "s3://other-bucket/x",
    "http://169.254.169.254/latest/meta-data",
    "memory://other/x",
    "reference://::file:///etc/passwd",
    "jobs/x\0.json",
    "jobs/x\n",
    "jobs/ x",
    "jobs/%2e%2e/secret",
    "jobs/..%2f..%2fsecret",
    "jobs/\u2025/secret",
    "jobs/\uff0e\uff0e/secret",
    "jobs/\u202e/x",
    "~/secret",
    "$HOME/secret",
    "jobs/*",
    "jobs/x?",
    "jobs/x;rm",
    "jobs/" + "x" * 256,
    "a/" * (MAX_PATH // 2) + "ab",
    "jobs/.tmp-0123",
    "jobs/x/.tmp-/y",
]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "store" / "jobs").mkdir(parents=True)
    (tmp_path / "store" / "imports").mkdir()
    return ArtifactStore(f"file://{tmp_path / 'store'}")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("path", UNSAFE)
def test_unsafe_names_are_refused_everywhere(
    path: str, store: ArtifactStore, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    writer = store.writer("s/M/0a", 1)
    calls = [
        lambda: store.open(path),
        lambda: store.open(ArtifactRef(uri=path)),
        lambda: store.read_bytes(path),
        lambda: store.read_json(path, default=None),
        lambda: list(store.blocks(path)),
        lambda: store.write_bytes(path, b"x"),
        lambda: store.create_bytes(path, b"x"),
        lambda: store.put(path, tmp_path / "secret", "0" * 64),
        lambda: store.exists(path),
        lambda: store.ls(path),
        lambda: store.find(path),
        lambda: store.local(path),
        lambda: store.remove_tree(path),
        lambda: store.pin(path),
        lambda: store.unpin(path),
        lambda: store.export(path, tmp_path / "out"),
        lambda: store.put_files({path: b"x"}),
        lambda: store.writer(path, 1),
        lambda: writer.write_bytes(path, b"x"),
        lambda: writer.write_arrays(path, {}),
        lambda: writer.local_file(path).__enter__(),
    ]
    for call in calls:
        with pytest.raises(UnsafePath) as caught:
            call()
        assert str(tmp_path) not in str(caught.value)
        assert len(str(caught.value)) < 600
        assert str(caught.value).isprintable() or "\n  " in str(caught.value)
    assert snapshot(tmp_path) == before


def test_the_table_is_a_table_of_at_least_thirty() -> None:
    assert len(set(UNSAFE)) >= 30


@pytest.mark.parametrize("value", [None, 3, b"jobs/x", ["jobs"], 1.5, Path("jobs/x")])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(UnsafePath, match="not text"):
        check_relative(value)


def test_the_message_names_the_field_and_what_came() -> None:
    with pytest.raises(UnsafePath, match=r"posterior\.uri: got '\.\./x'") as caught:
        check_relative("../x", "posterior.uri")
    assert [violation.field for violation in caught.value.violations] == ["posterior.uri"]


@pytest.mark.parametrize(
    "path", ["jobs/a/B/0f", "a", "a.b-c_d/E9", "..a", "a..b", "...", ".hidden"]
)
def test_plain_names_are_accepted_unchanged(path: str) -> None:
    assert check_relative(path) == path


def test_a_file_name_has_no_slash() -> None:
    assert check_segment("runs.csv") == "runs.csv"
    with pytest.raises(UnsafePath, match="/"):
        check_segment("a/runs.csv")


nasty = st.one_of(
    st.text(max_size=600),
    st.text(alphabet="./\\~%:\0 ab", max_size=40),
    st.lists(st.sampled_from(["..", ".", "", "jobs", "a", "\0", "//", "~", "C:"]), max_size=8).map(
        "/".join
    ),
)


@given(nasty)
@example("a\n")
@example("..")
def test_any_text_is_refused_or_stays_inside(path: str) -> None:
    root = "/srv/store/root"
    try:
        accepted = check_relative(path)
    except UnsafePath as error:
        assert error.violations
        return
    assert accepted == path
    assert os.path.normpath(os.path.join(root, path)) == f"{root}/{path}"
    assert path.isascii()
    assert len(path) <= MAX_PATH


@given(
    st.one_of(nasty, nasty.map(lambda text: f"jobs/{text}"), nasty.map(lambda t: f"imports/{t}"))
)
def test_any_uri_is_answered_with_an_error_of_ours(uri: str) -> None:
    store = ArtifactStore("memory://fuzzed")
    with pytest.raises(CatenaError):
        store.open(uri)


@pytest.mark.parametrize("uri", ["lease/epoch-1.json", "pins/x", "index/s", "artifact.json"])
def test_only_artifacts_are_opened(store: ArtifactStore, uri: str) -> None:
    with pytest.raises(UnsafePath, match="no artifact"):
        store.open(uri)


def test_the_url_of_another_store_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    ref = store.put_files({"x": b"1"})
    assert store.open(f"{store.url}/{ref.uri}").ref == ref
    with pytest.raises(UnsafePath):
        store.open(f"file://{tmp_path}/elsewhere/{ref.uri}")
    with pytest.raises(UnsafePath):
        store.open(f"{store.url}/../store/{ref.uri}")


def test_links_out_of_the_store_are_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    root = tmp_path / "store"
    (root / "jobs" / "file").symlink_to(tmp_path / "secret")
    (root / "jobs" / "folder").symlink_to(tmp_path)
    (root / "jobs" / "loop").symlink_to("loop")
    before = (tmp_path / "secret").read_text()
    for path in ("jobs/file", "jobs/folder/secret", "jobs/loop"):
        for call in (
            lambda path=path: store.read_bytes(path),
            lambda path=path: list(store.blocks(path)),
            lambda path=path: store.write_bytes(path, b"x"),
            lambda path=path: store.create_bytes(path, b"x"),
            lambda path=path: store.local(path),
            lambda path=path: store.exists(path),
        ):
            with pytest.raises(UnsafePath, match="link"):
                call()
    with pytest.raises(UnsafePath):
        store.ls("jobs/folder")
    with pytest.raises(UnsafePath):
        store.remove_tree("jobs/folder/secret")
    assert "jobs/file" not in [info.path for info in store.find("jobs")]
    store.remove_tree("jobs/folder")  # takes the link away, not what it points to
    store.remove_tree("jobs")
    assert (tmp_path / "secret").read_text() == before


def test_links_inside_the_store_are_followed(store: ArtifactStore, tmp_path: Path) -> None:
    store.write_bytes("jobs/real", b"x")
    (tmp_path / "store" / "jobs" / "alias").symlink_to("real")
    assert store.read_bytes("jobs/alias") == b"x"


def test_an_artifact_whose_file_became_a_link_is_not_read(
    store: ArtifactStore, tmp_path: Path
) -> None:
    ref = store.put_files({"x": b"secret"})
    file = tmp_path / "store" / ref.uri / "files" / "x"
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    artifact = store.open(ref)
    for call in (
        lambda: artifact.read_bytes("x"),
        lambda: artifact.local_path("x"),
        artifact.verify,
        lambda: store.export(ref, tmp_path / "out"),
    ):
        with pytest.raises(UnsafePath, match="link"):
            call()
    assert not (tmp_path / "out" / "x").exists()


def test_export_does_not_write_through_links(store: ArtifactStore, tmp_path: Path) -> None:
    writer = store.writer("s/M/0b", 1)
    writer.write_bytes("sub/x", b"new")
    ref = writer.commit(kind="files")
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.mkdir()
    (out / "sub").symlink_to(victim)
    with pytest.raises(UnsafePath, match="link"):
        store.export(ref, out)
    assert list(victim.iterdir()) == []


def test_a_manifest_cannot_point_outside(store: ArtifactStore, tmp_path: Path) -> None:
    ref = store.put_files({"x": b"1"})
    path = f"{ref.uri}/artifact.json"
    for change in (
        {"root": "../../.."},
        {"root": "attempts/../../.."},
        {"identity": "../x"},
        {"files": [{"path": "../../../secret", "size": 6, "sha256": "0" * 64, "timed": True}]},
    ):
        good = store.read_json(path)
        store.write_json(path, good | change)
        with pytest.raises(CatenaError) as caught:
            store.open(ref).read_bytes("x")
        assert caught.value.code == "DATA_LOSS"
        store.write_json(path, good)
    assert store.open(ref).read_bytes("x") == b"1"
