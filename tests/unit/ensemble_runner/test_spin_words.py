"""Words about spin-ups: what a check said is counted, methods are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from catena.coupler.spin_up.embedded_case import LOST
from catena.ensemble_runner.spin_block import check_plan
from catena.ensemble_runner.spin_queries import SpinUpCheck, SpinUpMethod
from catena.ensemble_runner.spin_result import ARRAYS, SpunUpSites
from catena.ensemble_runner.spin_words import Lesson, check_words, labels_of, reasons, status_of

REF = {"uri": "jobs/x", "kind": "spin_up_emulator"}
NETWORKS = [
    SpinUpMethod.model_validate(
        {"kind": "emulator", "emulator": {**REF, "digest": "sha256:" + digit * 64}}
    )
    for digit in "1234"
]


def lesson(years: int) -> Lesson:
    return Lesson("", (), 0.0, years, "jobs/s")


def told(why: dict[int, str], passed: list[int]) -> SpunUpSites:
    sites = len(passed)
    fields = {name: np.zeros(sites) for name in ARRAYS} | {"passed_first": np.array(passed)}
    return SpunUpSites(**fields, why=why)


def test_a_site_is_counted_by_each_thing_that_was_said_of_it() -> None:
    nee = "NEE -18.2 gC m-2 yr-1"
    why = {
        0: f"{nee}; soil4c drifts by 3.4 gC m-2 yr-1; unlike what was learned (1.4)",
        1: "NEE +2 gC m-2 yr-1; leafc_storage.c3_non-arctic_grass drifts by 1e+02 gC m-2 yr-1",
        2: "unlike what was learned (inf)",
        3: nee,  # polished, it passed
        4: "litr1n is -0.2",
        5: "member 3, cell 0 stopped on day 9: the state is not finite (NaN or infinity): tsoil",
        6: LOST,
    }
    assert dict(reasons(told(why, [0, 0, 0, 1, 0, 0, 0]))) == {
        "NEE is too large": 2,
        "soil4c drifts": 1,
        "unlike what was learned": 1,
        "leafc_storage drifts": 1,
        "plants that were not learned, or a prediction that cannot be": 1,
        "litr1n is no possible amount": 1,
        "the run failed: the state is not finite (NaN or infinity)": 1,
        "the run failed": 1,
    }


def test_methods_of_one_kind_are_told_apart_by_their_years_or_a_number() -> None:
    native, long = SpinUpMethod(), SpinUpMethod(ad_years=500, final_years=400)
    assert labels_of([native, long], [None, None]) == [
        "native (usual years)", "native (500 AD, 400 final)",
    ]  # fmt: skip
    found = labels_of(NETWORKS, [lesson(20), lesson(0), lesson(20), lesson(20)])
    assert found == [
        "emulator (20 AD)", "emulator (0 AD)", "emulator (20 AD), no. 2", "emulator (20 AD), no. 3",
    ]  # fmt: skip
    assert labels_of(NETWORKS[:1], [lesson(20)]) == ["emulator"]


def test_facts_of_the_check_are_those_of_its_plan() -> None:
    asked = SpinUpCheck(limit=0.5, drift=2.0, settle_cycles=2, no_polish=True, fallback_years=45)
    told = dict(check_words(check_plan(asked, 2), 2))
    assert "NEE below 0.5" in told["A site passes"] and "pool below 2 " in told["A site passes"]
    assert told["Before it is judged"] == "2 cycles to settle, then not polished"
    assert told["Fallback"] == "up to 50 years"
    longer = check_plan(SpinUpCheck(), 10)
    assert "from bare ground" in dict(check_words(longer, 10))["Fallback"]
    assert dict(check_words(check_plan(SpinUpCheck(no_fallback=True), 2), 2))["Fallback"] == "none"


@pytest.mark.parametrize(
    ("share", "status"), [(1.0, "passed"), (0.97, "passed"), (0.95, "doubtful"), (0.1, "failed")]
)
def test_a_page_says_failed_where_most_sites_did(share: float, status: str) -> None:
    assert status_of(share) == status
