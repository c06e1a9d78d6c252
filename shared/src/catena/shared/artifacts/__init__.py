"""Artifacts: immutable results with a small manifest, in a folder or a bucket.

>>> from catena.shared.artifacts import ArtifactStore
>>> store = ArtifactStore("memory://doc")
>>> writer = store.writer("calibrator/TrainSurrogate/0f", attempt=1)
>>> writer.write_json("report.json", {"r2": 0.99})
>>> ref = writer.commit(kind="surrogate")
>>> store.open(ref).read_json("report.json")
{'r2': 0.99}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catena.shared.artifacts.artifact import Artifact
    from catena.shared.artifacts.cache import ArtifactCache
    from catena.shared.artifacts.gc import GcItem, GcPlan
    from catena.shared.artifacts.index import JobIndex
    from catena.shared.artifacts.lease import Lease
    from catena.shared.artifacts.manifest import FileEntry, InputRef, Lineage, Manifest
    from catena.shared.artifacts.store import ArtifactStore
    from catena.shared.artifacts.writer import ArtifactWriter

_HOME = {
    "Artifact": "artifact",
    "ArtifactCache": "cache",
    "ArtifactStore": "store",
    "ArtifactWriter": "writer",
    "FileEntry": "manifest",
    "GcItem": "gc",
    "GcPlan": "gc",
    "InputRef": "manifest",
    "JobIndex": "index",
    "Lease": "lease",
    "Lineage": "manifest",
    "Manifest": "manifest",
}
__all__ = [
    "Artifact",
    "ArtifactCache",
    "ArtifactStore",
    "ArtifactWriter",
    "FileEntry",
    "GcItem",
    "GcPlan",
    "InputRef",
    "JobIndex",
    "Lease",
    "Lineage",
    "Manifest",
]


def __getattr__(name: str) -> Any:
    # Request models need the path rules only; they should not load numpy and pydantic models.
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
