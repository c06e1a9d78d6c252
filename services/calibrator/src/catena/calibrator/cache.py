"""Loaded posteriors, kept in the server's memory."""

from __future__ import annotations

import threading
from collections import OrderedDict

from catena.calibrator.posterior import Posterior
from catena.calibrator.storage import About, read_posterior
from catena.shared.artifacts import ArtifactStore
from catena.shared.query import RefQuery

MOST = 4


class PosteriorCache:
    """The posteriors used last; loading one takes longer than drawing from it.

    Keyed by content digest, so an entry can never be out of date. The manifest is read at each call
    all the same: a reference that leads nowhere must not be answered from memory.

    Parameters
    ----------
    store : ArtifactStore
    most : int
        How many are kept.
    """

    def __init__(self, store: ArtifactStore, most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._loaded: OrderedDict[str, tuple[Posterior, About]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: RefQuery) -> tuple[Posterior, About]:
        """The posterior behind `ref`; errors as in :meth:`ArtifactStore.open`."""
        artifact = self._store.open(ref)
        digest = artifact.manifest.digest
        with self._lock:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
                return self._loaded[digest]
        loaded = read_posterior(artifact)  # not under the lock: others may draw meanwhile
        with self._lock:
            self._loaded[digest] = loaded
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        return loaded
