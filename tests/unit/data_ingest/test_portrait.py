"""The portrait shows each model's errors, the rule and the reasons."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from support import climates

from catena.data_ingest.candidates import Candidate
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.portrait import portrait_figure, portrait_png
from catena.data_ingest.selection import select_models
from catena.data_ingest.verdict import QUARTERS, Selection


@pytest.fixture(scope="module")
def selection() -> Selection:
    grid = named_grid("5deg")
    data = climates.series({"tas": climates.cycle(grid), "pr": climates.rain(grid)}, grid)
    models = climates.planted({"GOOD": 0.7, "USUAL": 1.0, "POOR": 4.0})
    models["SHORT"] = models["GOOD"].isel(time=slice(0, 36))
    candidates = [Candidate(name, "r1i1p1f1", (one,)) for name, one in models.items()]
    return select_models(candidates, Candidate("ERA5", "", (data,)), grid="5deg")


def test_every_season_has_its_triangle_and_the_year_its_disc(selection):
    axes = portrait_figure(selection).axes[0]
    triangles, discs = (c for c in axes.collections if isinstance(c, PolyCollection))
    values = np.ma.filled(triangles.get_array(), np.nan).reshape(4, 2, 4)
    models = [row.model for row in selection.table]
    expected = selection.seasonal.sel(model=models[:3], season=list(QUARTERS)).values
    np.testing.assert_array_equal(values[:3], expected)
    assert np.isnan(values[3]).all()  # was not compared
    np.testing.assert_array_equal(
        discs.get_array().reshape(3, 2), selection.errors.sel(model=models[:3]).values
    )
    # Winter on the left, rows from the top: the first triangle stands on the cell's left side.
    first = triangles.get_paths()[0].vertices
    assert first[:2, 0].tolist() == [0, 0]
    assert axes.get_ylim() == (4, 0)


def test_kept_models_are_marked_and_the_others_have_reasons(selection):
    figure = portrait_figure(selection, "Temperature and rain")
    axes = figure.axes[0]
    weights = {t.get_text(): t.get_fontweight() for t in axes.get_yticklabels()}
    assert weights == {"GOOD": "bold", "USUAL": "bold", "POOR": "normal", "SHORT": "normal"}
    words = [text.get_text() for text in axes.texts]
    assert words.count("kept") == 2
    assert "above the threshold" in words
    assert "tas: found 3 years, wanted 20 at least" in words
    assert any(word.startswith("−") and word.endswith(" %") for word in words)
    assert [text.get_text() for text in figure.texts] == ["Temperature and rain"]


def test_it_can_be_drawn_when_nothing_could_be_compared(selection):
    grid = named_grid("5deg")
    empty = climates.series({"tas": climates.cycle(grid)}, grid, years=2)
    reference = climates.series({"tas": climates.cycle(grid) + 1}, grid)
    result = select_models(
        [Candidate("SHORT", "", (empty,))], Candidate("ERA5", "", (reference,)), grid="5deg"
    )
    assert result.errors.shape == (0, 1)
    figure = portrait_figure(result)
    assert len(figure.axes[0].get_yticklabels()) == 1
    figure.canvas.draw()


def test_the_file_is_a_picture_and_the_same_each_time(selection):
    picture = portrait_png(selection)
    assert picture.startswith(b"\x89PNG")
    assert picture == portrait_png(selection)
