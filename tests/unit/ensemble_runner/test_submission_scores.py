"""Skill before and after a calibration, and the coverage of what was held back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from support.towers import DAYS, FIRST, observed, season

from catena.coupler.callmip.observations import FLUXES
from catena.ensemble_runner.submission_scores import (
    SiteRuns,
    changes,
    coverage90,
    coverages,
    monthly_scores,
)
from catena.ensemble_runner.submitted import monthly_series

HELD = 2
DATES = np.datetime64(FIRST) + np.arange(DAYS)
LAST = np.datetime64("2005-01-01") <= DATES
TRUTH = {"nee": 2 - 8 * season(), "hfls": 10 + 90 * season(), "hfss": 20 + 30 * season()}


def runs_of(noise: Any, *, spread: float = 0.1, before: float = 5.0, seed: int = 1) -> SiteRuns:
    """Truth plus noise was measured; the draws surround the truth; before was off by a constant."""
    rng = np.random.default_rng(seed)
    values = {flux: TRUTH[flux] + noise * rng.normal(size=DAYS) for flux in FLUXES}
    draws = {flux: TRUTH[flux] + spread * rng.normal(size=(40, 1)) for flux in FLUXES}
    return SiteRuns(
        observed(values, sd=0.0), {flux: TRUTH[flux] + before for flux in FLUXES}, draws
    )


def test_the_reduction_is_that_of_the_rmse() -> None:
    found = changes(runs_of(0.0, spread=1e-9), HELD)
    assert len(found) == 6
    assert {each.before.period for each in found} == {"calibration", "validation"}
    for each in found:
        assert each.before.rmse == pytest.approx(5) and each.reduction == pytest.approx(1)
        assert each.site == "US-MMS"
    worse = changes(runs_of(3.0, spread=1e-9, before=0.0), HELD)
    assert all(abs(each.reduction) < 0.01 for each in worse)


@pytest.mark.parametrize("steps", ["day", "month"])
def test_ninety_percent_are_covered_where_the_noise_stays_the_same(steps: str) -> None:
    found = coverages(runs_of(2.0), HELD)
    assert coverage90(found, steps, "validation") == pytest.approx(0.9, abs=0.06)


def test_model_error_is_that_of_the_calibration_years() -> None:
    """Held-back years with larger residuals are covered less: they do not widen their own band."""
    calm = coverages(runs_of(2.0), HELD)
    wild = coverages(runs_of(np.where(LAST, 6.0, 2.0)), HELD)
    assert coverage90(wild, "day", "validation") < 0.5 < coverage90(calm, "day", "validation")
    assert coverage90(wild, "day", "calibration") == pytest.approx(0.9, abs=0.03)


def test_seasons_have_errors_of_their_own() -> None:
    summer = np.isin(DATES.astype("datetime64[M]").astype(int) % 12, (5, 6, 7))
    found = coverages(runs_of(np.where(summer, 8.0, 1.0)), HELD)
    assert coverage90(found, "day", "validation") == pytest.approx(0.9, abs=0.04)


def test_months_are_means_over_observed_days() -> None:
    runs = runs_of(0.0)
    values = {flux: array.copy() for flux, array in runs.observed.values.items()}
    keep = DATES.astype("datetime64[M]").astype(int) % 12 != 6
    values["nee"][~keep] = np.nan
    found = coverages(SiteRuns(observed(values, sd=0.0), runs.before, runs.draws), HELD)
    count = {(each.flux, each.steps, each.period): each.count for each in found}
    assert count["nee", "month", "validation"] == 22 and count["hfls", "month", "validation"] == 24
    assert count["nee", "day", "validation"] == 2 * 365 - 62


def test_nothing_observed_is_nan() -> None:
    assert np.isnan(coverage90([], "day", "validation"))


def test_months_of_a_site_that_was_not_calibrated() -> None:
    months = np.arange("2001-01", "2003-01", dtype="datetime64[M]")
    starts = months.astype("datetime64[D]")
    plain = np.array([TRUTH["nee"][DATES.astype("datetime64[M]") == month].mean()
                      for month in months])  # fmt: skip
    gpp = np.where(np.arange(24) == 3, np.nan, 4 - plain)
    table = xr.Dataset(
        {"nee": ("time", plain / 86400 / 1000), "gpp": ("time", gpp / 86400 / 1000)},
        coords={"time": starts.astype("datetime64[ns]")},
    )
    after = {"nee": TRUTH["nee"] / 86400, "gpp": (4 - TRUTH["nee"]) / 86400}
    before = {name: values + 1 / 86400 for name, values in after.items()}
    found = monthly_scores("US-Ha1", table, DATES, {"before": before, "after": after})
    assert [(each.flux, each.stage, each.months) for each in found] == [
        ("gpp", "before", 23), ("gpp", "after", 23), ("nee", "before", 24), ("nee", "after", 24),
    ]  # fmt: skip
    by = {(each.flux, each.stage): each for each in found}
    assert by["nee", "before"].bias == pytest.approx(1) == pytest.approx(by["gpp", "before"].rmse)
    assert by["nee", "after"].rmse == pytest.approx(0, abs=1e-9)
    assert by["gpp", "after"].correlation == pytest.approx(1)


def test_months_that_the_runs_have_in_part_are_left_out() -> None:
    months = np.arange("2001-01", "2001-07", dtype="datetime64[M]").astype("datetime64[ns]")
    table = xr.Dataset({"nee": ("time", np.ones(6))}, coords={"time": months})
    # From 4 January on: 28 days of it are no January.
    after = {"after": {"nee": np.ones(DAYS)[3:]}}
    (score,) = monthly_scores("US-Ha1", table, DATES[3:], after)
    assert score.months == 5


def test_evapotranspiration_is_that_of_the_towers() -> None:
    """Networks divide a tower's latent heat by 2.45 MJ kg-1: the same heat is the same ET."""
    heat = np.full(DAYS, 70.0)
    series = monthly_series({"GPP": heat, "NEE": heat, "EFLX_LH_TOT": heat})
    months = np.arange("2001-01", "2001-07", dtype="datetime64[M]").astype("datetime64[ns]")
    measured = np.full(6, 70.0 / 28.35 / 86400)  # 1 mm d-1 is 28.35 W m-2 there
    table = xr.Dataset({"evspsbl": ("time", measured)}, coords={"time": months})
    (score,) = monthly_scores("US-Ha1", table, DATES, {"after": series})
    assert abs(score.bias) < 1e-3
