"""Intervals of time: accumulated amounts over gaps, years that are not the calendar's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from support.faults_of_time import years_from_october
from support.faults_of_units import beside_instants, since_midnight, since_midnight_with_gaps
from support.faulty_datasets import TEST_ROWS, times
from support.good_datasets import GOOD, hourly_site

from catena.shared.checks import Inspection, apply, normalise
from catena.shared.checks.findings import Finding
from catena.shared.lexicon import vocabularies

HOUR = np.timedelta64(3600, "s")


@pytest.fixture(autouse=True)
def test_vocabulary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    rows = vocabularies.rows
    monkeypatch.setattr(
        vocabularies, "rows", lambda name: TEST_ROWS if name == "faults" else rows(name)
    )
    yield


def _normal(dataset: xr.Dataset) -> tuple[xr.Dataset, Inspection]:
    normal, inspection = normalise(dataset, vocabulary="faults", key="k")
    assert normal is not None, list(map(str, inspection))
    return normal.compute(), inspection


def _of(inspection: Inspection, check: str) -> Finding:
    return next(finding for finding in inspection if finding.check == check)


@pytest.mark.parametrize(("cut", "lost"), [
    (slice(0, None), 0), (slice(5, None), 1), (slice(5, 8), 1),
    ([0, 1, 4, 5, 6, *range(9, 240)], 2),
])  # fmt: skip
def test_the_finding_says_how_many_values_an_accumulation_loses(cut: object, lost: int) -> None:
    faulty = since_midnight(hourly_site()).isel(time=cut)
    _, inspection = _normal(faulty)
    said = _of(inspection, "accumulation").why
    assert (f"{lost} of {faulty.sizes['time']} values along time become NaN" in said) == bool(lost)


def test_rates_that_are_kept_are_those_of_their_bounds_whatever_steps_are_missing() -> None:
    """Against sums of the true hours within the bounds, for random gaps."""
    good = hourly_site().compute()
    start = good["time"].values
    rng = np.random.default_rng(0)
    for _ in range(20):
        present = np.flatnonzero(rng.random(240) > rng.uniform(0, 0.12))
        normal, _ = _normal(since_midnight(good).isel(time=present))
        rates, edges = normal["pr"].values, normal["time_bnds"].values
        known = np.isfinite(rates)
        assert known.sum() > 100
        for rate, (low, high) in zip(rates[known], edges[known], strict=True):
            inside = (start >= low) & (start + HOUR <= high)
            assert (high - low) == HOUR
            np.testing.assert_allclose(rate, good["pr"].values[inside].mean(), atol=1e-8)
        # Only what follows a missing step is lost with it.
        assert known.sum() >= present.size - (240 - present.size) - 1


def test_next_to_instants_amounts_go_to_the_stamp_where_their_step_begins() -> None:
    good = hourly_site()
    # Stamps 23 and 24 of the second day are missing: the hour after midnight has no stamp to go to.
    present = np.setdiff1d(np.arange(240), [46, 47])
    both = beside_instants(since_midnight(good), good).isel(time=present)
    normal, _ = _normal(both)
    truth = good["pr"].where(~xr.DataArray(np.isin(np.arange(240), [46, 47, 48]), dims="time"))
    on_both = np.intersect1d(normal["time"].values, good["time"].values)
    np.testing.assert_allclose(
        normal["pr"].sel(time=on_both), truth.sel(time=on_both), rtol=3e-6, atol=1e-12
    )
    np.testing.assert_array_equal(normal["tas"].dropna("time").values, both["tas"].values)


@pytest.mark.parametrize("after", [0, 1])
def test_amounts_with_bounds_of_their_own_keep_the_true_interval(after: int) -> None:
    """Bounds before the stamp or, wrongly, after it: what was accumulated lies before it."""
    good = hourly_site()
    faulty = since_midnight(good)
    ends = faulty["time"].values
    edges = np.stack([ends - (1 - after) * HOUR, ends + after * HOUR], axis=1)
    faulty = faulty.assign_coords(time_bnds=(("time", "bnds"), edges))
    faulty["time"].attrs["bounds"] = "time_bnds"
    normal, _ = _normal(faulty)
    np.testing.assert_array_equal(normal["time"].values, good["time"].values)
    np.testing.assert_array_equal(normal["time_bnds"].values, good["time_bnds"].values)
    np.testing.assert_allclose(normal["pr"], good["pr"], rtol=3e-6, atol=1e-12)


def test_amounts_and_instants_that_share_bounds_before_the_stamp_go_to_their_start() -> None:
    good = hourly_site()
    faulty = since_midnight(good)
    ends = faulty["time"].values
    means = good["tas"].assign_coords(time=faulty["time"])
    faulty = faulty.assign(tas=means).assign_coords(
        time_bnds=(("time", "bnds"), np.stack([ends - HOUR, ends], axis=1))
    )
    faulty["time"].attrs["bounds"] = "time_bnds"
    normal, _ = _normal(faulty)
    for name in ("pr", "tas"):
        np.testing.assert_allclose(normal[name], good[name], rtol=3e-6, atol=1e-12)
    np.testing.assert_array_equal(normal["time_bnds"].values, good["time_bnds"].values)


def test_amounts_that_end_within_the_bounds_of_other_variables_are_refused() -> None:
    good = hourly_site()
    faulty = since_midnight(good)
    ends = faulty["time"].values
    means = good["tas"].assign_coords(time=faulty["time"])
    faulty = faulty.assign(tas=means).assign_coords(
        time_bnds=(("time", "bnds"), np.stack([ends - HOUR // 2, ends + HOUR // 2], axis=1))
    )
    faulty["time"].attrs["bounds"] = "time_bnds"
    normal, inspection = _normal(faulty)
    assert inspection.refused_variables == {"tp_forecast"}
    refusal = inspection.of("refused")[0]
    assert "up to 2004-02-20T01:00:00" in refusal.found
    assert "up to 2004-02-20T01:30:00" in refusal.wanted
    np.testing.assert_array_equal(normal["time"].values, ends - HOUR // 2)


def test_rates_under_the_name_of_an_amount_stay_where_their_bounds_are() -> None:
    good = GOOD["daily_noleap"]()
    rates = good[["pr"]].rename(pr="tp_forecast")
    normal, inspection = _normal(rates)
    assert "believed" in _of(inspection, "accumulation").why
    np.testing.assert_array_equal(normal["time"].values, good["time"].values)
    np.testing.assert_array_equal(normal["time_bnds"].values, good["time_bnds"].values)


def test_a_single_stamp_does_not_say_over_which_step_it_is() -> None:
    one = since_midnight(hourly_site()).isel(time=[3])
    normal, inspection = normalise(one, vocabulary="faults", key="k")
    assert normal is None
    assert "time axis that says" in _of(inspection, "accumulation").wanted
    hourly = one.assign_attrs(frequency="1hr")
    lost, again = normalise(hourly, vocabulary="faults", key="k")
    assert lost is None, "the first hours of the day have no amount before them"
    assert "over 4 hour" in _of(again, "accumulation").found


def test_steps_of_a_forecast_may_grow() -> None:
    """As in ECMWF's forecasts: three hours, then six; the mean since the lead time before."""
    lead = np.array([3.0, 6, 9, 12, 18, 24])
    rate = np.array([1.0, 2, 0, 3, 5, 4]) * 1e-4
    amount = np.cumsum(rate * np.diff([0, *lead]) * 3600)
    dataset = xr.Dataset(
        {"tp_forecast": ("leadtime", amount, {"units": "kg m-2"})},
        {"leadtime": ("leadtime", lead, {"units": "h"})},
    )
    normal, inspection = _normal(dataset)
    np.testing.assert_allclose(normal["pr"], rate, rtol=1e-6, atol=1e-12)
    assert "3 hour to 6 hour" in _of(inspection, "accumulation").why
    backwards, inspection = _normal(dataset.isel(leadtime=slice(None, None, -1)))
    assert np.isnan(backwards["pr"][1:]).all(), "no difference has a negative length"
    assert "5 of 6 values along leadtime become NaN" in _of(inspection, "accumulation").why


