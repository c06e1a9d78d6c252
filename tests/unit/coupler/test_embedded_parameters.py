"""The table of parameters, setting by name, ELM's parameter file."""

from __future__ import annotations

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.embedded_cases import EVERGREEN, TREE

from catena.coupler.embedded import ParameterSet, parameter_table
from catena.coupler.embedded.parameters import pft_defaults, pft_parameter_names, scalar_names
from catena.coupler.pft import PFT_NAMES
from catena.shared.errors import InvalidData, InvalidRequest

REAL = (
    Path(os.environ.get("CATENA_DATA") or "/nowhere")
    / "land_model/params/usrpft_codetest_I1850CNPRDCTCBC/clm_params_c211124vpft.nc"
)


def write_file(path: Path, **changed: float) -> None:
    """A parameter file like ELM's, with 17 PFTs and all parameters that ELM has."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("pft", 17)
        file.createDimension("string_length", 40)
        file.createDimension("allpfts", 1)
        names = file.createVariable("pftname", "S1", ("pft", "string_length"))
        names[:] = netCDF4.stringtochar(np.array([n.ljust(40) for n in PFT_NAMES], "S40"))
        for known in parameter_table().values():
            if not known.elm:
                continue
            if known.per_pft:
                values = pft_defaults()[:, pft_parameter_names().index(known.name)]
                file.createVariable(known.name, "f8", ("pft",))[:] = values
            else:
                file.createVariable(known.name, "f8", ("allpfts",))[:] = known.default
        for name, value in changed.items():
            file[name][:] = value


def test_every_default_lies_in_its_range_and_prior_in_the_range() -> None:
    assert ParameterSet.default().problems() == [[]]
    for known in parameter_table().values():
        assert known.low < known.high
        assert known.description
        assert known.units
        if known.prior:
            assert known.low <= known.prior[0] < known.prior[1] <= known.high


def test_the_eight_parameters_of_the_calibration_have_its_priors() -> None:
    table = parameter_table()
    priors = {
        "rootb_par": (0.5, 4.0), "slatop": (0.01, 0.05), "flnr": (0.1, 0.4),
        "frootcn": (25.0, 60.0), "froot_leaf": (0.3, 1.5), "br_mr": (1.5e-6, 4e-6),
        "crit_dayl": (35000.0, 45000.0), "crit_onset_gdd": (600.0, 1000.0),
    }  # fmt: skip
    assert {name: table[name].prior for name in priors} == priors


def test_parameters_are_set_by_name_and_pft_for_all_or_each_member() -> None:
    parameters = ParameterSet.default(3).update(
        [("flnr", TREE, [0.1, 0.2, 0.3]), ("br_mr", None, 3e-6)]
    )
    assert parameters.get("flnr", TREE).tolist() == [0.1, 0.2, 0.3]
    assert parameters.get("flnr", EVERGREEN).tolist() == [0.042] * 3
    assert parameters.get("br_mr").tolist() == [3e-6] * 3
    assert ParameterSet.default(3).get("br_mr").tolist() == [2.525e-6] * 3


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        ParameterSet.default(2).update(
            [
                ("flnr", "oak", 0.1),
                ("flnr", None, 0.1),
                ("flnr", TREE, 7.0),
                ("flnr", TREE, [0.1, 0.2, 0.3]),
                ("br_mr", TREE, 3e-6),
                ("q10_hr", None, float("nan")),
                ("albedo_of_cats", None, 1.0),
                ("slatop", TREE, 0.02),
            ]
        )
    fields = [violation.field for violation in caught.value.violations]
    assert fields == [
        "flnr[oak]", "flnr", f"flnr[{TREE}]", f"flnr[{TREE}]", f"br_mr[{TREE}]", "q10_hr",
        "albedo_of_cats",
    ]  # fmt: skip
    text = str(caught.value)
    assert "known are not_vegetated, needleleaf" in text
    assert "7 is outside 0 to 0.5 1" in text
    with pytest.raises(InvalidRequest, match="say which PFT"):
        ParameterSet.default().get("flnr")


def test_values_that_are_possible_alone_but_not_together_are_problems() -> None:
    """A share of lignin below 0 would empty litr3; stomata cannot close before they open."""
    parameters = ParameterSet.default(3)
    assert parameters.problems() == [[], [], []]
    parameters = parameters.update(
        [
            ("lf_flab", TREE, [0.25, 0.8, 0.25]),
            ("fr_fcel", EVERGREEN, [0.5, 0.5, 0.9]),
            ("smpso", TREE, [-35000.0, -35000.0, -300000.0]),
        ]
    )
    fine, one, two = parameters.problems()
    assert fine == []
    assert one == [
        f"{TREE}: lf_flab and lf_fcel sum to 1.3; at most 1 was wanted, as the rest of the litter "
        "is lignin"
    ]
    assert [text.split(":")[0] for text in two] == [EVERGREEN, TREE]
    assert "smpso = -300000 is not above smpsc = -224000 mm" in two[1]


def test_a_parameter_file_is_read_by_the_names_of_its_pfts(tmp_path: Path) -> None:
    path = tmp_path / "clm_params.nc"
    write_file(path, br_mr=3e-6, frootcn=50.0)
    parameters = ParameterSet.from_file(path, members=2)
    assert parameters.get("br_mr").tolist() == [3e-6, 3e-6]
    assert parameters.get("frootcn", TREE).tolist() == [50.0, 50.0]
    assert parameters.get("medlynslope", TREE)[0] == 4.0, "not in ELM's file: stays"


def test_a_wrong_parameter_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clm_params.nc"
    write_file(path, br_mr=3.0, flnr=-1.0)
    with pytest.raises(InvalidData) as caught:
        ParameterSet.from_file(path)
    assert "br_mr = 3 is outside" in str(caught.value)
    assert f"flnr[{TREE}] = -1 is outside" in str(caught.value)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InvalidData, match="cannot be read as a parameter file"):
        ParameterSet.from_file(path)
    with netCDF4.Dataset(tmp_path / "few.nc", "w") as file:
        file.createDimension("pft", 1)
        file.createDimension("string_length", 4)
        file.createVariable("pftname", "S1", ("pft", "string_length"))[:] = b"x"
    with pytest.raises(InvalidData, match="lacks the PFTs needleleaf_evergreen"):
        ParameterSet.from_file(tmp_path / "few.nc")


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_file(), reason="needs ELM's parameter file in CATENA_DATA")
def test_the_defaults_are_those_of_elms_own_file() -> None:
    real, default = ParameterSet.from_file(REAL), ParameterSet.default()
    for n, name in enumerate(scalar_names()):
        assert real.scalars[0, n] == pytest.approx(default.scalars[0, n], rel=1e-4), name
    np.testing.assert_allclose(real.pfts, default.pfts, rtol=1e-5, atol=1e-9)
