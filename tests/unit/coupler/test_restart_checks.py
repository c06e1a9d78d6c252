"""Each fault that a restart file can have is found, by name; a sound file has no findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_restart import make_restart

from catena.coupler.restart import NATURAL, check, read_restart

Change = Callable[[netCDF4.Dataset], None]


def findings(path: Path, change: Change | None = None, **options: object) -> list[tuple[str, ...]]:
    make_restart(path, **options)
    if change is not None:
        with netCDF4.Dataset(path, "r+") as file:
            file.set_auto_mask(False)
            change(file)
    return [
        (each.action, each.check, each.variable, str(each)) for each in check(read_restart(path))
    ]


def put(name: str, at: int | tuple[int, int] | slice, value: float) -> Change:
    return lambda file: file[name].__setitem__(at, value)


def scale(name: str, factor: float) -> Change:
    return lambda file: file[name].__setitem__(slice(None), file[name][...] * factor)


@pytest.mark.parametrize("options", [{}, {"phosphorus": False}, {"cells": 1}, {"cells": 7}])
def test_a_sound_file_has_no_findings(tmp_path: Path, options: dict[str, object]) -> None:
    assert findings(tmp_path / "r.nc", **options) == []


@pytest.mark.parametrize(
    ("change", "kind", "variable", "words"),
    [
        (put("soil3c_vr", (0, 4), np.nan), "values", "soil3c_vr", "nan gC m-3 in cell 0"),
        (put("litr2n_vr", (16, 1), np.inf), "values", "litr2n_vr", "level 2"),
        (put("leafc", 7, -1.0), "values", "leafc", "broadleaf_deciduous_temperate_tree"),
        (put("labilep_vr", (32, 0), 1e36), "values", "labilep_vr", "no fill value"),
        (put("T_SOISNO", (0, 7), np.nan), "values", "T_SOISNO", "columns or PFTs that take part"),
        (put("onset_gdd", 7, np.nan), "values", "onset_gdd", "columns or PFTs that take part"),
        (put("soil4c_vr", (0, 12), 5.0), "levels", "soil4c_vr", "below level 10"),
        (put("sminn_vr", (0, 1), 9.0), "mineral nitrogen", "sminn_vr", "level 2"),
        (scale("totcolc", 1.001), "totals", "totcolc", "sum of its parts"),
        (scale("totcoln", 1.01), "totals", "totcoln", "sum of its parts"),
        (scale("totvegc", 0.9), "totals", "totvegc", "PFT needleleaf_evergreen"),
        (scale("cwdp", 2.0), "totals", "cwdp", "sum of its parts"),
        (scale("soil2n_vr", 1.01), "ratios", "soil2n_vr", "C:N 11.88"),
        (scale("soil4p_vr", 10.0), "ratios", "soil4p_vr", "C:P is C:N times N:P"),
        (scale("deadstemn", 10.0), "ratios", "deadstemn", "C:N 50 "),
        (scale("leafn_storage", 2.0), "ratios", "leafn_storage", "wanted 25"),
        (put("deadstemc", 32 + 13, 4.0), "absent pools", "deadstemc", "without wood"),
        (put("leafc_storage", 32 + 1, 4.0), "absent pools", "leafc_storage", "evergreen"),
        (put("frootc", 32, 4.0), "absent pools", "frootc", "bare ground"),
    ],
)
def test_each_fault_is_found(
    tmp_path: Path, change: Change, kind: str, variable: str, words: str
) -> None:
    found = findings(tmp_path / "r.nc", change)
    matching = [each for each in found if each[:3] == ("refused", kind, variable)]
    assert matching, found
    assert words in matching[0][3]
    assert "r.nc" in matching[0][3]


def test_faults_of_columns_that_take_no_part_are_noted_at_most(tmp_path: Path) -> None:
    def change(file: netCDF4.Dataset) -> None:
        file["T_GRND"][1:16] = np.nan
        file["soil4c_vr"][5] = 1e36
        file["leafc"][9] = 1.1

    found = findings(tmp_path / "r.nc", change)
    assert [each[:2] for each in found] == [("noted", "values")]
    assert "T_GRND" in found[0][3]


def test_accelerated_decomposition_is_noted(tmp_path: Path) -> None:
    found = findings(tmp_path / "r.nc", spinup_state=1)
    assert [each[:2] for each in found] == [("noted", "spinup_state")]
    early = findings(tmp_path / "r.nc", spinup_state=1, year=21, scalaravg=0.01275)
    assert [each[:2] for each in early] == [("noted", "spinup_state"), ("noted", "scalaravg")]
    assert "soil4 x 2149" in early[1][3]


def test_far_too_much_soil_carbon_is_noted(tmp_path: Path) -> None:
    def change(file: netCDF4.Dataset) -> None:
        for element in "cnp":
            file[f"soil4{element}_vr"][:] = file[f"soil4{element}_vr"][...] * 20.0

    found = findings(tmp_path / "r.nc", change)
    assert any(each[:3] == ("noted", "values", "totsomc") for each in found)


def test_other_plants_than_the_ratios_are_noted(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    names = ("not_vegetated", *(f"crop_{number}" for number in range(1, 17)))
    found = check(read_restart(path), stoichiometry=replace(NATURAL, names=names))
    assert [(each.action, each.check) for each in found] == [("noted", "ratios")]
    assert "crop_" in str(found[0])
