"""Files of one dataset along time: what fits is joined, what does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cmip6_files import LAT, days

from catena.data_ingest import aggregate as module
from catena.data_ingest.aggregate import Piece, aggregate, open_raw
from catena.shared.errors import InvalidData


def piece(year: int, **changes: Any) -> Piece:
    return Piece(f"tas_{year}.nc", days(year, **changes).chunk(), "MIROC6.tas")


def joined(*pieces: Piece, **options: Any) -> xr.Dataset:
    return aggregate(pieces, key="MIROC6.tas", variable="tas", **options)


@settings(max_examples=15, deadline=None)
@given(st.permutations([2000, 2001, 2002, 2003]))
def test_any_order_of_files_gives_the_same_series(years: list[int]) -> None:
    whole = joined(*(piece(year) for year in years))
    # The values number the days, so a file at a wrong place would show.
    wanted = (np.arange(4 * 365) + 365 * 2000) / 1000
    np.testing.assert_allclose(whole["tas"][:, 0, 0].values, wanted, rtol=1e-6)
    assert whole.indexes["time"].is_monotonic_increasing
    assert whole["time_bnds"].shape == (4 * 365, 2)
    assert (whole["time_bnds"][1:, 0].values == whole["time_bnds"][:-1, 1].values).all()


def test_nothing_is_computed_before_it_is_needed(tmp_path: Path) -> None:
    for year in (2000, 2001):
        days(year).to_netcdf(tmp_path / f"{year}.nc")
    pieces = [
        open_raw(str(tmp_path / f"{year}.nc"), key="k", file=str(year)) for year in (2000, 2001)
    ]
    whole = joined(*pieces)
    assert whole["tas"].chunks is not None
    # Coordinates and bounds are in memory: reading them again would open files again.
    assert all(whole[name].chunks is None for name in ("time", "lat", "lon", "time_bnds"))
    assert whole["tas"].mean().compute() == pytest.approx(365 * 2000.9986 / 1000, rel=1e-3)


def test_each_file_is_opened_once_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = xr.open_dataset

    def counting(source: Any, **options: Any) -> xr.Dataset:
        opened.append(str(source))
        return real(source, **options)

    monkeypatch.setattr(module.xr, "open_dataset", counting)
    for year in range(2000, 2010):
        days(year).to_netcdf(tmp_path / f"{year}.nc")
    names = [str(tmp_path / f"{year}.nc") for year in range(2000, 2010)]
    whole = joined(*(open_raw(name, key="k", file=name) for name in names))
    whole["tas"].sum().compute()
    assert opened == names


def test_fill_values_are_missing(tmp_path: Path) -> None:
    dataset = days(2000)
    dataset["tas"][3, 1, 2] = np.nan
    dataset.to_netcdf(tmp_path / "a.nc")
    found = joined(open_raw(str(tmp_path / "a.nc"), key="k", file="a.nc"))
    assert int(np.isnan(found["tas"]).sum()) == 1 and np.isnan(found["tas"][3, 1, 2])


SHIFTED = LAT + np.array([0.0, 0.0, 0.5])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"units": "degC"}, ("unit 'degC'", "unit 'K'")),
        ({"dtype": "f8"}, ("type 'float64'", "'float32'")),
        ({"calendar": "360_day", "count": 360}, ("dimension time", "'360_day'", "'noleap'")),
        ({"lat": SHIFTED}, ("dimension lat", "60.5", "lat 60.0")),
        ({"lat": LAT[::-1]}, ("dimension lat", "60.0", "lat -60.0")),
        ({"lat": np.array([-45.0, 45.0])}, ("dimension lat", "size 2", "size 3")),
        ({"variable": "pr"}, ("no variable tas", "pr")),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    """Dataset, file, dimension and both values: users must not search for the file at fault."""
    with pytest.raises(InvalidData) as error:
        joined(piece(2000), piece(2001), piece(2002, **changes), piece(2003))
    for word in ("MIROC6.tas", "tas_2002.nc", *words):
        assert word in str(error.value)
    assert "tas_2001.nc" not in str(error.value)


@pytest.mark.parametrize("name", ["lat_bnds", "area"])
def test_what_is_not_a_dimension_is_compared_too(name: str) -> None:
    def with_extra(year: int, value: float) -> Piece:
        extra = xr.DataArray(np.full((3, 4), value), dims=("lat", "lon"))
        dataset = days(year).assign({name: extra})
        dataset = dataset.set_coords(name) if name == "area" else dataset
        return Piece(f"{year}.nc", dataset.chunk(), "MIROC6.tas")

    assert joined(with_extra(2000, 1.0), with_extra(2001, 1.0)).sizes["time"] == 730
    with pytest.raises(InvalidData) as error:
        joined(with_extra(2000, 1.0), with_extra(2001, 2.0))
    for word in ("2001.nc", f"dimension {name}", "2.0", "1.0 in file 2000.nc"):
        assert word in str(error.value)


def test_dimensions_in_another_order_are_named() -> None:
    turned = Piece("turned.nc", days(2001).transpose("time", "lon", "lat", "bnds").chunk())
    with pytest.raises(InvalidData, match=r"turned\.nc: dimensions \(time, lon, lat\), but"):
        joined(piece(2000), turned)


def test_two_spellings_of_a_unit_are_no_difference() -> None:
    assert joined(piece(2000, units="kelvin"), piece(2001)).sizes["time"] == 730


def test_rounding_of_coordinates_is_no_difference() -> None:
    rounded = LAT.astype("f4").astype("f8") + 1e-12
    assert joined(piece(2000), piece(2001, lat=rounded)).sizes["time"] == 730


def test_calendars_by_two_names_are_one() -> None:
    assert joined(piece(2000), piece(2001, calendar="365_day")).sizes["time"] == 730


def test_overlap_names_both_files_and_times() -> None:
    late = Piece("late.nc", days(2000, first=300).chunk())
    with pytest.raises(InvalidData) as error:
        joined(piece(2000), late)
    for word in ("late.nc", "tas_2000.nc", "dimension time", "2000-10-28", "2000-12-31", "overlap"):
        assert word in str(error.value)


def test_a_missing_file_is_kept_as_a_hole_or_named() -> None:
    pieces = (piece(2000), piece(2002))
    assert joined(*pieces).sizes["time"] == 730
    with pytest.raises(InvalidData) as error:
        joined(*pieces, gaps="refuse")
    for word in ("tas_2002.nc", "tas_2000.nc", "2002-01-01", "2000-12-31", "1 days"):
        assert word in str(error.value)
    assert joined(piece(2000), piece(2001), gaps="refuse").sizes["time"] == 730


def test_months_of_different_length_are_no_gap() -> None:
    def months(year: int) -> Piece:
        middles = [np.datetime64(f"{year}-{number:02}-15") for number in range(1, 13)]
        number = (np.array(middles) - np.datetime64("1900-01-01")) / np.timedelta64(1, "D")
        time = ("time", number, {"units": "days since 1900-01-01", "calendar": "standard"})
        values = ("time", np.zeros(12, "f4"), {"units": "K"})
        return Piece(f"{year}.nc", xr.Dataset({"tas": values}, coords={"time": time}))

    assert joined(months(2000), months(2001), gaps="refuse").sizes["time"] == 24


def test_times_that_numpy_cannot_hold_are_of_one_kind() -> None:
    """A standard calendar before 1582 is cftime's, after it numpy's; one series has one kind."""
    whole = joined(*(piece(year, calendar="standard", count=31) for year in (1500, 1600)))
    assert whole["time"].dt.calendar in ("standard", "gregorian")
    assert [int(year) for year in whole["time"].dt.year.values[[0, -1]]] == [1500, 1600]


def test_bounds_may_name_their_units() -> None:
    def with_units(year: int) -> Piece:
        dataset = days(year)
        dataset["time_bnds"].attrs["units"] = dataset["time"].attrs["units"]
        return Piece(f"{year}.nc", dataset.chunk())

    whole = joined(with_units(2000), with_units(2001))
    assert (whole["time_bnds"][1:, 0].values == whole["time_bnds"][:-1, 1].values).all()


def test_years_after_2262_are_times() -> None:
    whole = joined(piece(3000, calendar="standard"), piece(3001, calendar="standard"))
    assert int(whole["time"].dt.year[-1]) == 3001


def test_a_fixed_field_is_one_file() -> None:
    fixed = days(2000).isel(time=0, drop=True).drop_vars("time_bnds").chunk()
    assert joined(Piece("a.nc", fixed))["tas"].dims == ("lat", "lon")
    with pytest.raises(InvalidData, match=r"b\.nc: tas has no dimension time.*a\.nc"):
        joined(Piece("a.nc", fixed), Piece("b.nc", fixed))


def test_a_file_without_steps_is_named() -> None:
    with pytest.raises(InvalidData, match=r"tas_2001\.nc, dimension time: has no step"):
        joined(piece(2000), piece(2001, count=0))


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_file_is_named(tmp_path: Path, keep: int) -> None:
    days(2000).to_netcdf(tmp_path / "a.nc")
    (tmp_path / "b.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:keep])
    with pytest.raises(InvalidData, match=r"dataset MIROC6\.tas, file b\.nc: cannot be read"):
        open_raw(str(tmp_path / "b.nc"), key="MIROC6.tas", file="b.nc")


@pytest.mark.parametrize("units", ["days before yesterday", "days since never", "1"])
def test_units_that_are_no_times_are_named(units: str) -> None:
    wrong = piece(2001)
    wrong.dataset["time"].attrs["units"] = units
    with pytest.raises(InvalidData, match=rf"MIROC6\.tas, file tas_2001\.nc.*{units}"):
        joined(piece(2000), wrong)
