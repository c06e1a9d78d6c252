"""Figures show what they are given, with readable labels; pictures themselves are looked at."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh

from catena.data_ingest.maps import map_figure, series_figure
from catena.data_ingest.named_grids import named_grid
from catena.shared.errors import InvalidData
from catena.shared.plot_style import colour_scale, degrees, readable, with_units
from catena.shared.report import plot


def field(grid=None, units="K", shift=280.0) -> xr.DataArray:
    grid = named_grid("5deg") if grid is None else grid
    values = shift + 20 * np.cos(np.radians(grid.lat))[:, None] + 0 * grid.lon[None]
    return xr.DataArray(
        values,
        dims=("lat", "lon"),
        coords={"lat": grid.lat, "lon": grid.lon},
        name="tas",
        attrs={"units": units, "long_name": "air temperature"},
    )


def test_a_map_has_every_cell_at_its_place():
    array = field().transpose("lon", "lat")
    figure = map_figure(array, "A model", "January")
    axes = figure.axes[0]
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    np.testing.assert_array_equal(mesh.get_array(), field().values)
    assert mesh.get_coordinates()[0, 0].tolist() == [-180, -90]
    assert axes.get_aspect() == 1.0
    assert axes.get_title("left") == "A model"
    assert figure.axes[1].get_xlabel() == "air temperature (K)"


def test_a_region_is_stretched_so_that_shapes_are_right_in_its_middle():
    figure = map_figure(field(named_grid("2.5deg").part((50, 70), (0, 40))))
    assert figure.axes[0].get_aspect() == pytest.approx(1 / np.cos(np.radians(60)), rel=0.01)


def test_missing_cells_are_shown_and_said():
    array = field()
    array[:5] = np.nan
    figure = map_figure(array)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["no value"]


def test_water_is_shown_in_mm_a_day_in_colours_of_water():
    figure = map_figure(_rain())
    assert figure.axes[1].get_xlabel() == "precipitation (mm d⁻¹)"
    (mesh,) = [c for c in figure.axes[0].collections if isinstance(c, QuadMesh)]
    assert mesh.cmap.name == "YlGnBu"
    assert float(mesh.get_array().max()) == pytest.approx(8.64)


def _rain() -> xr.DataArray:
    array = field() * 0 + 1e-5
    array[18] = 1e-4
    return array.assign_attrs(units="kg m-2 s-1", long_name="precipitation")


@pytest.mark.parametrize(
    ("low", "high", "name", "first"),
    [(-3, 5, "RdBu_r", -5), (0.1, 9, "YlGnBu", 0), (240, 300, "viridis", 240), (7, 7, "YlGnBu", 3)],
)
def test_scales_have_round_steps_and_zero_where_it_means_something(low, high, name, first):
    units = "mm d-1" if name == "YlGnBu" else "K"
    colours, norm, _ = colour_scale(np.linspace(low, high, 999), units)
    assert colours.name == name
    assert norm.boundaries[0] == pytest.approx(first, abs=1)
    steps = np.diff(norm.boundaries)
    assert np.allclose(steps, steps[0])
    if name == "RdBu_r":
        np.testing.assert_allclose(norm.boundaries, -norm.boundaries[::-1], atol=1e-12)


def test_labels():
    assert degrees(300.0, "E", "W") == "60°W"
    assert degrees(-180.0, "E", "W") == degrees(180.0, "E", "W") == "180°"
    assert degrees(-30.0, "N", "S") == "30°S"
    assert with_units("flux", "W m-2") == "flux (W m⁻²)"
    assert with_units("share", "1") == "share"
    assert readable(np.array([1.0]), "K")[1] == "K"


def series(calendar="standard", steps=60, units="K") -> xr.DataArray:
    time = xr.date_range(
        "2001-01-01", periods=steps, freq="D", calendar=calendar, use_cftime=calendar != "standard"
    )
    return xr.DataArray(
        np.arange(steps, dtype=float), dims="time", coords={"time": time}, attrs={"units": units}
    )


def test_series_of_different_units_have_panels_of_their_own():
    figure = series_figure({"a": series(), "b": series("noleap"), "c": series(units="W m-2")})
    assert len(figure.axes) == 2
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    assert figure.axes[1].get_ylabel() == "value\n(W m⁻²)"


def test_dates_of_a_calendar_of_360_days_stay_in_their_year():
    line = series_figure(series("360_day", 720)).axes[0].lines[0]
    dates = np.asarray(line.get_xdata(), "datetime64[s]")
    assert str(dates[0])[:10] == "2001-01-01"
    assert str(dates[360])[:10] == "2002-01-01"
    assert str(dates[-1])[:4] == "2002"


def test_gaps_stay_gaps_and_lone_values_are_dots():
    array = series()
    array[10:20] = np.nan
    array[15] = 3.0
    axes = series_figure(array).axes[0]
    assert np.isnan(axes.lines[0].get_ydata()[10:15]).all()
    assert axes.lines[1].get_ydata().tolist() == [3.0]


def test_long_series_are_drawn_by_their_means_and_extremes():
    array = series(steps=4000)
    axes = series_figure({"a": array}).axes[0]
    assert len(axes.lines[0].get_ydata()) == 400
    assert axes.lines[0].get_ydata()[0] == pytest.approx(4.5)
    assert "band" in axes.get_legend().get_texts()[0].get_text()
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == 3999


def test_figures_go_onto_a_page():
    assert plot(map_figure(field()), "map", alt="a map").startswith(("<svg", "<img"))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InvalidData, match="choose one time"):
        map_figure(field().expand_dims(time=2))
    with pytest.raises(InvalidData, match="no value"):
        map_figure(field() * np.nan)
    with pytest.raises(InvalidData, match="choose one place"):
        series_figure(field())
    with pytest.raises(InvalidData, match="series a: found no value"):
        series_figure({"a": series() * np.nan})
    with pytest.raises(InvalidData, match="found no series"):
        series_figure({})
