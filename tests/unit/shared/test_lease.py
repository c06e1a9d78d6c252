"""One cluster at a time: the lease is taken once, kept by counting, never held by two."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catena.shared.artifacts import ArtifactStore, Lease
from catena.shared.artifacts.lease import newest_epoch
from catena.shared.errors import FailedPrecondition, InvalidData, LeaseHeld, LeaseLost, NotFound
from catena.shared.testing import FakeClock, Fault, FaultyStore

STALL_S = 10.0


def acquire(store: ArtifactStore, holder: str, clock: FakeClock | None = None) -> Lease:
    clock = clock or FakeClock()
    return Lease.acquire(store, holder, STALL_S, clock=clock, sleep=clock.sleep)


def test_a_free_lease_is_taken_at_once(store: ArtifactStore) -> None:
    clock = FakeClock()
    lease = acquire(store, "one", clock)
    assert (lease.epoch, clock()) == (1, 0.0)
    lease.check()
    assert store.ls("lease") == ["epoch-1.json", "heartbeat-1.json"]


def test_another_is_refused_by_name_as_soon_as_the_counter_moves(store: ArtifactStore) -> None:
    first = acquire(store, "one")
    clock = FakeClock(on_sleep=lambda now: first.beat())
    with pytest.raises(LeaseHeld, match="'one' works on this store \\(epoch 1\\)"):
        acquire(store, "two", clock)
    assert clock() <= STALL_S / 5
    first.check()
    assert newest_epoch(store) == 1


def test_a_stalled_lease_is_taken_over_after_the_stall_and_not_before(
    store: ArtifactStore,
) -> None:
    first = acquire(store, "one")
    clock = FakeClock()
    second = acquire(store, "two", clock)
    assert second.epoch == 2
    assert clock() == pytest.approx(STALL_S)
    with pytest.raises(LeaseLost, match="'two' holds epoch 2"):
        first.check()
    with pytest.raises(LeaseLost):
        first.beat()
    first.release()  # of a lost lease: nothing
    second.check()


def test_a_late_beat_just_before_the_stall_keeps_the_lease(store: ArtifactStore) -> None:
    first = acquire(store, "one")
    beaten: list[float] = []

    def late(now: float) -> None:
        if now >= 0.85 * STALL_S and not beaten:
            beaten.append(now)
            first.beat()

    with pytest.raises(LeaseHeld):
        acquire(store, "two", FakeClock(late))
    assert beaten
    first.check()


def test_a_zombie_cannot_commit(store: ArtifactStore) -> None:
    zombie = acquire(store, "one")
    writer = store.writer("s/M/0a", 1, zombie.check)
    writer.write_bytes("x", b"1")
    acquire(store, "two")
    with pytest.raises(LeaseLost):
        writer.commit(kind="files")
    with pytest.raises(NotFound):
        store.open("jobs/s/M/0a")


def test_without_the_check_the_zombie_does_commit(store: ArtifactStore) -> None:
    """The switch: shows that the drill above rests on the guard."""
    acquire(store, "one")
    writer = store.writer("s/M/0a", 1)
    writer.write_bytes("x", b"1")
    acquire(store, "two")
    assert store.open(writer.commit(kind="files")).names == ["x"]


def test_the_same_cluster_gets_its_epoch_back(store: ArtifactStore) -> None:
    first = acquire(store, "one")
    clock = FakeClock()
    again = acquire(store, "one", clock)
    assert (again.epoch, clock()) == (1, 0.0)
    first.beat()
    again.beat()
    assert store.read_json("lease/heartbeat-1.json")["counter"] == 4


def test_a_released_lease_is_free_at_once_with_a_new_epoch(store: ArtifactStore) -> None:
    acquire(store, "one").release()
    clock = FakeClock()
    second = acquire(store, "two", clock)
    assert (second.epoch, clock()) == (2, 0.0)
    second.release()
    assert acquire(store, "two").epoch == 3


def test_release_by_one_while_another_watches_ends_the_wait(store: ArtifactStore) -> None:
    first = acquire(store, "one")
    clock = FakeClock(on_sleep=lambda now: first.release())
    assert acquire(store, "two", clock).epoch == 2
    assert clock() < STALL_S / 2


def test_one_of_many_threads_takes_a_free_lease(store: ArtifactStore) -> None:
    assert_one_wins(store, 1)


def test_one_of_many_threads_takes_over(store: ArtifactStore) -> None:
    acquire(store, "gone")
    assert_one_wins(store, 2)


def assert_one_wins(store: ArtifactStore, epoch: int) -> None:
    racers = 6
    barrier = threading.Barrier(racers)

    def race(number: int) -> Lease | None:
        clock = FakeClock()
        barrier.wait()
        try:
            return acquire(store, f"cluster-{number}", clock)
        except (LeaseHeld, LeaseLost):
            return None  # refused, or superseded before its first heartbeat

    with ThreadPoolExecutor(racers) as pool:
        leases = [lease for lease in pool.map(race, range(racers)) if lease]
    # A fake clock lets a stall pass in no time, so a slow racer may rightly take over from the
    # first winner; but never do two hold the same epoch, and only the newest holds the lease.
    epochs = [lease.epoch for lease in leases]
    assert epochs
    assert len(set(epochs)) == len(epochs)
    assert min(epochs) >= epoch
    # Nobody skips an epoch, whether or not its winner lived to its first heartbeat.
    taken = {name for name in store.ls("lease") if name.startswith("epoch-")}
    assert {f"epoch-{number}.json" for number in range(1, max(epochs) + 1)} == taken
    held = []
    for lease in leases:
        try:
            lease.check()
            held.append(lease.epoch)
        except LeaseLost:
            pass
    assert held == [max(epochs)]


def test_exactly_one_of_two_real_rivals_wins(store: ArtifactStore) -> None:
    acquire(store, "gone")
    barrier = threading.Barrier(2)

    def race(holder: str) -> Lease | LeaseHeld:
        barrier.wait()
        try:
            lease = Lease.acquire(store, holder, 0.6)
        except LeaseHeld as error:
            return error
        lease.keep(0.02)
        return lease

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(race, ["one", "two"]))
    winners = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, LeaseHeld)]
    assert (len(winners), len(losers)) == (1, 1)
    assert f"'{winners[0].holder}'" in str(losers[0])
    winners[0].release()


def test_two_processes_of_one_cluster_share_what_one_of_them_took(store: ArtifactStore) -> None:
    barrier = threading.Barrier(4)

    def race(_: int) -> int:
        barrier.wait()
        return acquire(store, "one").epoch

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(race, range(4))) == {1}


def test_beats_are_kept_up_and_loss_is_reported(folder_store: ArtifactStore) -> None:
    lost: list[LeaseLost] = []
    told = threading.Event()

    def on_lost(error: LeaseLost) -> None:
        lost.append(error)
        told.set()

    lease = acquire(folder_store, "one")
    lease.keep(0.01, on_lost)
    lease.keep(0.01, on_lost)
    with pytest.raises(LeaseHeld):
        Lease.acquire(folder_store, "two", 2.0)
    folder_store.create_json("lease/epoch-2.json", {"holder": "two", "epoch": 2})
    assert told.wait(5)
    time.sleep(0.05)
    assert len(lost) == 1
    lease.stop()


def test_stop_leaves_the_lease_held_and_release_does_not(folder_store: ArtifactStore) -> None:
    lease = acquire(folder_store, "one")
    lease.keep(0.01)
    lease.stop()
    count = folder_store.read_json("lease/heartbeat-1.json")
    time.sleep(0.05)
    assert folder_store.read_json("lease/heartbeat-1.json") == count
    assert not count["released"]
    lease.release()
    assert folder_store.read_json("lease/heartbeat-1.json")["released"]


def test_a_store_that_does_not_answer_is_no_loss() -> None:
    store = FaultyStore("memory://lease-hiccup", Fault("write", 5), Fault("read", 9))
    lost: list[LeaseLost] = []
    lease = acquire(store, "one")
    lease.keep(0.005, lost.append)
    deadline = time.monotonic() + 10
    watched = ArtifactStore("memory://lease-hiccup")
    while watched.read_json("lease/heartbeat-1.json")["counter"] < 12:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    lease.stop()
    assert not lost
    assert len(store.journal) > 12


def test_jobs_check_the_lease_in_other_processes(store: ArtifactStore) -> None:
    lease = acquire(store, "one")
    copy = pickle.loads(pickle.dumps(lease))
    copy.check()
    acquire(store, "two")
    with pytest.raises(LeaseLost):
        copy.check()


def test_a_lease_removed_by_hand_is_lost(store: ArtifactStore) -> None:
    lease = acquire(store, "one")
    store.remove_tree("lease")
    with pytest.raises(LeaseLost, match="removed"):
        lease.check()


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"null"])
def test_an_unreadable_heartbeat_locks_nobody_out(store: ArtifactStore, torn: bytes) -> None:
    acquire(store, "one")
    store.write_bytes("lease/heartbeat-1.json", torn)
    clock = FakeClock()
    assert acquire(store, "two", clock).epoch == 2
    assert clock() == pytest.approx(STALL_S)


def test_a_store_without_exclusive_creation_gives_no_lease(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        store.files, "create", lambda path, data: store.files.write(path, data) or True
    )
    with pytest.raises(FailedPrecondition, match="If-None-Match"):
        acquire(store, "one")


@pytest.mark.parametrize(("holder", "stall_s"), [("", 1.0), ("one", 0.0), ("one", -1.0)])
def test_nonsense_is_refused(store: ArtifactStore, holder: str, stall_s: float) -> None:
    with pytest.raises(InvalidData, match="lease"):
        Lease.acquire(store, holder, stall_s)


class Clusters(RuleBasedStateMachine):
    """Three clusters that come, count, sleep and go in any order."""

    holders = st.sampled_from(["one", "two", "three"])

    def __init__(self) -> None:
        super().__init__()
        self.store = ArtifactStore("memory://lease-machine")
        self.store.remove_tree("lease")
        self.leases: dict[str, Lease] = {}

    @rule(holder=holders, awake=st.sets(holders))
    def ask(self, holder: str, awake: set[str]) -> None:
        def meanwhile(now: float) -> None:
            for other in awake & set(self.leases):
                with suppress(LeaseLost):
                    self.leases[other].beat()

        epoch = newest_epoch(self.store)
        try:
            self.leases[holder] = acquire(self.store, holder, FakeClock(meanwhile))
        except LeaseHeld:
            owner = self.store.read_json(f"lease/epoch-{epoch}.json")["holder"]
            assert owner in awake
            assert owner != holder

    @rule(holder=holders)
    def go(self, holder: str) -> None:
        lease = self.leases.pop(holder, None)
        if lease:
            lease.release()

    @rule(holder=holders)
    def vanish(self, holder: str) -> None:
        self.leases.pop(holder, None)

    @invariant()
    def at_most_one_holds_it(self) -> None:
        holding = []
        for lease in self.leases.values():
            try:
                lease.check()
                holding.append(lease.epoch)
            except LeaseLost:
                pass
        assert len(holding) <= 1
        assert holding in ([], [newest_epoch(self.store)])


Clusters.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestClusters = Clusters.TestCase
