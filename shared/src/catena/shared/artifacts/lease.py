"""The store's lease: one cluster at a time works on a store.

The holder of *epoch* n owns ``lease/epoch-<n>.json``, which exactly one can create, and counts up
in ``lease/heartbeat-<n>.json``. Clocks of two machines are never compared: an observer watches the
counter over its own monotonic clock. When it stands still for long enough the observer creates
epoch n + 1; from then on every write of the old holder that checks its epoch fails, so a cluster
that was only asleep cannot disturb its successor.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from catena.shared.errors import ArtifactCorrupt, CatenaError, InvalidData, LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from catena.shared.artifacts.store import ArtifactStore

log = logging.getLogger(__name__)

_FOLDER = "lease"
_POLLS_PER_STALL = 10


class Lease:
    """The right to work on a store. Get one with :meth:`acquire`.

    Attributes
    ----------
    store : ArtifactStore
    holder : str
        Who holds it: the name of a cluster.
    epoch : int
        Counts the holders, from 1.
    """

    def __init__(self, store: ArtifactStore, holder: str, epoch: int) -> None:
        self.store = store
        self.holder = holder
        self.epoch = epoch
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Jobs carry the lease to other processes to check it there.
        return Lease, (self.store, self.holder, self.epoch)

    def __repr__(self) -> str:
        return f"Lease(holder={self.holder!r}, epoch={self.epoch})"

    @classmethod
    def acquire(
        cls,
        store: ArtifactStore,
        holder: str,
        stall_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Lease:
        """Take the lease, or be refused.

        A free lease is taken at once, and so is one that `holder` holds already (a restarted server
        of the same cluster). Otherwise this watches the holder's counter: if it moves, the lease is
        refused; if it stands still for `stall_s`, the lease is taken over.

        Parameters
        ----------
        store : ArtifactStore
        holder : str
            Name of the cluster; the same name means the same cluster.
        stall_s : float
            Seconds of standing still after which a holder counts as gone; several times the
            interval between its heartbeats.
        clock, sleep : callable
            Monotonic seconds, and waiting for seconds; for tests.

        Raises
        ------
        LeaseHeld
            Naming the holder.
        LeaseLost
            When it was taken and, before its first heartbeat, taken over.
        FailedPrecondition
            When the store cannot create files exclusively.
        """
        if not holder or stall_s <= 0:
            raise InvalidData(
                f"lease: got holder {holder!r} and stall_s {stall_s}; wanted a name and seconds > 0"
            )
        epoch = newest_epoch(store)
        if epoch:
            owner = _owner(store, epoch)
            if owner == holder and not _released(store, epoch):
                lease = cls(store, holder, epoch)
                lease.beat()
                return lease
            if not _abandoned(store, epoch, stall_s, clock, sleep):
                newest = newest_epoch(store)
                raise _held(_owner(store, newest), newest)
        else:
            store.check_exclusive()
        lease = cls(store, holder, epoch + 1)
        taken = store.create_json(
            _epoch_path(epoch + 1),
            {
                "holder": holder,
                "epoch": epoch + 1,
                # For people only; nothing compares it.
                "create_time": datetime.now(UTC).isoformat(),
            },
        )
        if not taken:
            winner = _owner(store, epoch + 1)
            if winner != holder:
                raise _held(winner, epoch + 1)
            # Another process of the same cluster was faster: its epoch is ours as well.
        lease.beat()
        return lease

    def beat(self) -> None:
        """Count up: the holder is alive.

        Raises
        ------
        LeaseLost
            When it is not the holder any more.
        """
        self.check()
        path = _heartbeat_path(self.epoch)
        beat = _heartbeat(self.store, self.epoch)
        # Another process of the cluster may count as well; all that matters is that it moves.
        self.store.write_json(
            path, {"counter": int(beat.get("counter", 0)) + 1, "released": False}, durable=False
        )

    def check(self) -> None:
        """Make sure that this epoch is still the newest. Called before every commit.

        Raises
        ------
        LeaseLost
            When a newer epoch exists, or the lease was removed by hand.
        """
        # Epochs are created one after another, so looking for the next one is enough.
        if self.store.exists(_epoch_path(self.epoch + 1)):
            newest = newest_epoch(self.store)
            raise LeaseLost(
                f"cluster '{self.holder}' held epoch {self.epoch} of the store's lease; "
                f"'{_owner(self.store, newest)}' holds epoch {newest} now: "
                "ask again, the job goes on from its checkpoint there"
            )
        if _owner(self.store, self.epoch) != self.holder:
            raise LeaseLost(
                f"epoch {self.epoch} of the store's lease was removed; restart the cluster"
            )

    def keep(
        self, interval_s: float, on_lost: Callable[[LeaseLost], None] = lambda error: None
    ) -> None:
        """Beat every `interval_s` seconds in a thread until :meth:`release` or loss.

        Parameters
        ----------
        interval_s : float
            Several beats must fit into the observers' ``stall_s``.
        on_lost : callable
            Called once, in that thread, when the lease is lost. A store that does not answer is no
            loss: the next beat tries again.
        """
        if self._thread is not None:
            return

        def work() -> None:
            while not self._stop.wait(interval_s):
                try:
                    self.beat()
                except LeaseLost as error:
                    log.error("%s", error)
                    on_lost(error)
                    return
                except CatenaError as error:
                    log.warning("heartbeat failed, trying again: %s", error)

        self._thread = threading.Thread(target=work, name="catena-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread of :meth:`keep`; the lease stays held until its counter stalls."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def release(self) -> None:
        """Give the lease back: the next cluster need not wait. Nothing happens if it is lost."""
        self.stop()
        try:
            self.check()
        except LeaseLost:
            return
        path = _heartbeat_path(self.epoch)
        beat = _heartbeat(self.store, self.epoch)
        self.store.write_json(path, {"counter": int(beat.get("counter", 0)), "released": True})


def newest_epoch(store: ArtifactStore) -> int:
    """Number of the newest epoch; 0 if nobody ever held the lease."""
    numbers = [
        int(name.removeprefix("epoch-").removesuffix(".json"))
        for name in store.ls(_FOLDER)
        if name.startswith("epoch-") and name[6:-5].isdigit()
    ]
    return max(numbers, default=0)


def current(store: ArtifactStore) -> Lease | None:
    """The lease as its holder has it; None while nobody holds one or after a release."""
    epoch = newest_epoch(store)
    if not epoch or _released(store, epoch):
        return None
    return Lease(store, _owner(store, epoch), epoch)


def _abandoned(
    store: ArtifactStore,
    epoch: int,
    stall_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Watch the counter for up to `stall_s`: True if it is released or stands still."""
    start = clock()
    first = _counter(store, epoch)
    while not _released(store, epoch):
        waited = clock() - start
        if _counter(store, epoch) != first or newest_epoch(store) != epoch:
            return False
        if waited >= stall_s:
            return True
        sleep(min(stall_s / _POLLS_PER_STALL, stall_s - waited))
    return True


