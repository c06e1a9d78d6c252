"""Who keeps the store's lease: one actor per Ray cluster, whatever servers come and go."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Literal

from catena.shared.artifacts import ArtifactStore, Lease
from catena.shared.errors import FailedPrecondition, LeaseHeld, LeaseLost, Unavailable
from catena.shared.jobs import safety
from catena.shared.jobs.cluster import Cluster
from catena.shared.settings import Settings

log = logging.getLogger(__name__)

ACTOR = "catena-lease"
_WAIT_S = 2.0


@dataclass(frozen=True)
class LeaseState:
    """Where the cluster stands.

    Parameters
    ----------
    standing : str
        "held", "refused" (another cluster works), "waiting" (not known yet whether the last holder
        lives) or "failed" (the store does not do).
    store : str
        URL of the store.
    lease : Lease, optional
        When held.
    message : str
        For the user, when not held.
    """

    standing: Literal["held", "refused", "waiting", "failed"]
    store: str
    lease: Lease | None = None
    message: str = ""

    def require(self, store: ArtifactStore, retry_after_s: float) -> Lease:
        """The lease.

        Raises
        ------
        LeaseHeld
            Naming the holder, while it is alive.
        Unavailable
            While it is not known whether the last holder is alive.
        FailedPrecondition
            When the store cannot be leased, or the cluster works on another store.
        """
        if self.store != store.url:
            raise FailedPrecondition(
                "this Ray cluster works on another artifact store; "
                "give each store a cluster, or at least a CATENA_RAY_NAMESPACE, of its own"
            )
        if self.lease is not None:
            return self.lease
        if self.standing == "refused":
            raise LeaseHeld(self.message)
        if self.standing == "failed":
            raise FailedPrecondition(self.message)
        raise Unavailable(
            "the store's last cluster may still be alive; if it stays silent this one takes over",
            retry_after_s=retry_after_s,
        )


class LeaseKeeper:
    """Acquires the lease, keeps it, and takes it again when it was lost and is free.

    Parameters
    ----------
    store : ArtifactStore
    holder : str
        Identity of this Ray cluster.
    heartbeat_s, stall_s : float
        Seconds between beats, and seconds of silence after which a holder counts as gone.
    """

    def __init__(
        self, store: ArtifactStore, holder: str, heartbeat_s: float, stall_s: float
    ) -> None:
        self._store = store
        self._holder = holder
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._state = LeaseState("waiting", store.url)
        self._settled = threading.Event()
        threading.Thread(target=self._work, name="catena-keeper", daemon=True).start()

    def state(self, wait_s: float = 0.0) -> LeaseState:
        """Where the cluster stands; waits up to `wait_s` seconds for the first answer."""
        self._settled.wait(wait_s)
        return self._state

    def _work(self) -> None:
        while True:
            try:
                lease = Lease.acquire(self._store, self._holder, self._stall_s)
            except (LeaseHeld, LeaseLost) as error:
                self._set(LeaseState("refused", self._store.url, message=error.message))
                continue
            except FailedPrecondition as error:
                self._set(LeaseState("failed", self._store.url, message=error.message))
                return
            except Exception:  # a store that fails now may answer later; this thread must live
                log.exception("the lease cannot be read, trying again")
                time.sleep(self._heartbeat_s)
                continue
            log.info("%s holds epoch %d", self._holder, lease.epoch)
            self._set(LeaseState("held", self._store.url, lease=lease))
            lost = threading.Event()
            lease.keep(self._heartbeat_s, partial(_note, lost))
            lost.wait()
            self._set(LeaseState("waiting", self._store.url))

    def _set(self, state: LeaseState) -> None:
        self._state = state
        self._settled.set()


def _note(lost: threading.Event, error: LeaseLost) -> None:
    lost.set()


class LeaseActor(LeaseKeeper):
    """The keeper as a detached actor; Ray restarts it and the same cluster keeps its epoch."""

    def __init__(self, store: str, holder: str, heartbeat_s: float, stall_s: float) -> None:
        super().__init__(ArtifactStore(store), holder, heartbeat_s, stall_s)


def held(cluster: Cluster, store: ArtifactStore, settings: Settings) -> Lease:
    """The lease that `cluster` holds on `store`; starts the actor where there is none.

    Raises
    ------
    LeaseHeld, FailedPrecondition, Unavailable
        As :meth:`LeaseState.require`; Unavailable also when Ray does not answer.
    """
    if safety.removed("lease"):
        return Lease(store, cluster.identity, 0)
    keeper = cluster.start(
        LeaseActor,
        ACTOR,
        store.url,
        cluster.identity,
        settings.heartbeat_s,
        settings.lease_stall_s,
        num_cpus=0,
    )
    if keeper is None:
        raise Unavailable("the keeper of the lease is restarting; ask again", retry_after_s=1.0)
    state: LeaseState = cluster.ask(lambda: keeper.state.remote(_WAIT_S))
    return state.require(store, retry_after_s=settings.lease_stall_s / 4)
