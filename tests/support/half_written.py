"""Looks at a store and a cache of downloads while a job runs, for anything half-written."""

from __future__ import annotations

import threading
from pathlib import Path

from catena.data_ingest.downloads import TEMPORARY
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import CatenaError


class Watch:
    """A thread that looks all the time, while its ``with`` lasts.

    Parameters
    ----------
    store : ArtifactStore
        In a folder.
    cache : Path
        Folder of downloads.
    served : Path
        The files as the archive has them; a file in the cache is compared with the one of its name.

    Attributes
    ----------
    looks : int
        How often it has looked.
    under_way : int
        At how many of them a download was here in part.
    wrong : list of str
        What was there and was not whole.
    """

    def __init__(self, store: ArtifactStore, cache: Path, served: Path) -> None:
        self.store = store
        self.cache = cache
        self.whole = {path.name: path for path in served.rglob("*") if path.is_file()}
        self.looks = 0
        self.under_way = 0
        self.wrong: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def look(self) -> None:
        """Look once."""
        self.looks += 1
        root = Path(self.store.url.removeprefix("file://"))
        for path in root.rglob("artifact.json"):
            self._artifact(path.parent.relative_to(root).as_posix())
        for listed in self.store.list():
            self._artifact(listed.uri)
        here = [path for path in self.cache.rglob("*") if path.is_file()]
        self.under_way += any(path.name.endswith(".part") for path in here)
        for path in here:
            if path.name.startswith(TEMPORARY):
                continue
            if path.read_bytes() != self.whole[path.name].read_bytes():
                self.wrong.append(f"{path.name} in the cache has {path.stat().st_size} bytes")

    def _artifact(self, uri: str) -> None:
        try:
            self.store.open(uri).verify()
        except CatenaError as error:
            self.wrong.append(f"{uri}: {error}")

    def _run(self) -> None:
        while not self._end.wait(0.005):
            self.look()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
