"""CalLMIP's own files: the template against its protocol, the observations against FLUXNET2015."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.observations import find_observations, read_observations
from catena.coupler.callmip.protocol import CALIBRATION_SITES, VALIDATION_SITES
from catena.coupler.callmip.skill import scores, split_years
from catena.coupler.callmip.submission import read_submission, write_submission

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
CALLMIP = DATA / "callmip"
TEMPLATE = "CLASSIC.v2_Phase1b_Scen1_DK-Sor_Cal_Prior.nc"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CALLMIP.is_dir(), reason="needs CATENA_DATA with callmip"),
]


def observed(site: str, **options):
    path = find_observations(CALLMIP, site)
    assert path is not None
    return read_observations(path, **options)


def test_the_template_passes_but_for_what_is_wrong_in_it() -> None:
    report = check_submission(CALLMIP / TEMPLATE, observations=observed("DK-Sor"))
    assert {row.rule: row.found for row in report.failed} == {
        "time.units": "'days since 1996-12-31 00:00'",
        "time.start": "1996-12-31",
        "cSoil.units": r"'kg m-2\u200b'",
        # Its scalars have no attributes; section 6.2 names their units and long names.
        "lat.units": "none",
        "lat.long_name": "none",
        "lon.units": "none",
        "lon.long_name": "none",
    }
    assert {row.rule: row.found for row in report.of("advice")} == {
        "attribute.Conventions": "'COARDS'"
    }
    assert len(report.of("passed")) == 75


def test_the_template_mended_passes(tmp_path: Path) -> None:
    """Read, and written by us: then nothing is left to say."""
    observations = observed("DK-Sor")
    path = write_submission(
        tmp_path, read_submission(CALLMIP / TEMPLATE), observations=observations
    )
    report = check_submission(path, observations=observations)
    assert report.failed == report.of("advice") == ()


def test_every_file_of_observations_is_read() -> None:
    sites = {path.name[:6] for path in CALLMIP.glob("*_Flux.nc")}
    assert len(sites) == 16
    for site in sorted(sites):
        made = observed(site)
        first, last = made.dates()[[0, -1]]
        share = {name: np.isfinite(made.values[name]).mean() for name in made.values}
        print(f"{site}: {first} to {last}, days with NEE {share['nee']:.0%}, LE "
              f"{share['hfls']:.0%}, H {share['hfss']:.0%}, notes {len(made.notes)}")  # fmt: skip
        assert str(first).endswith("-01-01")
        assert str(last).endswith("-12-31")
        assert all(0.01 < each < 1 for each in share.values())
        assert site in CALIBRATION_SITES
        assert len(made.notes) == (site == "US-MMS")
    assert len(CALIBRATION_SITES) == 21
    assert len(VALIDATION_SITES) == 10


@pytest.mark.parametrize(("site", "published"), [("US-MMS", 0.5), ("US-NR1", 1.0)])
def test_nee_agrees_with_the_monthly_record_once_doubled(site: str, published: float) -> None:
    table = pd.read_csv(DATA / "flux_sites" / "monthly_fluxnet2015" / f"validation_{site}.csv")
    for factor, options in ((1.0, {}), (published, {"as_published": True})):
        made = observed(site, **options)
        daily = pd.Series(made.values["nee"], pd.DatetimeIndex(made.dates()))
        # Months of which a third is there.
        monthly = daily.resample("MS").mean()[daily.resample("MS").count() >= 10]
        truth = monthly_nee(table).reindex(monthly.index)
        both = truth.notna()
        slope = (monthly[both] @ truth[both]) / (truth[both] @ truth[both])
        print(f"{site} {options or 'mended'}: slope {slope:.2f} over {both.sum()} months")
        assert both.sum() >= 3
        assert slope == pytest.approx(factor, abs=0.12)


def monthly_nee(table: pd.DataFrame) -> pd.Series:
    stamps = pd.to_datetime(table["Date"].astype(str), format="%Y%m")
    series = pd.Series(table["NEE"].to_numpy(float), pd.DatetimeIndex(stamps))
    return series.where(series > -9000)


def test_the_summers_of_us_mms_are_hardly_seen() -> None:
    made = observed("US-MMS")
    coverage = made.coverage()["nee"]
    print(coverage)
    assert coverage["JJA"] == (61, 1472)
    weights = made.season_weights("nee")
    assert 4 < weights.max() < 4.5
    assert weights[weights > 0].mean() == pytest.approx(1)


def test_skill_of_the_template() -> None:
    observations = observed("DK-Sor")
    made = scores(
        read_submission(CALLMIP / TEMPLATE).fluxes(), observations,
        periods=split_years(observations, 3),
    )  # fmt: skip
    for score in made:
        print(score)
    assert all(0.5 < score.correlation < 1 for score in made if score.flux != "hfss")
