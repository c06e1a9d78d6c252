"""From files and canonical datasets to days: clocks, units, humidity, gaps, months, grids."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.site_weather import canonical, elm_file, plumber_file, weather

from catena.coupler.forcing import CO2Record, daily_forcing, site_forcing
from catena.coupler.forcing.air import saturation_vapour_pressure
from catena.coupler.forcing.gaps import Gaps
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData, InvalidRequest


def daily(days: int = 60) -> dict:
    """Daily values with extremes, from hours."""
    hours = {name: series.reshape(days, 24) for name, series in weather(days, 24, 12.0).items()}
    made = {name: series.mean(axis=1) for name, series in hours.items()}
    made["tasmin"], made["tasmax"] = hours["tas"].min(axis=1), hours["tas"].max(axis=1)
    return made


def test_days_are_local_days(tmp_path: Path) -> None:
    values = weather(40, 24)
    path = elm_file(tmp_path / "US-XXX_forcing.nc4", values, 24)
    made = site_forcing(path, utc_offset_h=-6)
    # Local midnight is 6 h UTC: the first whole day begins there, the last ends 6 h into a day.
    assert (made.start, made.days, made.calendar) == (dt.date(2003, 1, 1), 39, "noleap")
    local = values["tas"][6 : 6 + 39 * 24].reshape(39, 24)
    assert made.variables["tas"][0] == pytest.approx(local.mean(axis=1), abs=1e-3)
    assert made.variables["tasmin"][0] == pytest.approx(local.min(axis=1), abs=1e-3)
    assert made.variables["tasmax"][0] == pytest.approx(local.max(axis=1), abs=1e-3)
    assert (made.lat[0], made.lon[0]) == (40.0, -90.0)
    assert any("local standard time (-6 h)" in str(note) for note in made.notes)


def test_east_of_greenwich_the_first_day_is_the_next_one(tmp_path: Path) -> None:
    values = weather(10, 48)
    path = elm_file(tmp_path / "XX-Yyy_forcing.nc4", values, 48)
    made = site_forcing(path, utc_offset_h=9)
    assert made.start == dt.date(2003, 1, 2)
    assert made.variables["tas"][0, 0] == pytest.approx(values["tas"][30:78].mean(), abs=1e-3)


def test_vapour_pressure_is_that_of_each_step(tmp_path: Path) -> None:
    values = weather(5, 24)
    path = elm_file(tmp_path / "US-XXX_forcing.nc4", values, 24)
    made = site_forcing(path, utc_offset_h=0)
    steps = values["hurs"] / 100 * saturation_vapour_pressure(values["tas"])
    expected = steps.reshape(5, 24).mean(axis=1)
    assert made.variables["vp"][0] == pytest.approx(expected, rel=1e-4)
    # From means it would be another number: the day's warm hours are its dry ones.
    of_means = (
        values["hurs"].reshape(5, 24).mean(axis=1) / 100
        * saturation_vapour_pressure(values["tas"].reshape(5, 24).mean(axis=1))
    )  # fmt: skip
    assert np.abs(of_means / expected - 1).min() > 0.01


def test_real_days_labelled_noleap_are_put_right(tmp_path: Path) -> None:
    values = weather(2 * 365, 24)
    made = site_forcing(elm_file(tmp_path / "US-Ha1_forcing.nc4", values, 24), site="US-Ha1")
    assert made.calendar == "standard"
    assert made.end == dt.date(2004, 12, 29)  # two short: the leap day, and the shift by 5 h
    other = site_forcing(elm_file(tmp_path / "US-MOz_forcing.nc4", values, 24))
    assert (other.calendar, other.end) == ("noleap", dt.date(2004, 12, 30))


def test_a_file_in_utc_needs_a_clock(tmp_path: Path) -> None:
    path = elm_file(tmp_path / "US-XXX_forcing.nc4", weather(5, 24), 24)
    with pytest.raises(InvalidRequest, match=r"no site 'US-XXX'.*the file is in UTC"):
        site_forcing(path)
    with pytest.raises(InvalidRequest, match="-14 to 14"):
        site_forcing(path, utc_offset_h=-360)


def test_plumber2_files_are_local_already(tmp_path: Path) -> None:
    values = weather(30, 48, noon=12.0)
    path = plumber_file(tmp_path / "US-MMS_2003-2003_FLUXNET2015_Met.nc", values, 48)
    made = site_forcing(path)
    assert (made.start, made.days, made.calendar) == (dt.date(2003, 1, 1), 30, "standard")
    sun = values["rsds"].reshape(30, 48).mean(axis=1)
    assert made.variables["rsds"][0] == pytest.approx(sun, rel=1e-4)
    elm = site_forcing(elm_file(tmp_path / "US-XXX.nc", values, 48), utc_offset_h=0)
    for name, tolerance in (("vp", 0.05), ("pr", 1e-9), ("ps", 0.1)):
        assert made.variables[name][0] == pytest.approx(elm.variables[name][0], abs=tolerance)


def test_rain_and_snow_apart_are_precipitation(tmp_path: Path) -> None:
    values = weather(60, 48, noon=12.0)
    assert ((values["tas"] < 273.15) & (values["pr"] > 0)).any()
    made = [
        site_forcing(plumber_file(tmp_path / f"US-MMS_{k}.nc", values, 48, split_rain=k))
        for k in (False, True)
    ]
    assert made[0].variables["pr"] == pytest.approx(made[1].variables["pr"], rel=1e-5)


def test_where_the_whole_stands_beside_its_parts_it_is_taken(tmp_path: Path) -> None:
    values = weather(60, 48, noon=12.0)
    path = plumber_file(tmp_path / "US-MMS_x.nc", values, 48, split_rain=True)
    parts = site_forcing(path)
    with netCDF4.Dataset(path, "r+") as file:
        whole = file.createVariable("Precip", "f4", ("time", "y", "x"))
        whole.units = "kg/m2/s"
        whole[:] = values["pr"][:, None, None]
    assert site_forcing(path).variables["pr"] == pytest.approx(parts.variables["pr"], rel=1e-5)


def test_the_whole_is_taken_in_whatever_order_a_file_has_it() -> None:
    """By everybody who reads such data: the checks decide it, and say what was left out."""
    time = np.datetime64("2003-01-01T00:00:00", "ns") + np.arange(48) * np.timedelta64(30, "m")
    rain = xr.DataArray(np.full(48, 1e-4), dims="time", attrs={"units": "kg m-2 s-1"})
    series = {"Rainf": rain, "Precip": 2 * rain.assign_attrs(rain.attrs)}
    series["Precip"].attrs["units"] = "kg m-2 s-1"
    for order in (("Rainf", "Precip"), ("Precip", "Rainf")):
        raw = xr.Dataset({name: series[name] for name in order}, coords={"time": time})
        dataset, inspection = normalise(raw, vocabulary="plumber2", key="plumber2_US-XXX")
        assert dataset is not None and list(dataset.data_vars) == ["pr"]
        assert float(dataset["pr"].mean()) == pytest.approx(2e-4)
        (left,) = inspection.of("refused")
        assert left.variable == "Rainf" and "'Precip' is pr already" in left.why


def test_missing_variables_are_named_at_once(tmp_path: Path) -> None:
    values = weather(5, 24)
    path = elm_file(tmp_path / "US-XXX.nc", values, 24, without="WIND")
    with pytest.raises(InvalidData, match=r"US-XXX.nc: forcing: .*missing are sfcWind"):
        site_forcing(path, utc_offset_h=-6)
    path = elm_file(tmp_path / "US-XXY.nc", values, 24, without="RH")
    with pytest.raises(InvalidData, match="missing are one of vp, huss, hurs, vpd, tdps"):
        site_forcing(path, utc_offset_h=-6)


def test_relative_humidity_as_a_fraction_is_refused(tmp_path: Path) -> None:
    values = weather(40, 24)
    values["hurs"] = values["hurs"] / 100
    path = elm_file(tmp_path / "US-XXX.nc", values, 24)
    with pytest.raises(InvalidData) as error:
        site_forcing(path, utc_offset_h=-6)
    assert "US-XXX.nc" in str(error.value)
    assert "%" in str(error.value)


def test_temperature_in_celsius_is_refused(tmp_path: Path) -> None:
    values = weather(40, 24)
    values["tas"] = values["tas"] - 273.15
    path = elm_file(tmp_path / "US-XXX.nc", values, 24)
    with pytest.raises(InvalidData, match="TBOT"):
        site_forcing(path, utc_offset_h=-6)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = elm_file(tmp_path / "US-XXX.nc", weather(40, 24), 24)
    cut = tmp_path / "cut.nc"
    cut.write_bytes(whole.read_bytes()[:-4000])
    with pytest.raises(InvalidData, match=r"file cut.nc: .*wanted a whole one"):
        site_forcing(cut, utc_offset_h=-6)
    with pytest.raises(InvalidData, match=r"file none.nc: found none"):
        site_forcing(tmp_path / "none.nc", utc_offset_h=-6)
    with netCDF4.Dataset(tmp_path / "other.nc", "w") as file:
        file.createDimension("time", 3)
        file.createVariable("SST", "f4", ("time",))[:] = 1
    with pytest.raises(InvalidData, match=r"found the variables SST, wanted those of"):
        site_forcing(tmp_path / "other.nc", utc_offset_h=-6)


def test_a_cut_off_classic_file_is_refused(tmp_path: Path) -> None:
    values = weather(40, 24)
    elm_file(tmp_path / "US-XXX.nc", values, 24)
    classic = tmp_path / "US-XXZ.nc"
    xr.open_dataset(tmp_path / "US-XXX.nc", decode_times=False).to_netcdf(
        classic, format="NETCDF3_64BIT"
    )
    assert site_forcing(classic, utc_offset_h=-6).days == 39
    classic.write_bytes(classic.read_bytes()[: classic.stat().st_size // 2])
    with pytest.raises(InvalidData, match=r"US-XXZ.nc"):
        site_forcing(classic, utc_offset_h=-6)


def test_a_gap_is_an_error_unless_it_is_to_be_filled(tmp_path: Path) -> None:
    values = weather(60, 24)
    hole = {name: series.copy() for name, series in values.items()}
    hole["tas"][700:771] = np.nan
    path = elm_file(tmp_path / "US-XXX.nc", hole, 24)
    with pytest.raises(InvalidData) as error:
        site_forcing(path, utc_offset_h=-6)
    for word in ("tas", "71 missing values", "71 h in a row", "gaps='fill'"):
        assert word in str(error.value)
    made = site_forcing(path, utc_offset_h=-6, gaps="fill")
    assert any("71 missing values" in str(note) and "mean diurnal" in str(note)
               for note in made.notes)  # fmt: skip
    truth = site_forcing(elm_file(tmp_path / "US-XXY.nc", values, 24), utc_offset_h=-6)
    off = made.variables["tas"] - truth.variables["tas"]
    assert 0 < np.abs(off).max() < 8
    assert np.count_nonzero(np.abs(off) > 1e-9) == 4  # the days that the gap touches, no others
    # The filled hours have a course of the day, not one value.
    filled = made.variables["tasmax"] - made.variables["tasmin"]
    assert filled[0, 29:32].min() > 6


def test_a_long_gap_is_never_filled() -> None:
    values = weather(60, 24, noon=12.0)
    values["rlds"][200 : 200 + 24 * 12] = np.nan
    with pytest.raises(InvalidData, match=r"variable rlds: .*288 h in a row.*at most 10 days"):
        daily_forcing(canonical(values, 24), gaps="fill")


def test_humidity_in_any_measure_gives_one_vapour_pressure() -> None:
    values = daily()
    vapour = values.pop("hurs") / 100 * saturation_vapour_pressure(values["tas"])
    measures = {
        "vp": vapour,
        "huss": 0.622 * vapour / (values["ps"] - 0.378 * vapour),
        "hurs": 100 * vapour / saturation_vapour_pressure(values["tas"]),
        "vpd": saturation_vapour_pressure(values["tas"]) - vapour,
        "tdps": 243.5 / (17.67 / np.log(vapour / 611.2) - 1) + 273.15,
    }
    for name, series in measures.items():
        made = daily_forcing(canonical({**values, name: series}, 1))
        assert made.variables["vp"][0] == pytest.approx(vapour, rel=1e-6), name


def test_units_are_converted_by_their_attribute() -> None:
    plain = canonical(daily(), 1)
    other = plain.copy(deep=True)
    for name in ("tas", "tasmin", "tasmax"):
        other[name] = (other[name] - 273.15).assign_attrs(units="degC")
    other["pr"] = (other["pr"] * 86400).assign_attrs(units="mm d-1")
    other["ps"] = (other["ps"] / 100).assign_attrs(units="hPa")
    first, second = daily_forcing(plain), daily_forcing(other)
    for name, array in first.variables.items():
        assert second.variables[name] == pytest.approx(array, rel=1e-9), name
    other["pr"].attrs["units"] = "furlong"
    with pytest.raises(InvalidData, match="variable pr"):
        daily_forcing(other)


def test_a_grid_becomes_cells_and_the_sea_is_left_out() -> None:
    one = canonical(daily(), 1)
    grid = one.isel(site=0, drop=True).expand_dims(
        {"lat": [10.0, 20.0], "lon": [-30.0, 0.0, 200.0]}
    )  # fmt: skip
    grid = grid + xr.DataArray([0.0, 1.0], dims="lat") * 0  # materialise
    for name in grid.data_vars:
        grid[name].attrs = one[name].attrs
        grid[name][{"lat": 1, "lon": 0}] = np.nan
    made = daily_forcing(grid)
    assert list(made.lat) == [10, 10, 10, 20, 20]
    assert list(made.lon) == [-30, 0, -160, 0, -160]
    assert any("1 of 6 cells" in str(note) for note in made.notes)


def test_steps_shorter_than_a_day_need_a_clock() -> None:
    hours = canonical(weather(5, 24), 24)
    hours.attrs["time_zone"] = "UTC"
    with pytest.raises(InvalidRequest, match=r"utc_offset_h.*UTC"):
        daily_forcing(hours)
    assert daily_forcing(hours, utc_offset_h=-6).days == 4
    six = canonical({name: series[::6] for name, series in weather(5, 24).items()}, 4)
    assert any("1 h off" in str(note) for note in daily_forcing(six, utc_offset_h=-5).notes)


def test_other_calendars_and_uneven_steps_are_refused() -> None:
    days = canonical(daily(), 1)
    with pytest.raises(InvalidData, match="360_day"):
        daily_forcing(days.convert_calendar("360_day", align_on="year"))
    with pytest.raises(InvalidData, match=r"dimension time: found steps from 86400 to 172800"):
        daily_forcing(days.isel(time=[*range(10), *range(11, 60)]))
    with pytest.raises(InvalidData, match="wanted time among them"):
        daily_forcing(days.isel(time=0, drop=True))


def test_a_mean_just_beyond_an_extreme_widens_it() -> None:
    values = daily()
    values["tasmax"][3] = values["tas"][3] - 0.5
    made = daily_forcing(canonical(values, 1))
    assert made.variables["tasmax"][0, 3] == values["tas"][3]
    assert any("tas beyond tasmax on 1 days" in str(note) for note in made.notes)
    values["tasmax"][3] = values["tas"][3] - 5
    with pytest.raises(InvalidData, match="names exchanged"):
        daily_forcing(canonical(values, 1))


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_months_keep_their_means(calendar: str) -> None:
    days = canonical(daily(730), 1, start="2003-01-01", cells=2)
    if calendar == "noleap":
        days = days.convert_calendar("noleap")
    months = days.resample(time="MS").mean()
    for name in months.data_vars:
        months[name].attrs = days[name].attrs
    whole = months.isel(time=slice(0, 24))
    made = daily_forcing(whole)
    assert made.days == (731 if calendar == "standard" else 730)
    dates = made.dates().astype("datetime64[M]")
    for name, tolerance in (("tas", 1e-9), ("rsds", 1e-9), ("pr", 1e-15), ("vp", 1e-6)):
        for number, month in enumerate(np.unique(dates)):
            mean = made.variables[name][1, dates == month].mean()
            if name == "vp":  # from the month's humidity and temperature
                continue
            wanted = float(whole[name][number, 1])
            assert mean == pytest.approx(wanted, abs=tolerance), (name, month)
    assert made.variables["rsds"].min() >= 0
    wet = (made.variables["pr"] > 0).mean()
    assert 0.05 < wet < 0.7
    steps = np.abs(np.diff(made.variables["tas"][0]))
    assert steps.max() < 1.5  # smooth over the ends of months


@pytest.mark.parametrize("gaps", ["error", "fill"])
def test_a_month_that_is_missing_is_not_made_of_other_seasons(gaps: Gaps) -> None:
    days = canonical(daily(730), 1, start="2003-01-01")
    months = days.resample(time="MS").mean().isel(time=slice(0, 24))
    for name in months.data_vars:
        months[name].attrs = days[name].attrs
    months["tas"][{"time": 6}] = np.nan
    with pytest.raises(InvalidData, match="variable tas: found 1 missing values, at most 720 h"):
        daily_forcing(months, gaps=gaps)


def test_co2_of_each_year(tmp_path: Path) -> None:
    record = CO2Record({2003: 375.0, 2004: 377.0})
    path = elm_file(tmp_path / "US-Ha1_forcing.nc4", weather(730, 24), 24)
    made = site_forcing(path, co2=record, ndep=0.8)
    assert made.co2[364] == 375.0
    assert made.co2[365] == 377.0
    assert set(made.ndep) == {0.8}
    with pytest.raises(InvalidData, match=r"CO2: found 2003 to 2003, wanted 2003 to 2004"):
        site_forcing(path, co2=CO2Record({2003: 375.0}))


def test_generated_weather_drives_a_model() -> None:
    pytest.importorskip("catena.data_ingest")
    from catena.data_ingest.sources.generated import GeneratedWeather

    for step_s in (86400, 3600):
        source = GeneratedWeather(sites=3, years=1, step_s=step_s, seed=1, climates=("boreal",))
        (entry,) = source.search().entries
        made = daily_forcing(source.open(None, entry), utc_offset_h=0)
        assert (made.cells, made.days, made.calendar) == (3, 365, "noleap")
        assert 250 < made.variables["tas"].mean() < 290