def _held(owner: str, epoch: int) -> LeaseHeld:
    return LeaseHeld(
        f"cluster '{owner}' works on this store (epoch {epoch}); stop it (catena down) "
        "or set CATENA_STORE to another store"
    )


def _owner(store: ArtifactStore, epoch: int) -> str:
    record = store.read_json(_epoch_path(epoch), default={})
    return str(record.get("holder", "")) if isinstance(record, dict) else ""


def _heartbeat(store: ArtifactStore, epoch: int) -> dict[str, Any]:
    # Heartbeats are not forced to disk, so a power cut may leave an unreadable one. It must not
    # lock everybody out: it counts as one that does not move.
    try:
        beat = store.read_json(_heartbeat_path(epoch), default=None)
    except ArtifactCorrupt:
        beat = None
    counts = isinstance(beat, dict) and isinstance(beat.get("counter"), int)
    return beat if counts else {}


def _counter(store: ArtifactStore, epoch: int) -> int:
    return int(_heartbeat(store, epoch).get("counter", 0))


def _released(store: ArtifactStore, epoch: int) -> bool:
    return bool(_heartbeat(store, epoch).get("released", False))


def _epoch_path(epoch: int) -> str:
    return f"{_FOLDER}/epoch-{epoch}.json"


def _heartbeat_path(epoch: int) -> str:
    return f"{_FOLDER}/heartbeat-{epoch}.json"
