"""Archives for the tests of data-ingest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.http_archive import HttpArchive
from support.object_store import s3_server


@pytest.fixture
def archive_folder(tmp_path: Path) -> Path:
    """An empty folder that ``http_archive`` serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def http_archive(archive_folder: Path) -> Iterator[HttpArchive]:
    """A server of ``archive_folder`` that fails when told to."""
    with HttpArchive(archive_folder) as server:
        yield server


@pytest.fixture(scope="module")
def s3_archive() -> Iterator[str]:
    """URL of an empty public bucket; no credentials are in the environment."""
    with s3_server(credentials=False) as url:
        yield url
