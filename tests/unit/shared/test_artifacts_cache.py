from __future__ import annotations

from catena.shared.artifacts import Artifact, ArtifactCache, ArtifactStore


def files(store: ArtifactStore, number: int) -> Artifact:
    return store.open(store.put_files({"a.csv": f"{number}".encode()}))


def test_what_was_used_last_is_loaded_once(folder_store: ArtifactStore) -> None:
    loads: list[str] = []

    def load(artifact: Artifact) -> bytes:
        loads.append(artifact.uri)
        return artifact.read_bytes("a.csv")

    cache = ArtifactCache(load, most=2)
    one, two, three = (files(folder_store, number) for number in range(3))
    assert [cache.get(item) for item in (one, two, one)] == [b"0", b"1", b"0"]
    assert loads == [one.uri, two.uri]
    cache.get(three)  # `two` was used longest ago
    cache.get(one)
    assert loads == [one.uri, two.uri, three.uri]
    cache.get(two)
    assert loads[3:] == [two.uri]


def test_what_cannot_be_loaded_is_not_kept(folder_store: ArtifactStore) -> None:
    loads = iter([OSError("passing"), None])

    def load(artifact: Artifact) -> int:
        error = next(loads)
        if error is not None:
            raise error
        return 7

    cache, artifact = ArtifactCache(load, most=1), files(folder_store, 0)
    try:
        cache.get(artifact)
    except OSError:
        assert cache.get(artifact) == 7
    else:
        raise AssertionError("the error was swallowed")
