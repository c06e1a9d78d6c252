"""CASA's folder is read as it is meant, and nothing else is read as such (generated files)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catena.coupler.spin_up.casa import INPUTS, LOGARITHMIC, read_casa
from catena.shared.errors import InvalidData, NotFound

POOLS = ("cnppool_end_prespin_1901_x100.csv", "cnppool_end_1901_1920_postADspin_x499c.csv")
FLUXES = "cnpflux_end_prespin_1901_x100.csv"
GRID, SOIL = "gridinfo_igbpz.csv", "gridinfo_soil_clm2.csv"
COUNT = 5
LAT = (-72.95, -1.2, 29.9, 30.1, 66.0)
LON = (0.0, 10.0, 20.0, 335.0, 357.5)
CLASS = (15, 2, 7, 10, 18)
NPP = (0.0, 900.0, 300.0, -0.1, 50.0)


def lines(columns: list[list[float]], end: str = ",") -> list[str]:
    """Rows of columns, with the comma that CASA ends its lines with."""
    return [",".join(f"{one:.6f}" for one in row) + end for row in zip(*columns, strict=True)]


def write(folder: Path) -> Path:
    """A grid of five cells: ice, forest, shrub, grass without growth, tundra."""
    cell = [[1.0] * COUNT, list(range(1, COUNT + 1)), list(CLASS), [-99.0] * COUNT, [1.0] * COUNT]
    place = [list(LAT), list(LON), [2.5] * COUNT]
    for number, name in enumerate(POOLS):
        leaf = [0.0, 270.0, 90.0, 2.0, 30.0]
        # leaf, wood, fine root, metabolic, structural, CWD, microbial, slow, passive
        carbon = [[one * (column + 1) * (number + 1) for one in leaf] for column in range(9)]
        rest = [[0.0] * COUNT] * (46 - 8 - 4 - 9)
        table = [*cell, *place, [1.5] * COUNT, [0.02] * COUNT, [2.0] * COUNT, [0.0] * COUNT]
        (folder / name).write_text("\n".join(lines([*table, *carbon, *rest])) + "\n")
    fluxes = [list(NPP), [1.0] * COUNT, [-2.0] * COUNT, [3.0] * COUNT]
    (folder / FLUXES).write_text("\n".join(lines([*cell, *place, *fluxes, *[[0.0] * COUNT] * 6])))
    ids = [[10.0 * n for n in range(COUNT)]]
    grid = [*ids, *place[:2], *cell[2:], [2.5e9] * COUNT, [0.3] * COUNT]
    grid += [[0.0] * COUNT] * (19 - 8)
    (folder / GRID).write_text("\n".join(["header", *lines(grid, "")]))
    soil = [0.5, 0.2, 0.3, 0.1, 0.2, 0.4]
    table = [*ids, *place[:2], *[[one] * COUNT for one in soil]]
    (folder / SOIL).write_text("\n".join(["header", *lines(table, ", ")]).replace(", ", ","))
    return folder


def test_vegetated_cells_come_with_their_inputs_and_pools(tmp_path: Path) -> None:
    casa = read_casa(write(tmp_path))
    assert casa.classes.tolist() == [2, 7, 10, 18]  # the ice has no soil carbon
    assert casa.area.tolist() == [2.5e9] * 4
    assert casa.pools[1:3] == ("woodc", "frootc")
    np.testing.assert_array_equal(casa.targets[0], 270.0 * 2 * np.arange(1, 10))
    np.testing.assert_array_equal(casa.inputs["pools"][0, :9], 270.0 * np.arange(1, 10))
    assert casa.inputs["pools"][0, 9] == 1.5
    # NPP a little below nothing is nothing; NEE may be below.
    np.testing.assert_array_equal(casa.inputs["fluxes"][:, 0], [900.0, 300.0, 0.0, 50.0])
    assert (casa.inputs["fluxes"][:, 3] == -2.0).all()
    np.testing.assert_allclose(casa.inputs["cell"][0], [-1.2, 0.3, 0.5, 0.2, 0.3, 0.1, 0.2, 0.4])
    assert casa.inputs["class"].argmax(1).tolist() == [1, 6, 9, 17]
    assert (casa.inputs["class"].sum(1) == 1).all()
    for kind, names in INPUTS.items():
        assert casa.inputs[kind].shape == (4, len(names))
        assert len(LOGARITHMIC[kind]) == len(names)
        assert (casa.inputs[kind][:, list(LOGARITHMIC[kind])] >= 0).all()


def test_blocks_are_boxes_of_30_degrees(tmp_path: Path) -> None:
    blocks = read_casa(write(tmp_path)).blocks()
    # Rows from the south, columns from Greenwich eastwards: -1.2 is in the third row.
    assert blocks.tolist() == [2 * 12 + 0, 3 * 12 + 0, 4 * 12 + 11, 5 * 12 + 11]


def _edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, new, text, count=1))

    return change


def _last_line_off(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(text[:-1]))

    return change


def _turned(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([text[1], text[0], *text[2:]]))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edit(POOLS[1], r"540\.000000,", ""), "line 2 of .* has 45 columns; wanted 46"),
        (lambda folder: (folder / FLUXES).write_text("1,2,3\n"), "has 3 columns; wanted 18"),
        (_last_line_off(FLUXES), "has 4 cells, .* 5; one is cut"),
        (_turned(FLUXES), "cell 1 has another lat in cnpflux"),
        (_edit(POOLS[0], r"270\.000000", "NaN"), "line 2 of .* not finite"),
        (_edit(POOLS[0], r"270\.000000", "*****"), "line 2 of .* no number"),
        (_edit(POOLS[1], r"540\.000000", "-1.0"), "leafc in .*postADspin.* cell 2"),
        (_edit(SOIL, r"0\.500000", "50.0"), "sand in gridinfo_soil.* cannot be so in cell 1"),
        (_edit(SOIL, r"0\.500000", "0.9"), "sand, clay and silt"),
        (_edit(GRID, r"2500000000", "2500"), "area in gridinfo_igbpz.csv"),
        (lambda folder: (folder / SOIL).write_bytes(b"CDF\x01\xff\xfe"), "is no text"),
    ],
)
def test_a_cut_or_foreign_file_is_refused(
    tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    change(write(tmp_path))
    with pytest.raises(InvalidData, match=said):
        read_casa(tmp_path)


def test_a_folder_without_a_file_says_which(tmp_path: Path) -> None:
    (write(tmp_path) / GRID).unlink()
    with pytest.raises(NotFound, match=r"no gridinfo_igbpz\.csv"):
        read_casa(tmp_path)