def test_sums_of_water_years_are_divided_by_their_own_days() -> None:
    years = years_from_october(GOOD["yearly_gridded"]())
    edges = years["time_bnds"].values
    seconds = (edges[:, 1] - edges[:, 0]) / np.timedelta64(1, "s")
    rates = years.drop_vars("tas")
    sums = rates.assign(
        pr=(rates["pr"] * xr.DataArray(seconds, dims="time")).assign_attrs(
            rates["pr"].attrs, units="mm", cell_methods="time: sum"
        )
    )
    normal, _ = _normal(sums)
    np.testing.assert_allclose(normal["pr"], rates["pr"], rtol=3e-6)
    assert 366 * 86400 in seconds, "a leap year, which is not that of the stamp"


def test_what_is_canonical_is_silent_about_its_stamps() -> None:
    """Data that came out of the checks have bounds, so nothing is assumed a second time."""
    monthly = GOOD["monthly_gridded"]()
    normal, first = _normal(times(monthly, monthly["time"].values))
    assert _of(first, "time_stamp").action == "noted"
    assert "start of the month" in _of(first, "time_stamp").why
    _, second = _normal(normal)
    assert list(second) == []


def test_fixes_with_gaps_are_the_same_for_blocks_of_any_size() -> None:
    faulty = since_midnight_with_gaps(hourly_site())
    normal, inspection = _normal(faulty)
    for size in (1, 7, 240):
        again = apply(faulty.chunk(time=size), inspection.fixes)
        np.testing.assert_array_equal(again["pr"].values, normal["pr"].values)
