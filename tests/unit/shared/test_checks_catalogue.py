"""The catalogue of faults: all found, and each check is what finds its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import support.faults_of_places
import support.faults_of_time
import support.faults_of_units
import support.faults_of_values  # noqa: F401
from support.faulty_datasets import CATALOGUE, TEST_DEFECTS, TEST_ROWS, Fault, assert_caught
from support.good_datasets import GOOD

from catena.shared.checks import CHECKS, inspect
from catena.shared.lexicon import vocabularies

NAMES = [fault.name for fault in CATALOGUE]


@pytest.fixture(autouse=True)
def test_vocabulary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    table = importlib.import_module("catena.shared.lexicon.defects")
    rows, known = vocabularies.rows, table._all
    monkeypatch.setattr(
        vocabularies, "rows", lambda name: TEST_ROWS if name == "faults" else rows(name)
    )
    monkeypatch.setattr(table, "_all", lambda: (*known(), *TEST_DEFECTS))
    yield


@pytest.mark.parametrize("name", GOOD)
def test_good_data_raise_nothing(name: str) -> None:
    assert list(inspect(GOOD[name](), vocabulary="faults", dataset_key=name)) == []


def test_the_catalogue_is_large_and_its_names_are_unique() -> None:
    assert len(CATALOGUE) >= 60
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("fault", CATALOGUE, ids=NAMES)
def test_fault_is_found_and_dealt_with(fault: Fault) -> None:
    assert_caught(fault)


@pytest.mark.parametrize("fault", CATALOGUE, ids=NAMES)
def test_without_its_check_the_fault_passes(fault: Fault) -> None:
    fewer = [check for check in CHECKS if check.name != fault.check]
    with pytest.raises(AssertionError):
        assert_caught(fault, fewer)


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_each_check_has_a_fault(check: object) -> None:
    assert check.name in {fault.check for fault in CATALOGUE}  # type: ignore[attr-defined]
