"""Daily fluxes to statistics: on the observed days, from the calibration years, with errors."""

from __future__ import annotations

import numpy as np
import pytest
from support.towers import DAYS, FIRST, members, observed, season

from catena.ensemble_runner.tower_statistics import (
    BEST_AT_LEAST,
    SCATTER_RESIDUALS,
    SiteFluxes,
    best_members,
    independent_days,
    summarise,
)
from catena.shared.errors import InvalidData, InvalidRequest

OFFSETS = np.linspace(-20, 20, 41)
HELD = 2


def month_of(days: np.ndarray) -> np.ndarray:
    dates = np.datetime64(FIRST) + days
    return dates.astype("datetime64[M]").astype(int) % 12 + 1


def test_means_and_scatters_of_every_flux() -> None:
    found = summarise([members(observed(), OFFSETS)], held_back=HELD)
    names = [label.name for label in found.labels]
    assert len(names) == len(set(names)) == 3 * (12 + 4)
    assert names[0] == "NEE_US-MMS_01" and "FSH_US-MMS_JJA" in names
    july = names.index("NEE_US-MMS_07")
    assert found.labels[july].days == 4 * 31
    np.testing.assert_allclose(found.simulated[:, july] - found.observed[july], OFFSETS, atol=1e-9)
    scatter = np.array([label.scatter for label in found.labels])
    assert (found.observed[scatter] == 0).all()
    # A constant offset is no scatter.
    np.testing.assert_allclose(found.simulated[:, scatter], 0, atol=1e-9)


def test_the_model_is_averaged_over_the_days_that_were_measured() -> None:
    """At a tower that measures only in the second half of May, so does the model."""
    days = np.arange(DAYS)
    late = (month_of(days) == 5) & (days % 2 == 0)
    gaps = np.where((month_of(days) == 5) & ~late, np.nan, 2 - 8 * season())
    found = summarise([members(observed({"nee": gaps}), [0.0] * 6)], held_back=HELD)
    may = [label.name for label in found.labels].index("NEE_US-MMS_05")
    assert found.labels[may].days < 4 * 31
    np.testing.assert_allclose(found.simulated[:, may], found.observed[may], rtol=1e-12)


def test_years_that_are_held_back_change_nothing() -> None:
    plain = summarise([members(observed(), OFFSETS, noise=1.0)], held_back=HELD)
    last = np.datetime64(FIRST) + np.arange(DAYS) >= np.datetime64("2005-01-01")
    other = {"nee": np.where(last, 50.0, 2 - 8 * season())}
    again = summarise([members(observed(other), OFFSETS, noise=1.0)], held_back=HELD)
    np.testing.assert_array_equal(plain.observed, again.observed)
    np.testing.assert_array_equal(plain.error_sd, again.error_sd)
    used = summarise([members(observed(other), OFFSETS, noise=1.0)], held_back=1)
    assert not np.array_equal(used.observed, again.observed)


def test_the_parts_of_the_error() -> None:
    found = summarise([members(observed(sd=2.0), OFFSETS, noise=3.0)], held_back=HELD)
    names = [label.name for label in found.labels]
    july, summer = names.index("FSH_US-MMS_07"), names.index("FSH_US-MMS_JJA")
    assert found.measurement_sd[july] == pytest.approx(2.0 / np.sqrt(124))
    assert found.sampling_sd[july] == pytest.approx(3.0 / np.sqrt(124 / 5), rel=0.15)
    summers = [names.index(f"FSH_US-MMS_0{month}") for month in (6, 7, 8)]
    own = [i for i, label in enumerate(found.labels) if label.flux == "hfss"]
    best = best_members(
        found.simulated[:, own], found.observed[own], [found.labels[i] for i in own]
    )
    residual = found.simulated[best][:, summers] - found.observed[summers]
    assert found.model_sd[july] == pytest.approx(np.sqrt(np.square(residual).mean()))
    assert found.model_sd[summer] == pytest.approx(3.0 / np.sqrt(SCATTER_RESIDUALS), rel=0.05)
    total = found.measurement_sd**2 + found.sampling_sd**2 + found.model_sd**2
    np.testing.assert_allclose(found.error_sd, np.sqrt(total))
    assert found.measurement_sd[summer] == found.sampling_sd[summer] == 0


