"""Pictures show the numbers of an explanation, with the target in the middle of the map."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh
from support import planted_orbit as planted

from catena.explainer.orbit.explain import explain_fields
from catena.explainer.orbit.loading import read_checkpoint
from catena.explainer.orbit.plots import (
    contribution_maps,
    distance_plot,
    influence_maps,
    method_bars,
    some_leads,
)
from catena.explainer.orbit.prediction import Target
from catena.models.orbit import Orbit, initialise

POINT = (8, 0)  # row and column of the target: at the edge of the grid's order


@cache
def one() -> xr.Dataset:
    model = initialise(Orbit(planted.about().fields), seed=0).eval().requires_grad_(False)
    return explain_fields(
        read_checkpoint(planted.checkpoint(model)),
        [Target.point("tas", planted.LAT[POINT[0]], planted.LON[POINT[1]])],
        planted.fields(2, seed=1),
        planted.fields(2, seed=2),
        methods=("expected_gradients", "attention"),
    ).data.isel(target=0)


def test_maps_hold_the_contributions_around_the_target() -> None:
    last = one().isel(lead=-1)
    figure = contribution_maps(last, 1)
    panels = [axes for axes in figure.axes if axes.patches]
    assert panels[0].get_title(loc="left").startswith("tas: ")
    box = panels[0].patches[-1]
    west, east = panels[0].get_xlim()
    assert box.get_x() + box.get_width() / 2 == 0.0 and abs(west + east) <= 360.0 / 32
    [mesh] = [part for part in panels[0].collections if isinstance(part, QuadMesh)]
    shown = np.asarray(mesh.get_array())
    wanted = last.contribution.isel(sample=1).sel(variable="tas").values
    # Columns are turned by half the globe, rows stay.
    turn = int(np.flatnonzero(np.isclose(shown[POINT[0]], wanted[POINT]))[0])
    np.testing.assert_array_equal(shown, np.roll(wanted, turn, 1))


def test_influence_is_drawn_at_its_size_and_adds_up_with_distance() -> None:
    figure = influence_maps(one())
    meshes = [part for axes in figure.axes for part in axes.collections]
    squares = (one().contribution.astype(float) ** 2).sum("variable").mean("sample").values
    for lead in (0, 1):
        shown = np.asarray(meshes[lead].get_array())
        assert shown.max() == pytest.approx(np.sqrt(squares[lead].max()))
    for axes in distance_plot(one()).axes:
        for line in axes.lines:
            heights = np.asarray(line.get_ydata(), float)
            assert (np.diff(heights) >= -1e-9).all() and heights[-1] == pytest.approx(100.0)


def test_bars_are_shares_of_the_first_method_and_marks_those_of_others() -> None:
    axes = method_bars(one()).axes[0]
    bars = [bar.get_width() for bar in axes.patches]
    sizes = abs(one().variable_contribution[:, 0]).mean("sample").values
    assert sorted(bars) == pytest.approx(sorted(100 * sizes / sizes.sum()))
    [marks] = axes.lines
    assert np.sum(marks.get_xdata()) == pytest.approx(100.0, rel=1e-4)


def test_few_of_many_leads_are_drawn() -> None:
    def of(count: int) -> list[int]:
        return some_leads(xr.Dataset({"x": ("lead", np.zeros(count))}))

    assert (of(1), of(2), of(3), of(8)) == ([0], [0, 1], [0, 1, 2], [0, 4, 7])
