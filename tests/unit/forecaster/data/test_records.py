"""Records out of data sets in canonical form, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from catena.forecaster.data.canonical import SIGNATURES, records_from
from catena.forecaster.data.records import BasinRecords, unusable
from catena.shared.errors import InvalidData

DAYS = np.arange(np.datetime64("2001-01-01"), np.datetime64("2001-03-01"))
BASINS = ["01", "02", "03"]


def series(**changes: Any) -> xr.Dataset:
    """Rain, temperature and flow in the units of artifacts."""
    rng = np.random.default_rng(0)
    shape = len(BASINS), len(DAYS)
    dims = ("basin", "time")
    made = {
        "pr": (dims, rng.gamma(0.5, 6, shape) / 86400, {"units": "kg m-2 s-1"}),
        "tas": (dims, 280 + rng.normal(size=shape), {"units": "K"}),
        "streamflow": (dims, rng.gamma(1, 2, shape) / 86400, {"units": "kg m-2 s-1"}),
    }
    coords = {
        "basin": BASINS,
        "time": DAYS.astype("datetime64[ns]"),
        "lat": ("basin", [40.0, 41.0, 42.0]),
        "lon": ("basin", [-100.0, -90.0, -80.0]),
        "area": ("basin", [1e8, 2e8, 3e8]),
    }
    return xr.Dataset({**made, **changes}, coords=coords)


def refusal(dataset: xr.Dataset, **how: Any) -> InvalidData:
    with pytest.raises(InvalidData) as caught:
        records_from(dataset, **how)
    return caught.value


def test_records_are_in_mm_a_day_and_degrees_celsius() -> None:
    dataset = series()
    made = records_from(dataset)
    np.testing.assert_allclose(made.weather[..., 0], dataset["pr"] * 86400, rtol=1e-6)
    np.testing.assert_allclose(made.weather[..., 1], dataset["tas"] - 273.15, atol=1e-4)
    np.testing.assert_allclose(made.flow, dataset["streamflow"] * 86400, rtol=1e-6)
    assert made.basins == ("01", "02", "03") and made.weather_names == ("pr", "tas")
    np.testing.assert_array_equal(made.days, DAYS)
    np.testing.assert_array_equal(made.area, [1e8, 2e8, 3e8])
    np.testing.assert_array_equal(made.latitude, [40, 41, 42])
    assert made.weather.dtype == made.flow.dtype == np.float32 and not made.generated


def test_other_units_of_the_same_kind_are_converted() -> None:
    dataset = series()
    wanted = records_from(dataset)
    other = dataset.assign(
        pr=(dataset["pr"] * 86400).assign_attrs(units="mm/day"),
        tas=(dataset["tas"] - 273.15).assign_attrs(units="degC"),
    )
    for name in ("weather", "flow"):
        np.testing.assert_allclose(
            getattr(records_from(other), name), getattr(wanted, name), rtol=1e-5, atol=1e-4
        )


def test_some_basins_in_the_order_asked_for_and_lazily() -> None:
    dataset = series()
    whole = records_from(dataset)
    some = records_from(dataset.chunk({"basin": 1, "time": 7}), basins=["03", "01"])
    np.testing.assert_array_equal(some.weather, whole.weather[[2, 0]])
    np.testing.assert_array_equal(some.flow, whole.select(["03", "01"]).flow)
    assert some.area.tolist() == [3e8, 1e8]


def test_flow_and_attributes_may_come_from_other_data_sets() -> None:
    dataset = series()
    gauge = dataset[["streamflow"]].isel(basin=[2, 1]).isel(time=slice(10, None))
    described = xr.Dataset(
        {
            "aridity": ("basin", [0.5, 2.0, 1.0]),
            "elev_mean": ("basin", [1.0, 2.0, np.nan]),
            **{name: ("basin", np.ones(3)) for name in SIGNATURES},
        },
        coords={"basin": ["03", "01", "02"], "class": ("basin", ["a", "b", "c"])},
    )
    made = records_from(dataset.drop_vars("streamflow"), flow=gauge, attributes=described)
    assert made.basins == ("02", "03") and made.attribute_names == ("aridity", "elev_mean")
    np.testing.assert_array_equal(made.attributes, np.float32([[1.0, np.nan], [0.5, 1.0]]))
    assert np.isnan(made.flow[:, :10]).all()
    np.testing.assert_allclose(
        made.flow[:, 10:], dataset["streamflow"].sel(basin=["02", "03"])[:, 10:] * 86400, rtol=1e-6
    )


def test_discharge_is_divided_by_the_area() -> None:
    dataset = series()
    area = dataset["area"]
    discharge = (dataset["streamflow"] * area / 1000).transpose("basin", "time")
    other = dataset.drop_vars("streamflow").assign(discharge=discharge.assign_attrs(units="m3 s-1"))
    np.testing.assert_allclose(records_from(other).flow, records_from(dataset).flow, rtol=1e-5)
    no_area = other.assign_coords(area=("basin", [1e8, np.nan, 1.0]))
    assert "basins[02]: no area" in str(refusal(no_area))
    in_km2 = area.values / 1e6
    told = other.assign_coords(area=("basin", in_km2, {"units": "km2"}))
    np.testing.assert_allclose(records_from(told).flow, records_from(dataset).flow, rtol=1e-5)
    np.testing.assert_allclose(records_from(told).area, area)
    said = str(refusal(other.assign_coords(area=("basin", in_km2))))
    assert "basins[01]: discharge of" in said and "is the area right, and in m2?" in said


def test_temperature_is_the_middle_of_its_extremes_where_there_is_no_other() -> None:
    dataset = series()
    ends = {
        name: (dataset["tas"] + by).assign_attrs(units="K")
        for name, by in (("tasmin", -4), ("tasmax", 6))
    }
    made = records_from(dataset.drop_vars("tas").assign(ends))
    np.testing.assert_allclose(made.weather[..., 1], dataset["tas"] - 273.15 + 1, atol=1e-3)


def test_the_day_is_that_of_the_interval() -> None:
    noon = series().assign_coords(time=DAYS + np.timedelta64(12, "h"))
    np.testing.assert_array_equal(records_from(noon).days, DAYS)
    ends = series().assign_coords(time=(DAYS + 1).astype("datetime64[ns]"))
    bounds = np.stack([DAYS, DAYS + 1], axis=1).astype("datetime64[ns]")
    ends = ends.assign_coords(time_bnds=(("time", "bnds"), bounds))
    ends["time"].attrs["bounds"] = "time_bnds"
    np.testing.assert_array_equal(records_from(ends).days, DAYS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pr": {"units": "kg m-2"}}, "pr: unit 'kg m-2'"),
        ({"tas": {"units": ""}}, "tas has no units; wanted e.g. 'K'"),
        ({"tas": {"units": "degC"}}, "basins[01]: tas of 27"),
        ({"pr": {"units": "m s-1"}}, "are the units right"),
    ],
)
def test_wrong_units_are_refused(changes: dict[str, dict[str, str]], message: str) -> None:
    dataset = series()
    for name, attrs in changes.items():
        dataset[name] = dataset[name].assign_attrs(attrs)
    assert message in str(refusal(dataset))


def test_a_number_put_for_what_is_missing_is_refused() -> None:
    dataset = series()
    dataset["streamflow"][1, 5] = -999 / 86400
    text = str(refusal(dataset))
    assert "basins[02]: streamflow of -999" in text and "put for what is missing" in text
    traces = series()
    traces["pr"][0, 3] = -1e-10
    assert records_from(traces).weather[0, 3, 0] == 0


def test_days_that_come_twice_or_are_missing_are_refused_or_kept_as_missing() -> None:
    dataset = series()
    twice = xr.concat([dataset.isel(time=slice(0, 6)), dataset.isel(time=slice(5, None))], "time")
    assert "day 2001-01-06 comes twice" in str(refusal(twice))
    assert "day 2001-01-06 twice" in str(refusal(twice, missing="keep"))
    gap = dataset.isel(time=[*range(10), *range(13, len(DAYS))])
    assert "days between 2001-01-10 and 2001-01-14 are missing" in str(refusal(gap))
    kept = records_from(gap, missing="keep")
    np.testing.assert_array_equal(kept.days, DAYS)
    assert np.isnan(kept.weather[:, 10:13]).all() and np.isnan(kept.flow[:, 10:13]).all()
    whole = records_from(dataset)
    np.testing.assert_array_equal(kept.weather[:, 13:], whole.weather[:, 13:])
    turned = dataset.isel(time=slice(None, None, -1))
    assert "wanted days in order" in str(refusal(turned))
    other = dataset.assign_coords(time=xr.date_range(
        "2001-01-01", periods=len(DAYS), calendar="noleap", use_cftime=True))  # fmt: skip
    assert "calendar 'noleap'" in str(refusal(other))


def test_missing_weather_is_refused_by_name_unless_kept() -> None:
    dataset = series()
    dataset["tas"][1, 20:23] = np.nan
    text = str(refusal(dataset))
    assert "basins[02]: weather is missing on 3 days, first on 2001-01-21" in text
    assert np.isnan(records_from(dataset, missing="keep").weather[1, 20:23, 1]).all()
    # A record that begins later and ends earlier than the others' has no gap.
    short = series()
    for name in ("pr", "tas"):
        short[name][2, :8] = np.nan
        short[name][2, -4:] = np.nan
    made = records_from(short)
    first, last = made.extent()
    assert first.tolist() == [0, 0, 8] and last.tolist() == [58, 58, 54]
    short["pr"][2], short["tas"][2] = np.nan, np.nan
    assert "basins[03]: no weather on any day" in str(refusal(short))


def test_what_is_not_there_is_named() -> None:
    dataset = series()
    assert "basins[07]: is not in the data set" in str(refusal(dataset, basins=["07"]))
    assert "there is no weather 'rsds'" in str(refusal(dataset, names=("pr", "rsds")))
    without = dataset.drop_vars("streamflow")
    assert "neither streamflow nor discharge" in str(refusal(without))
    assert np.isnan(records_from(without, gauged=False).flow).all()
    other = dataset.assign_coords(basin=["x", "y", "z"])
    assert "no basin in common" in str(refusal(dataset, flow=other))
    again = dataset.isel(basin=[0, 1, 1])
    assert "basins[02]: came twice" in str(refusal(again))


def plain(**changes: Any) -> BasinRecords:
    made = {
        "basins": ("a", "b"),
        "days": DAYS[:9],
        "weather": np.ones((2, 9, 1)),
        "weather_names": ("pr",),
        "flow": np.arange(18.0).reshape(2, 9),
    }
    return BasinRecords(**{**made, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flow": -np.ones((2, 9))}, r"basins\[a\]: flow of -1 mm d-1 on 2001-01-01"),
        ({"flow": np.full((2, 9), np.inf)}, r"basins\[b\]: an infinite value"),
        ({"weather": np.ones((2, 8, 1))}, r"weather of shape \(2, 8, 1\) came; \(2, 9, 1\)"),
        ({"basins": ("a", "a")}, r"basins\[a\]: came twice"),
        ({"days": DAYS[[0, 1, 2, 3, 4, 5, 6, 7, 9]]}, "days between 2001-01-08 and 2001-01-10"),
        ({"weather_names": (), "weather": np.ones((2, 9, 0))}, "at least one of each"),
    ],
)
def test_records_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        plain(**changes)


def test_a_choice_of_no_basins_is_refused_as_that() -> None:
    described = plain(attributes=np.ones((2, 3)), attribute_names=("x", "y", "z"))
    with pytest.raises(InvalidData, match="0 basins, 9 days"):
        described.select([])


def test_basins_nothing_can_be_learned_for_are_named_with_the_reason() -> None:
    flow = np.arange(36.0).reshape(4, 9)
    flow[0], flow[1], flow[2] = 0, 3, np.nan
    weather = np.ones((4, 9, 1))
    weather[3, 4:] = np.nan
    made = plain(basins=("zero", "flat", "none", "short"), flow=flow, weather=weather)
    found = unusable(made, shortest=5)
    assert found == {
        "zero": "flow is zero on all days to learn from",
        "flat": "flow is constant at 3 mm d-1 on the days to learn from",
        "none": "no flow on the days to learn from",
        "short": "4 days of weather; at least 5 wanted",
    }
    varied = replace(made, flow=np.arange(36.0).reshape(4, 9))
    assert not unusable(varied)
    assert set(unusable(varied, days=np.arange(9) == 3)) == {"zero", "flat", "none", "short"}


def test_what_is_asked_for_and_not_there_is_named() -> None:
    made = plain()
    assert made.row("b") == 1 and made.day("2001-01-03") == 2 and made.column("pr") == 0
    for ask in (
        lambda: made.row("c"), lambda: made.day("2002-01-01"), lambda: made.column("tas"),
        lambda: made.attribute("aridity"),
    ):  # fmt: skip
        with pytest.raises(InvalidData):
            ask()