def test_the_best_members_are_those_nearest() -> None:
    found = summarise([members(observed(), OFFSETS)], held_back=HELD)
    assert len(found.best) == BEST_AT_LEAST
    assert found.best.tolist() == [18, 19, 20, 21, 22]


def test_the_error_of_a_flux_is_that_of_its_own_best_members() -> None:
    """Members that trade one flux for another do not make both look impossible."""
    plain = members(observed(), OFFSETS)
    traded = {"nee": plain.simulated["nee"][::-1], "hfls": plain.simulated["hfls"] + 10.0}
    found = summarise([SiteFluxes(plain.observed, {**plain.simulated, **traded})], held_back=HELD)
    together = np.abs(found.simulated[found.best] - found.observed).mean(axis=0)
    for name in ("EFLX_LH_TOT_US-MMS_07", "NEE_US-MMS_07"):
        place = [label.name for label in found.labels].index(name)
        assert found.model_sd[place] < 1.5 < 2 < together[place]


def test_members_that_failed_are_never_the_best() -> None:
    made = members(observed(), OFFSETS)
    simulated = {flux: values.copy() for flux, values in made.simulated.items()}
    for values in simulated.values():
        values[20] = np.nan
    found = summarise([SiteFluxes(made.observed, simulated)], held_back=HELD)
    assert 20 not in found.best and np.isnan(found.simulated[20]).all()
    assert np.isfinite(found.error_sd).all()
    for values in simulated.values():
        values[:] = np.nan
    with pytest.raises(InvalidData, match="all 41 members failed"):
        summarise([SiteFluxes(made.observed, simulated)], held_back=HELD)


def test_each_flux_and_site_counts_alike() -> None:
    """A flux in larger numbers does not decide who is best."""
    found = summarise([members(observed(), OFFSETS, noise=1.0)], held_back=HELD)
    large = found.simulated.copy()
    columns = [i for i, label in enumerate(found.labels) if label.flux == "hfss"]
    shift = found.observed[columns]
    large[:, columns] = shift + 1000 * (large[:, columns] - shift)
    again = best_members(large, found.observed, found.labels)
    np.testing.assert_array_equal(again, found.best)


def test_few_days_are_no_statistic() -> None:
    days = np.arange(DAYS)
    sparse = np.where((month_of(days) != 7) | (days % 62 == 0), 2 - 8 * season(), np.nan)
    made = members(observed({"nee": sparse}), OFFSETS)
    names = [label.name for label in summarise([made], held_back=HELD).labels]
    assert "NEE_US-MMS_07" not in names and "FSH_US-MMS_07" in names
    assert "NEE_US-MMS_07" in [
        label.name for label in summarise([made], held_back=HELD, least_days=1).labels
    ]


def test_days_in_a_row_are_not_independent() -> None:
    assert independent_days(100) == 20
    assert independent_days(3) == 1


def test_sites_must_fit_together() -> None:
    one, other = members(observed(), OFFSETS), members(observed(site="US-NR1"), OFFSETS[:7])
    with pytest.raises(InvalidData, match="the site US-MMS twice"):
        summarise([one, one], held_back=HELD)
    with pytest.raises(InvalidData, match="7 and 41 members"):
        summarise([one, other], held_back=HELD)
    none = members(observed({flux: np.full(DAYS, np.nan) for flux in ("nee", "hfls", "hfss")}),
                   OFFSETS)  # fmt: skip
    with pytest.raises(InvalidData, match="no month with 5 observed days"):
        summarise([none], held_back=HELD)
    with pytest.raises(InvalidRequest, match="held_back"):
        summarise([one], held_back=6)
