from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.elm_case import elm_mapping
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmModel
from catena.coupler.land_model import LandModel, open_land_model
from catena.coupler.restart import read_restart
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, NotFound


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture
def model(tmp_path: Path) -> LandModel:
    data = elm_mapping(tmp_path, stages=[{"name": "final", "years": 10}])
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(data))
    made = open_land_model("elm")
    made.initialize(str(tmp_path / "case.yaml"))
    return made


def test_updates_run_segments_and_end_like_one_run(model: LandModel, tmp_path: Path) -> None:
    assert isinstance(model, ElmModel)
    assert (model.get_start_time(), model.get_current_time(), model.get_end_time()) == (1, 1, 11)
    model.update()
    assert model.get_current_time() == 6
    gpp = model.get_value("GPP", np.empty(model.get_grid_size(0)))
    assert 0 < gpp[0] * 365 * 86400 < 2000
    assert model.get_var_units("GPP") == "gC/m^2/s"
    model.update()
    assert model.get_current_time() == 11
    model.update()
    assert model.get_current_time() == 11
    data = elm_mapping(tmp_path / "other", stages=[{"name": "final", "years": 10}])
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(data))
    other = ElmModel()
    other.initialize(str(tmp_path / "other.yaml"))
    other.update_until(11)
    model.write_restart(tmp_path / "a.nc")
    other.write_restart(tmp_path / "b.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_a_hot_start_takes_the_state(model: LandModel, tmp_path: Path) -> None:
    model.update_until(11)
    model.write_restart(tmp_path / "spun.nc")
    data = elm_mapping(tmp_path / "next", case_name="next", stages=[{"name": "final", "years": 5}])
    (tmp_path / "next.yaml").write_text(yaml.safe_dump(data))
    follower = ElmModel()
    follower.initialize(str(tmp_path / "next.yaml"))
    follower.read_restart(tmp_path / "spun.nc", "hotstart")
    follower.update_until(6)
    follower.write_restart(tmp_path / "after.nc")
    before, after = (
        float(read_restart(tmp_path / f"{name}.nc").active("deadstemc")[0])
        for name in ("spun", "after")
    )
    assert after > before > 1.0


def test_a_resume_takes_its_own_run_only(model: LandModel, tmp_path: Path) -> None:
    model.update_until(11)
    folder = model.case.run_folder
    model.read_restart(folder / "moz_final.elm.r.0006-01-01-00000.nc", "resume")
    assert model.get_current_time() == 6
    model.update()
    assert model.get_current_time() == 11
    foreign = tmp_path / "other.elm.r.0006-01-01-00000.nc"
    foreign.write_bytes((folder / "moz_final.elm.r.0006-01-01-00000.nc").read_bytes())
    with pytest.raises(InvalidData, match="hotstart"):
        model.read_restart(foreign, "resume")
    with pytest.raises(NotFound):
        model.read_restart(tmp_path / "none.nc", "resume")


def test_a_damaged_restart_is_refused(model: LandModel, tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("no restart")
    with pytest.raises(InvalidData, match="cannot be read"):
        model.read_restart(tmp_path / "text.nc", "hotstart")
    with pytest.raises(FailedPrecondition, match="no whole restart"):
        model.write_restart(tmp_path / "a.nc")


def test_what_a_batch_model_cannot_do_says_what_can_be_done(model: LandModel) -> None:
    with pytest.raises(FailedPrecondition, match="ElmEnsemble"):
        model.set_value("GPP", np.zeros(1))
    with pytest.raises(FailedPrecondition, match="get_value"):
        model.get_value_ptr("GPP")
    with pytest.raises(NotFound, match="history"):
        model.get_value("NOSUCH", np.zeros(1))
    with pytest.raises(InvalidRequest, match="whole year"):
        model.update_until(1.5)
    with pytest.raises(InvalidRequest, match="whole year"):
        model.update_until(12)
    with pytest.raises(FailedPrecondition, match="initialize"):
        ElmModel().update()


def test_the_grid_is_the_domain_files(model: LandModel) -> None:
    assert model.get_grid_type(0) == "points"
    assert model.get_grid_x(0, np.empty(1))[0] == pytest.approx(-92.2)
    assert model.get_grid_y(0, np.empty(1))[0] == pytest.approx(38.74)
    assert model.get_var_nbytes("GPP") == 8
