"""The index lists jobs newest first, page by page, without opening them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.shared.artifacts import ArtifactStore, JobIndex
from catena.shared.errors import InvalidRequest, UnsafePath
from catena.shared.testing import FaultyStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def job(number: int, method: str = "TrainSurrogate") -> str:
    return f"calibrator/{method}/{number:064x}"


@pytest.fixture
def index(store: ArtifactStore) -> JobIndex:
    return JobIndex(store)


def test_jobs_come_newest_first_in_pages(index: JobIndex) -> None:
    for number in range(7):
        index.add(job(number), START + timedelta(microseconds=number))
    index.add("forecaster/TrainForecaster/0a", START)
    pages, token = [], ""
    while True:
        page = index.page("calibrator", 3, token)
        pages.append(page.names)
        token = page.next_page_token
        if not token:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == [
        job(number) for number in reversed(range(7))
    ]
    assert index.page("forecaster").names == ["forecaster/TrainForecaster/0a"]
    assert index.page("explainer").names == []


def test_a_full_last_page_has_no_next(index: JobIndex) -> None:
    for number in range(4):
        index.add(job(number), START + timedelta(seconds=number))
    assert index.page("calibrator", 4).next_page_token == ""
    assert (
        index.page("calibrator", 2, index.page("calibrator", 2).next_page_token).next_page_token
        == ""
    )


def test_jobs_that_come_or_go_between_pages_shift_nothing(index: JobIndex) -> None:
    for number in range(6):
        index.add(job(number), START + timedelta(seconds=number))
    first = index.page("calibrator", 3)
    index.add(job(99), START + timedelta(seconds=99))
    index.remove(job(3), START + timedelta(seconds=3))  # the last of the page before
    second = index.page("calibrator", 3, first.next_page_token)
    assert second.names == [job(2), job(1), job(0)]


def test_adding_twice_is_adding_once(index: JobIndex) -> None:
    here = timezone(timedelta(hours=5))
    index.add(job(1), START)
    index.add(job(1), START.astimezone(here))
    assert index.page("calibrator").names == [job(1)]
    index.remove(job(1), START)
    index.remove(job(1), START)
    assert index.page("calibrator").names == []


def test_a_page_is_one_listing_and_no_reading() -> None:
    store = FaultyStore("memory://index-cost")
    index = JobIndex(store)
    for number in range(100):
        index.add(job(number), START + timedelta(seconds=number))
    before = len(store.journal)
    assert len(index.page("calibrator", 10).names) == 10
    assert store.journal[before:] == [("list", "index/calibrator")]


def test_page_sizes(index: JobIndex) -> None:
    for number in range(60):
        index.add(job(number), START + timedelta(seconds=number))
    assert len(index.page("calibrator").names) == 50
    assert len(index.page("calibrator", 10**6).names) == 60
    with pytest.raises(InvalidRequest, match="page_size") as caught:
        index.page("calibrator", -1)
    assert [violation.field for violation in caught.value.violations] == ["page_size"]


@given(
    st.one_of(
        st.text(min_size=1), st.binary(min_size=1).map(lambda b: base64.b64encode(b).decode())
    )
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest, match="page_token") as caught:
        JobIndex(ArtifactStore("memory://index-tokens")).page("calibrator", 5, token)
    assert [violation.field for violation in caught.value.violations] == ["page_token"]


@given(
    st.lists(
        st.datetimes(datetime(1970, 1, 1), datetime(2286, 1, 1), timezones=st.just(UTC)),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_the_order_is_that_of_time(times: list[datetime]) -> None:
    store = ArtifactStore("memory://index-order")
    store.remove_tree("index")
    index = JobIndex(store)
    for number, when in enumerate(times):
        index.add(job(number), when)
    expected = [job(times.index(when)) for when in sorted(times, reverse=True)]
    assert index.page("calibrator").names == expected


def test_strange_names_are_refused_and_strange_files_passed_over(
    index: JobIndex, store: ArtifactStore
) -> None:
    for name in (
        "calibrator/x",
        "a/b/c/d",
        "calibrator/Train-It/0a",
        "calibrator/M/XYZ",
        "s/../0a",
    ):
        with pytest.raises(InvalidRequest, match="index"):
            index.add(name, START)
    with pytest.raises(InvalidRequest, match="time zone"):
        index.add(job(1), datetime(2026, 1, 1))
    with pytest.raises(UnsafePath, match="service"):
        index.page("../jobs")
    store.write_bytes("index/calibrator/README", b"")
    assert index.page("calibrator").names == []
