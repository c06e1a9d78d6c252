"""Stores of every kind, empty, for tests of the runtime."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from catena.shared.artifacts import ArtifactStore, ArtifactWriter


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """URL of a bucket on an S3 server in this process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("NO_PROXY", ",".join(filter(None, [os.environ.get("NO_PROXY"), host])))
        import s3fs

        s3fs.S3FileSystem().mkdir("catena-tests")
        yield "s3://catena-tests"
    server.stop()


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store."""
    if request.param == "file":
        return f"file://{tmp_path / 'store'}"
    name = secrets.token_hex(6)
    if request.param == "memory":
        return f"memory://{name}"
    return f"{request.getfixturevalue('s3_bucket')}/{name}/store"


@pytest.fixture
def store(store_url: str) -> ArtifactStore:
    """An empty store."""
    return ArtifactStore(store_url)


@pytest.fixture
def folder_store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder."""
    return ArtifactStore(f"file://{tmp_path / 'store'}")


@pytest.fixture
def writer(store: ArtifactStore) -> ArtifactWriter:
    """The first attempt at the artifact of a job."""
    return store.writer("calibrator/TrainSurrogate/0a1b", 1)
