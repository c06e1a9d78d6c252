from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_case import write_parameter_file

from catena.coupler.elm import one_at_a_time, parameter_effects, perturb_parameters
from catena.coupler.elm.parameters import pft_names, read_parameters
from catena.shared.errors import InvalidData, InvalidRequest, NotFound

TREE = "broadleaf_deciduous_temperate_tree"
REAL = "land_model/params/usrpft_codetest_I1850CNPRDCTCBC/clm_params_c211124vpft.nc"
ARCTIC = (
    "land_model/params/usrpft_arctic_I1850CNPRDCTCBC/clm_params_c180524-sub12_updated20240201.nc"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_parameter_file(tmp_path / "clm_params.nc")


def real(name: str) -> Path:
    folder = os.environ.get("CATENA_DATA")
    if not folder or not (Path(folder) / name).exists():
        pytest.skip("needs the real parameter files in CATENA_DATA")
    return Path(folder) / name


def problems(source: Path, changes: dict) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        perturb_parameters(source, source.with_name("out.nc"), changes)
    assert not source.with_name("out.nc").exists()
    return {item.field: item.description for item in caught.value.violations}


def test_one_plants_value_changes_and_nothing_else(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "member" / "clm_params_00001.nc"
    perturb_parameters(source, target, {"slatop": {TREE: 0.02}, "br_mr": 3e-6})
    with netCDF4.Dataset(target) as file:
        assert np.flatnonzero(file["slatop"][:] != 0.03).tolist() == [7]
        assert float(file["br_mr"][0]) == 3e-6
    before, after = source.read_bytes(), target.read_bytes()
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 16


def test_source_and_target_may_be_the_same(source: Path) -> None:
    perturb_parameters(source, source, {"flnr": {TREE: 0.2}})
    assert read_parameters(source, ("flnr",), TREE) == {"flnr": 0.2}


def test_plants_are_named_not_numbered(source: Path) -> None:
    found = problems(source, {"slatop": 0.02, "br_mr": {TREE: 3e-6}, "flnr": {"7": 0.2}})
    assert TREE in found["slatop"]
    assert "no PFT" in found["br_mr"]
    assert "no plant functional type '7'" in found["flnr.7"]


def test_the_index_is_the_files_own(tmp_path: Path) -> None:
    source = write_parameter_file(tmp_path / "few.nc", ("not_vegetated", "arctic_forb", TREE))
    perturb_parameters(source, tmp_path / "out.nc", {"slatop": {TREE: 0.02}})
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert np.flatnonzero(file["slatop"][:] != 0.03).tolist() == [2]


def test_all_problems_come_at_once(source: Path) -> None:
    found = problems(
        source, {"slatopp": 1.0, "crit_dayl": 11.0e5, "br_mr": float("nan"), "pftname": 1.0}
    )
    assert set(found) == {"slatopp", "crit_dayl", "br_mr", "pftname"}
    assert "mind the units" in found["crit_dayl"]


def test_unusual_values_are_warned_of(source: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"slatop.*calibrations use 0.01 to 0.05"):
        perturb_parameters(source, tmp_path / "a.nc", {"slatop": {TREE: 0.08}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        perturb_parameters(source, tmp_path / "a.nc", {"slatop": {TREE: 0.04}})


def test_an_inert_parameter_is_warned_of(source: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="crit_onset_gdd has no effect"):
        perturb_parameters(source, tmp_path / "a.nc", {"crit_onset_gdd": 600.0})


def test_what_is_no_parameter_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        perturb_parameters(tmp_path / "none.nc", tmp_path / "a.nc", {})
    (tmp_path / "text.nc").write_text("text")
    with pytest.raises(InvalidData, match="no netCDF"):
        perturb_parameters(tmp_path / "text.nc", tmp_path / "a.nc", {})
    with netCDF4.Dataset(tmp_path / "other.nc", "w") as file:
        file.createDimension("x", 1)
    with pytest.raises(InvalidData, match="pftname"):
        perturb_parameters(tmp_path / "other.nc", tmp_path / "a.nc", {})


def test_nothing_is_left_when_the_write_fails(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full"):
        perturb_parameters(source, tmp_path / "out" / "a.nc", {"br_mr": 3e-6})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.data
def test_the_real_file_keeps_its_other_bytes(tmp_path: Path) -> None:
    source, target = real(REAL), tmp_path / "a.nc"
    perturb_parameters(source, target, {"slatop": {TREE: 0.02}, "br_mr": 3e-6})
    before = np.frombuffer(source.read_bytes(), "u1")
    after = np.frombuffer(target.read_bytes(), "u1")
    assert before.size == after.size and 0 < (before != after).sum() <= 16
    assert read_parameters(target, ("slatop", "br_mr"), TREE) == {"slatop": 0.02, "br_mr": 3e-6}


@pytest.mark.data
def test_the_arctic_file_has_other_plants(tmp_path: Path) -> None:
    source = real(ARCTIC)
    assert len(pft_names(source)) == 12
    with pytest.raises(InvalidRequest, match="arctic_forb"):
        perturb_parameters(source, tmp_path / "a.nc", {"slatop": {TREE: 0.02}})
    perturb_parameters(source, tmp_path / "a.nc", {"slatop": {"arctic_forb": 0.02}})
    assert read_parameters(tmp_path / "a.nc", ("slatop",), "arctic_forb") == {"slatop": 0.02}
    with pytest.raises(InvalidRequest, match="whole numbers"):
        perturb_parameters(source, tmp_path / "a.nc", {"crit_onset_gdd": 250.5})


def _design() -> Iterator[np.ndarray]:
    base = np.array([0.03, 500.0, 42.0])
    yield one_at_a_time(base, np.array([0.02, 600.0, 30.0]))


def test_inert_parameters_are_found_exactly() -> None:
    (design,) = _design()
    outputs = np.stack([design[:, 0] * 2.0, design[:, 2] ** 0.5], axis=1)
    found = parameter_effects(design, outputs, ["slatop", "crit_onset_gdd", "frootcn"])
    assert found.inert == ("crit_onset_gdd",)
    assert found.active == ("slatop", "frootcn") and found.undetermined == ()


def test_a_tiny_effect_is_an_effect() -> None:
    (design,) = _design()
    outputs = 1.0 + 1e-12 * (design[:, 1:2] - 500.0)
    found = parameter_effects(design, outputs, ["slatop", "crit_onset_gdd", "frootcn"])
    assert found.active == ("crit_onset_gdd",) and found.inert == ("slatop", "frootcn")


def test_a_random_design_leaves_it_open() -> None:
    rng = np.random.default_rng(0)
    found = parameter_effects(rng.random((20, 2)), rng.random((20, 1)), ["a", "b"])
    assert found.undetermined == ("a", "b")


def test_failed_members_are_left_out() -> None:
    (design,) = _design()
    outputs = design[:, :1].copy()
    outputs[1] = np.nan
    found = parameter_effects(design, outputs, ["slatop", "crit_onset_gdd", "frootcn"])
    assert found.undetermined == ("slatop",)
    with pytest.raises(InvalidData, match="wanted at least 2"):
        parameter_effects(design, np.full((4, 1), np.nan), ["a", "b", "c"])
    with pytest.raises(InvalidData, match="wanted"):
        parameter_effects(design, outputs[:2], ["a", "b", "c"])


def test_malformed_files_are_refused_with_what_is_wrong(source: Path, tmp_path: Path) -> None:
    whole = source.read_bytes()
    cut = tmp_path / "cut.nc"
    cut.write_bytes(whole[:-40])
    with pytest.raises(InvalidData, match="truncated"):
        perturb_parameters(cut, tmp_path / "out.nc", {"crit_dayl": 40000.0})
    twice = write_parameter_file(tmp_path / "twice.nc", ("bare", TREE, TREE))
    with pytest.raises(InvalidData, match=f"'{TREE}' more than once"):
        perturb_parameters(twice, tmp_path / "out.nc", {"flnr": {TREE: 0.2}})
    for kind, number in (("i4", 1), (str, "text")):
        odd = tmp_path / "odd.nc"
        with netCDF4.Dataset(odd, "w") as file:
            file.createDimension("pft", 2)
            file.createVariable("pftname", kind, ("pft",))[0] = number
        with pytest.raises(InvalidData, match=r"pftname is .* wanted letters"):
            pft_names(odd)
    assert not (tmp_path / "out.nc").exists()


def test_letters_are_no_numbers(source: Path) -> None:
    with netCDF4.Dataset(source, "a") as file:
        file.createVariable("unit", "S1", ())[...] = b"m"
    assert "wanted numbers" in problems(source, {"unit": 1.0})["unit"]


def test_single_precision_is_a_number(source: Path) -> None:
    perturb_parameters(source, source, {"flnr": {TREE: np.float32(0.25)}})
    assert read_parameters(source, ("flnr",), TREE) == {"flnr": 0.25}
    found = problems(source, {"flnr": {TREE: np.float32("nan")}})
    assert "finite" in found[f"flnr.{TREE}"]
