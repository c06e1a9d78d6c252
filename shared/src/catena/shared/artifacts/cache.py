"""What was loaded from artifacts, kept in a server's memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from catena.shared.artifacts.artifact import Artifact

T = TypeVar("T")


class ArtifactCache(Generic[T]):
    """The artifacts of one kind that were used last, as they were loaded. Thread-safe.

    Keyed by content digest, so an entry can never be out of date. Whoever asks opens the artifact
    first, each time: a reference that leads nowhere must not be answered from memory.

    Parameters
    ----------
    load : callable
        ``(artifact) -> T``.
    most : int
        How many are kept.

    Examples
    --------
    >>> posteriors = ArtifactCache(read_posterior, most=4)
    >>> posterior = posteriors.get(store.open(query.posterior))
    """

    def __init__(self, load: Callable[[Artifact], T], most: int) -> None:
        self._load = load
        self._most = most
        self._loaded: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, artifact: Artifact) -> T:
        """What was, or now is, loaded of `artifact`."""
        digest = artifact.manifest.digest
        with self._lock:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
                return self._loaded[digest]
        loaded = self._load(artifact)  # not under the lock: others may work meanwhile
        with self._lock:
            self._loaded[digest] = loaded
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        return loaded
