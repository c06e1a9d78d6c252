"""The bucket is a model here, and every test has a store with weather of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import bucket_model, ensembles

from catena.ensemble_runner import fanout, models
from catena.shared.artifacts import ArtifactStore


@pytest.fixture(autouse=True)
def _bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(models.MODELS, "bucket", "support.bucket_model:BucketRunner")
    # Another test may have connected this process to a Ray, whose workers know no bucket.
    monkeypatch.setattr(fanout, "connected", lambda: None)
    bucket_model.RUN.clear()
    yield


@pytest.fixture
def store(request: pytest.FixtureRequest) -> ArtifactStore:
    """An empty store of this test's own."""
    return ArtifactStore(f"memory://{request.node.nodeid.replace('/', '-').replace(':', '-')}")


@pytest.fixture
def weather(store: ArtifactStore) -> dict[str, str]:
    """Two years of generated weather at three sites."""
    return ensembles.weather(store)
