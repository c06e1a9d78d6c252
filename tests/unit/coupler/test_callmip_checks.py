"""Each rule of the protocol: a file that breaks it, and only it, fails it, and only it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.callmip_files import DAYS, NAME, PRIOR, Draft, broken, observations_file, posterior

from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.observations import read_observations
from catena.coupler.callmip.protocol import OPTIMISED, OUTPUTS
from catena.coupler.callmip.report import Report

Change = Callable[[Draft], None]


def checked(draft: Draft, folder: Path, *, observed: bool = True) -> Report:
    observations = read_observations(observations_file(folder)) if observed else None
    return check_submission(draft.write(folder), observations=observations)


def failed(report: Report) -> list[str]:
    return [row.rule for row in report.failed]


def scaled(name: str, factor: float) -> Change:
    return lambda draft: draft.values.update({name: draft.values[name] * factor})


def shifted(name: str, offset: float) -> Change:
    return lambda draft: draft.values.update({name: draft.values[name] + offset})


def with_hole(name: str, value: float = np.nan) -> Change:
    def change(draft: Draft) -> None:
        draft.values[name] = draft.values[name].copy()
        draft.values[name][40] = value

    return change


@pytest.mark.parametrize("name", [NAME, PRIOR])
@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4"])
def test_a_good_file_breaks_no_rule(tmp_path: Path, name: str, observed: bool, kind: str) -> None:
    draft = broken(lambda draft: setattr(draft, "format", kind), name)
    report = checked(draft, tmp_path, observed=observed)
    assert failed(report) == []
    assert report.of("advice") == ()
    assert len(report.of("passed")) > 70


@pytest.mark.parametrize(
    ("stamps", "advice"),
    [(np.arange(DAYS) + 0.5, False), (np.arange(DAYS) + 1.0, True), (np.arange(DAYS) + 0.0, False)],
)
def test_every_accepted_count_of_days(tmp_path: Path, stamps: np.ndarray, advice: bool) -> None:
    report = checked(broken(lambda draft: setattr(draft, "time", stamps)), tmp_path)
    assert failed(report) == []
    assert ("time.reading" in [row.rule for row in report.of("advice")]) == advice


RULES: list[tuple[str, Change]] = [
    ("attribute.Model", lambda draft: draft.without.add("Model")),
    ("attribute.Model", lambda draft: draft.attributes.update(Model="CATENA")),
    ("attribute.Model", lambda draft: draft.attributes.update(Model="CATENA.v2")),
    ("attribute.CalLMIP_Phase", lambda draft: draft.without.add("CalLMIP_Phase")),
    ("attribute.CalLMIP_Phase", lambda draft: draft.attributes.update(CalLMIP_Phase="1b")),
    ("attribute.Calibration_Scenario", lambda draft: draft.attributes.update(
        Calibration_Scenario="1")),
    ("attribute.Calibration_Scenario", lambda draft: draft.attributes.update(
        Calibration_Scenario="Scen2")),
    ("attribute.Calibration_stage", lambda draft: draft.attributes.update(
        Calibration_stage="Prior")),
    ("attribute.Calibration_stage", lambda draft: draft.without.add("Calibration_stage")),
    ("attribute.Cal_Val", lambda draft: draft.attributes.update(Cal_Val="Cal")),
    ("attribute.Cal_Val", lambda draft: draft.attributes.update(Cal_Val=3)),
    ("dimensions", lambda draft: draft.sizes.update(lat=2)),
    ("lat.variable", lambda draft: draft.without.add("lat")),
    ("lon.variable", lambda draft: draft.without.add("lon")),
    ("lat.scalar", lambda draft: draft.arrays.add("lat")),
    ("lon.scalar", lambda draft: draft.arrays.add("lon")),
    ("lat.units", lambda draft: draft.place_attributes.update(lat={"units": "degrees"})),
    ("lon.units", lambda draft: draft.place_attributes.update(lon={"units": ""})),
    ("lat.long_name", lambda draft: draft.place_attributes.update(lat={"long_name": "Lat"})),
    ("lon.long_name", lambda draft: draft.place_attributes.update(lon={"long_name": ""})),
    ("lat.value", lambda draft: draft.place.update(lat=39.5)),
    ("lon.value", lambda draft: draft.place.update(lon=86.4131)),
    ("time.variable", lambda draft: draft.without.add("time")),
    ("time.units", lambda draft: draft.time_attributes.update(units="days since 1999-01-01 00:00")),
    ("time.units", lambda draft: draft.time_attributes.update(
        units="days since 1999-1-1 00:00:00")),
    ("time.start", lambda draft: draft.time_attributes.update(
        units="days since 1998-01-01 00:00:00")),
    ("time.calendar", lambda draft: draft.time_attributes.update(calendar="noleap")),
    ("time.steps", lambda draft: setattr(draft, "time", np.arange(DAYS) + 1.45833333)),
    ("time.steps", lambda draft: setattr(draft, "time", np.arange(DAYS) + 2.0)),
    ("time.steps", lambda draft: draft.time.__setitem__(5, 5.6)),
    ("nep.sign", scaled("nep", -1)),
    ("uncertainties", lambda draft: draft.without.add("hfss_post_unc")),
    ("hfls_post_unc.units", lambda draft: draft.units.update(hfls_post_unc="W/m2")),
    ("hfls_post_unc.values", scaled("hfls_post_unc", -1)),
    ("nep_post_unc.values", with_hole("nep_post_unc")),
    ("hfss_post_unc.dimensions", lambda draft: draft.dims.update(hfss_post_unc=("time",))),
    ("cSoil.units", lambda draft: draft.units.update(cSoil="kg m-2\u200b")),
    ("nep.units", lambda draft: draft.units.update(nep="kg m-2 s-1")),
    ("gpp.units", lambda draft: draft.units.update(gpp="kgC/m2/s")),
    ("lai.units", lambda draft: draft.units.update(lai="m2/m2")),
    ("hfg.units", lambda draft: draft.units.update(hfg="")),
    ("ts.values", shifted("ts", -273.15)),
    ("gpp.values", scaled("gpp", 86_400_000)),
    ("tran.values", scaled("tran", 86_400)),
    ("cLiveBioAbove.values", scaled("cLiveBioAbove", 1000)),
    ("mrsos.values", with_hole("mrsos")),
    ("hfls.values", with_hole("hfls", np.inf)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "change"), RULES, ids=[f"{k}-{r}" for k, (r, _) in enumerate(RULES)]
)
def test_each_rule_is_broken_alone(tmp_path: Path, rule: str, change: Change) -> None:
    draft = broken(change)
    report = checked(draft, tmp_path)
    assert failed(report) == [rule]
    (row,) = report.failed
    assert row.found != row.wanted
    assert row.section in ("6.2", "6.3", "7", "2.3", "checklist")


@pytest.mark.parametrize("name", [each for each in OUTPUTS if not OUTPUTS[each].optional])
def test_every_variable_is_wanted(tmp_path: Path, name: str) -> None:
    draft = broken(lambda draft: draft.without.add(name))
    assert failed(checked(draft, tmp_path)) == [f"{name}.present"]


@pytest.mark.parametrize("name", list(OUTPUTS))
def test_every_variable_is_on_time_lat_lon(tmp_path: Path, name: str) -> None:
    for dims in (("time",), ("time", "lon", "lat")):
        draft = broken(lambda draft, dims=dims: draft.dims.update({name: dims}))
        assert failed(checked(draft, tmp_path)) == [f"{name}.dimensions"]


def test_a_model_without_ground_heat_leaves_it_out(tmp_path: Path) -> None:
    report = checked(broken(lambda draft: draft.without.add("hfg")), tmp_path)
    assert failed(report) == []
    assert "hfg.present" in [row.rule for row in report.of("skipped")]


def test_another_spelling_of_a_name_is_shown(tmp_path: Path) -> None:
    draft = broken(lambda draft: draft.values.update(csoil=draft.values.pop("cSoil")))
    (row,) = checked(draft, tmp_path).failed
    assert (row.rule, row.found) == ("cSoil.present", "'csoil'")


def test_what_cannot_be_seen_is_shown(tmp_path: Path) -> None:
    draft = broken(lambda draft: draft.units.update(cSoil="kg m-2\u200b"))
    (row,) = checked(draft, tmp_path).failed
    assert row.found == r"'kg m-2\u200b'"


@pytest.mark.parametrize(
    "name",
    [
        "CATENA_Phase1b_Scen1_US-MMS_Cal_Posterior.nc",
        "CATENA.v1_Scen1_US-MMS_Cal_Posterior.nc",
        "CATENA.v1_Phase1b_Scen7_US-MMS_Cal_Posterior.nc",
        "CATENA.v1_Phase1b_Scen1_USMMS_Cal_Posterior.nc",
        "CATENA.v1_Phase1b_Scen1_US-MMS_Calibration_Posterior.nc",
        "CATENA.v1_Phase1b_Scen1_US-MMS_Posterior_Cal.nc",
        "CATENA.v1_Phase1b_Scen1_US-MMS_Cal_posterior.nc",
        "CATENA.v1_Phase1b_Scen1_US-MMS_Cal_Posterior.nc4",
    ],
)
def test_names_of_files(tmp_path: Path, name: str) -> None:
    report = checked(Draft(name=name), tmp_path)
    assert failed(report) == ["file.name"]


def test_sites_of_each_purpose(tmp_path: Path) -> None:
    draft = Draft(name=NAME.replace("US-MMS", "US-Ha1"))
    assert failed(checked(draft, tmp_path)) == ["file.site"]
    draft = Draft(name=NAME.replace("_Cal_", "_Val_"), attributes={"Cal_Val": "Validation"})
    assert failed(checked(draft, tmp_path)) == ["file.site"]
    draft.name = draft.name.replace("US-MMS", "US-Ha1")
    assert failed(checked(draft, tmp_path)) == []


def test_days_without_leap_days(tmp_path: Path) -> None:
    days = 4 * 365
    draft = Draft(values=posterior(days), time=np.arange(days) + 0.5)
    for observed in (True, False):
        report = checked(draft, tmp_path, observed=observed)
        assert failed(report) == ["time.days"]
        assert "1461" in report.failed[0].wanted


def test_a_year_too_few(tmp_path: Path) -> None:
    days = DAYS - 365
    draft = Draft(values=posterior(days), time=np.arange(days) + 0.5)
    assert failed(checked(draft, tmp_path)) == ["time.days"]
    # Without observations three whole years are as good as four.
    assert failed(checked(draft, tmp_path, observed=False)) == []


def test_uncertainties_of_what_each_scenario_optimises(tmp_path: Path) -> None:
    for scenario, names in OPTIMISED.items():
        draft = Draft(
            name=NAME.replace("Scen1", f"Scen{scenario}"),
            attributes={"Calibration_Scenario": f"Scen{scenario}"},
        )
        for each in ("nep", "hfls", "hfss"):
            if each not in names:
                draft.without.add(f"{each}_post_unc")
        assert failed(checked(draft, tmp_path)) == [], scenario
        draft.without.add(f"{names[-1]}_post_unc")
        assert failed(checked(draft, tmp_path)) == ["uncertainties"], scenario


def test_a_prior_file_needs_no_uncertainties(tmp_path: Path) -> None:
    draft = broken(lambda draft: None, PRIOR)
    assert not [name for name in draft.values if name.endswith("_post_unc")]
    assert failed(checked(draft, tmp_path)) == []


def test_conventions_are_advice(tmp_path: Path) -> None:
    for change in ({"Conventions": "COARDS"}, {}):
        draft = Draft(attributes=dict(change))
        if not change:
            draft.without.add("Conventions")
        report = checked(draft, tmp_path)
        assert failed(report) == []
        assert [row.rule for row in report.of("advice")] == ["attribute.Conventions"]


def test_text_where_numbers_are_wanted(tmp_path: Path) -> None:
    path = Draft(name=NAME).write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("mrso", "number")
        file.createVariable("mrso", "S1", ("time", "lat", "lon")).units = "kg m-2"
    report = check_submission(path)
    assert failed(report) == ["mrso.values"]
    draft = broken(lambda draft: draft.place.update(lat="3"))
    assert failed(checked(draft, tmp_path)) == ["lat.variable"]


@pytest.mark.parametrize(
    ("rules", "change"),
    [
        (["hfls.units"], lambda file: file["hfls"].setncattr("units", np.array([1.0, 2.0]))),
        (["lat.units"], lambda file: file["lat"].setncattr("units", np.array([1.0, 2.0]))),
        (["hfls.values"], lambda file: file["hfls"].setncattr("valid_min", np.array([1.0, 2.0]))),
        (["nep.values"], lambda file: file["nep"].__setitem__(slice(None), np.nan)),
        (["time.units"], lambda file: file["time"].setncattr(
            "units", "days since 1999-01-01 00:00:00\n")),
        (["attribute.Calibration_Scenario"], lambda file: file.setncattr(
            "Calibration_Scenario", "Scen\N{SUPERSCRIPT TWO}")),
        (["time.units"], lambda file: file["time"].setncattr("units", "days since 9999-12-31")),
        (["time.steps"], lambda file: file["time"].__setitem__(0, 1e300)),
    ],
)  # fmt: skip
def test_nothing_in_a_file_stops_the_check(
    tmp_path: Path, rules: list[str], change: Callable[[netCDF4.Dataset], None]
) -> None:
    path = Draft().write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        change(file)
    assert failed(check_submission(path)) == rules


def test_days_from_31_december_on_that_never_come(tmp_path: Path) -> None:
    """A date that no calendar has is no start; it once ended the check."""
    draft = Draft(time=np.arange(DAYS) + 1e9, time_attributes={"units": "days since 1998-12-31"})
    report = check_submission(draft.write(tmp_path))
    assert failed(report) == ["time.units", "time.steps"]
    assert "time.days" in [row.rule for row in report.of("skipped")]


def test_files_that_are_none(tmp_path: Path) -> None:
    whole = Draft().write(tmp_path)
    data = whole.read_bytes()
    for size in (0, 100, len(data) - 50):
        whole.write_bytes(data[:size])
        report = check_submission(whole)
        assert failed(report) == ["file.netcdf"], size
        assert str(tmp_path) not in str(report.failed[0])
    assert "50 bytes shorter" in str(report.failed[0])
    whole.write_text("no netCDF at all")
    assert failed(check_submission(whole)) == ["file.netcdf"]


def test_an_empty_netcdf_fails_rule_by_rule(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / NAME, "w"):
        pass
    report = check_submission(tmp_path / NAME)
    wanted = {f"{name}.present" for name, output in OUTPUTS.items() if not output.optional}
    wanted |= {"dimensions", "lat.variable", "lon.variable", "time.variable", "uncertainties"}
    assert wanted <= set(failed(report))


def test_the_report_as_json(tmp_path: Path) -> None:
    plain = checked(broken(lambda draft: draft.without.add("lai")), tmp_path).to_dict()
    assert (plain["file"], plain["failed"]) == (NAME, 1)
    (row,) = [row for row in plain["rows"] if row["status"] == "failed"]
    assert row == {"rule": "lai.present", "section": "6.2", "status": "failed", "found": "none",
                   "wanted": "lai"}  # fmt: skip
