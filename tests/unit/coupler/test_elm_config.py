from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import pytest
from support.elm_case import elm_config, elm_mapping, write_forcing

from catena.coupler.elm import ElmConfig
from catena.coupler.elm.compsets import point_compset
from catena.coupler.elm.inputs import input_digests
from catena.coupler.elm.namelist import (
    entries,
    fortran,
    replace_entries,
    text_value,
    user_namelist,
)
from catena.coupler.elm.settings import bgc_spinup, restart_interval, xml_settings
from catena.coupler.elm.steps import CaseSteps
from catena.coupler.fake_cime import install_fake_cime
from catena.shared.errors import InvalidRequest, NotFound


def refused(folder: Path, **changed: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        elm_config(folder, **changed)
    return {item.field: item.description for item in caught.value.violations}


def stages(*years: int) -> list[dict[str, Any]]:
    names = ("ad_spinup", "final")
    return [{"name": names[number], "years": length} for number, length in enumerate(years)]


def test_a_good_configuration_is_taken(tmp_path: Path) -> None:
    config = elm_config(tmp_path)
    assert [run.name for run in config.runs] == ["ad_spinup", "final", "transient"]


def test_stages_are_rounded_up_to_whole_forcing_cycles_and_follow_each_other(
    tmp_path: Path,
) -> None:
    runs = elm_config(tmp_path, forcing_years=11, stages=stages(250, 200)).runs
    assert [(run.start, run.years, run.end) for run in runs] == [(1, 253, 254), (254, 209, 463)]
    assert elm_config(tmp_path).runs[2].start == 1850


def test_spinup_state_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    found = refused(tmp_path, namelist={"Spinup_State": 1})
    assert "-bgc_spinup on" in found["namelist.Spinup_State"]
    found = refused(
        tmp_path, stages=[{"name": "final", "years": 5, "namelist": {"spinup_state": 0}}]
    )
    assert "-bgc_spinup" in found["stages[0].namelist.spinup_state"]
    assert "xml.ELM_BLDNML_OPTS" in refused(tmp_path, xml={"ELM_BLDNML_OPTS": "-bgc_spinup on"})


def test_an_all_stub_compset_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, compset="1850_SATM_SLND_SICE_SOCN_SROF_SGLC_SWAV")
    assert "ICB1850CNPRDCTCBC" in found["compset"]


def test_a_point_has_no_rivers(tmp_path: Path) -> None:
    found = refused(tmp_path, compset="1850_SATM_ELM%CNPRDCTCBC_SICE_SOCN_MOSART_SGLC_SWAV")
    assert "SROF" in found["compset"]
    assert point_compset("ICB1850CNPRDCTCBC").endswith("_SROF_SGLC_SWAV")
    assert point_compset("I20TRCNPECACNTBC").startswith("20TR_DATM%QIA_ELM%CNPECACNTBC_")
    assert point_compset("FC5AV1C") == "FC5AV1C"


def test_compset_and_forcing_must_fit(tmp_path: Path) -> None:
    assert "take ICB" in refused(tmp_path, compset="I1850CNPRDCTCBC")["compset"]
    datm = {"kind": "datm", "first_year": 2004, "last_year": 2003}
    found = refused(tmp_path, forcing=datm)
    assert "take I..." in found["compset"]
    assert "before first_year" in found["forcing.last_year"]


def test_moab_is_refused_where_the_machine_has_none(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("MOAB_ROOT", raising=False)
    assert "driver: mct" in refused(tmp_path, driver="moab")["driver"]
    elm_mapping(tmp_path)
    install_fake_cime(tmp_path / "with", moab=True)
    elm_config(tmp_path, driver="moab", cime_root=str(tmp_path / "with"))


def test_accelerated_decomposition_is_not_left_before_year_40(tmp_path: Path) -> None:
    found = refused(tmp_path, forcing_years=1, stages=stages(39, 10))
    assert "at least 40" in found["stages[0].years"]
    elm_config(tmp_path, forcing_years=1, stages=stages(40, 10))
    elm_config(tmp_path, forcing_years=1, stages=[{"name": "ad_spinup", "years": 26}])


@pytest.mark.parametrize(
    ("flag", "year", "stage", "refusal"),
    [(1, 21, "final", "wanted one from after year 40"), (1, 41, "final", ""),
     (1, 21, "ad_spinup", ""), (0, 21, "final", "")],
)  # fmt: skip
def test_nor_by_a_restart_file_of_ones_own(
    tmp_path: Path, flag: int, year: int, stage: str, refusal: str
) -> None:
    path = tmp_path / "restart.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createVariable("spinup_state", "i4", ())[...] = flag
        file.createVariable("timemgr_rst_curr_ymd", "i4", ())[...] = year * 10000 + 101
    changed = {"finidat": str(path), "stages": [{"name": stage, "years": 45}]}
    if refusal:
        assert refusal in refused(tmp_path, **changed)["finidat"]
    else:
        elm_config(tmp_path, **changed)


def test_carbon_only_years_end_before_the_accelerated_stage_does(tmp_path: Path) -> None:
    assert "nyears_ad_carbon_only" in refused(tmp_path, nyears_ad_carbon_only=40)


def test_stages_come_in_their_order_and_once(tmp_path: Path) -> None:
    both = [{"name": "final", "years": 5}, {"name": "ad_spinup", "years": 40}]
    assert "in the order" in refused(tmp_path, stages=both)["stages"]
    twice = [{"name": "final", "years": 5}] * 2
    assert "each once" in refused(tmp_path, stages=twice)["stages"]
    branch = [{"name": "final", "years": 5, "hand_over": "branch"}]
    assert "nothing to branch" in refused(tmp_path, stages=branch)["stages[0].hand_over"]


def test_a_transient_stage_needs_a_transient_compset(tmp_path: Path) -> None:
    found = refused(tmp_path, stages=[{"name": "transient", "years": 5}])
    assert "20TR" in found["stages[0].compset"]


def test_the_forcing_folder_holds_one_file_of_the_right_name_and_content(tmp_path: Path) -> None:
    data = elm_mapping(tmp_path)
    path = Path(data["forcing"]["directory"]) / "all_hourly.nc"
    path.rename(path.with_name("US-MOz.nc"))
    assert "all_hourly.nc" in refused_mapping(data)["forcing.directory"]
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("DTIME", 1)
        file.createVariable("TBOT", "f4", ("DTIME",))
    assert "WIND" in refused_mapping(data)["forcing.directory"]
    path.write_text("no netCDF")
    assert "cannot be read" in refused_mapping(data)["forcing.directory"]


def refused_mapping(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        ElmConfig.from_mapping(data)
    return {item.field: item.description for item in caught.value.violations}


def test_what_the_driver_sets_is_not_set_by_hand(tmp_path: Path) -> None:
    found = refused(tmp_path, namelist={"finidat": "x.nc"}, xml={"STOP_N": 3})
    assert set(found) == {"namelist.finidat", "xml.STOP_N"}


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        surface_file="/nowhere.nc",
        compset="1850_SATM_SLND_SICE",
        forcing_years=0,
        executor={"kind": "slurm", "walltime": "1h"},
        namelist={"spinup_state": 1},
        nonsense=1,
    )
    assert {
        "surface_file",
        "compset",
        "forcing_years",
        "executor.walltime",
        "namelist.spinup_state",
        "nonsense",
    } <= set(found)


def test_a_folder_without_cime_names_its_submodules(tmp_path: Path) -> None:
    assert "submodule" in refused(tmp_path, cime_root=str(tmp_path / "none"))["cime_root"]


def test_a_file_is_read_with_the_environments_names(tmp_path: Path, monkeypatch: Any) -> None:
    import yaml

    data = elm_mapping(tmp_path)
    monkeypatch.setenv("SCRATCH_HERE", data["output_root"])
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump({**data, "output_root": "$SCRATCH_HERE"}))
    assert str(ElmConfig.load(path).output_root) == data["output_root"]
    path.write_text("[1, 2]")
    with pytest.raises(InvalidRequest, match="list"):
        ElmConfig.load(path)
    with pytest.raises(NotFound):
        ElmConfig.load(tmp_path / "none.yaml")


def test_namelist_of_each_stage(tmp_path: Path) -> None:
    config = elm_config(
        tmp_path, history=[{"variables": ["GPP", "NEE"], "frequency": -24, "records": 365}]
    )
    ad, final, transient = (user_namelist(config, run) for run in config.runs)
    assert "nyears_ad_carbon_only = 25" in ad and "suplphos = 'ALL'" in ad
    assert "nyears_ad" not in final and "suplphos" not in final
    assert "spinup_state" not in ad + final + transient
    assert "hist_fincl1 = 'GPP', 'NEE'" in ad and "hist_empty_htapes = .true." in ad
    assert "hist_nhtfrq = -24" in ad
    assert "flanduse_timeseries = ' '" in transient
    assert [bgc_spinup(run) for run in config.runs] == [
        "-bgc_spinup on",
        "-bgc_spinup off",
        "-bgc_spinup off",
    ]


def test_settings_hand_the_restart_over(tmp_path: Path) -> None:
    config = elm_config(tmp_path)
    first, second, _ = (xml_settings(config, run) for run in config.runs)
    assert first["RUN_TYPE"] == "startup" and first["ELM_FORCE_COLDSTART"] == "on"
    assert second["RUN_TYPE"] == "hybrid" and second["RUN_REFDATE"] == "0041-01-01"
    assert second["RUN_REFCASE"] == "moz_ad_spinup"
    assert second["EXEROOT"] == first["EXEROOT"]


def test_restart_files_come_at_the_end_too() -> None:
    assert restart_interval(165, 11) == 11
    assert restart_interval(165, 20) == 15
    assert restart_interval(157, 11) == 1


def test_values_of_namelists() -> None:
    assert fortran([True, False]) == ".true., .false."
    assert fortran("it's") == "'it''s'"
    with pytest.raises(InvalidRequest, match="wanted a number"):
        fortran(None)
    assert replace_entries("&a\n x = 1\n/\n", {"x": "2"}) == "&a\n x = 2\n/\n"
    with pytest.raises(InvalidRequest, match="no y"):
        replace_entries("&a\n x = 1\n/\n", {"y": "2"})


def test_a_path_with_marks_of_namelists_stays_whole() -> None:
    path = "/data/it's/odd!/surf.nc"
    text = f"&elm_inparm\n fsurdat = {fortran(path)} ! of the site\n n = 1 ! one\n/\n"
    assert text_value(entries(text)["fsurdat"]) == path and entries(text)["n"] == "1"
    changed = replace_entries(text, {"fsurdat": fortran("/other!/'.nc")})
    assert text_value(entries(changed)["fsurdat"]) == "/other!/'.nc"


def test_entries_hold_one_line_and_have_names(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        namelist={"nu_com": "'RD'\n spinup_state = 1", "a = 1\n b": 2},
        xml={"DEBUG=TRUE,STOP_N": 3, "DIN_LOC_ROOT": "/a\n/b"},
    )
    assert set(found) == {
        "namelist.nu_com", "namelist.a = 1\n b", "xml.DEBUG=TRUE,STOP_N", "xml.DIN_LOC_ROOT",
    }  # fmt: skip


def test_names_are_words(tmp_path: Path) -> None:
    executor = {"kind": "slurm", "queue": 'debug"\nrm -rf', "launcher": "nosuch"}
    found = refused(tmp_path, site="US MOz,STOP_N=1", machine="--help", executor=executor)
    assert {"site", "machine", "executor.queue", "executor.launcher"} <= set(found)


def test_paths_are_whole(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("NO_SUCH_PLACE", raising=False)
    found = refused(tmp_path, case_root="$NO_SUCH_PLACE/cases", output_root="output")
    assert "no NO_SUCH_PLACE in the environment" in found["case_root"]
    assert "wanted a path from / on" in found["output_root"]
    assert not (Path.cwd() / "$NO_SUCH_PLACE").exists()


def test_what_the_environment_holds_is_a_value_and_no_yaml(
    tmp_path: Path, monkeypatch: Any
) -> None:
    import yaml

    monkeypatch.setenv("SITE_HERE", "a: b # c")
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump({**elm_mapping(tmp_path), "site": "$SITE_HERE"}))
    with pytest.raises(InvalidRequest, match=r"site: .*got 'a: b # c'"):
        ElmConfig.load(path)


def test_the_cycle_is_as_long_as_the_forcing(tmp_path: Path) -> None:
    data = {**elm_mapping(tmp_path), "forcing_years": 11}
    assert "the 5 years 2000 to 2004" in refused_mapping(data)["forcing_years"]
    datm = {"kind": "datm", "first_year": 2001, "last_year": 2003}
    found = refused(tmp_path, forcing=datm, compset="I1850CNPRDCTCBC")
    assert "wanted 3" in found["forcing_years"]


def test_commas_in_values_and_dashes_reach_xmlchange(tmp_path: Path) -> None:
    config = elm_config(tmp_path, xml={"ELM_CONFIG_OPTS": "-DA,-DB"})
    told = [str(action) for action in CaseSteps(config, config.runs[0]).actions("settings")]
    assert any(text.endswith("xmlchange --id ELM_CONFIG_OPTS --val=-DA,-DB") for text in told)


def test_input_files_count_by_their_content(tmp_path: Path) -> None:
    soil = write_forcing(tmp_path / "soil") / "all_hourly.nc"
    config = elm_config(tmp_path, namelist={"fsoilordercon": str(soil)})
    before = input_digests(config)
    assert {"parameter_file", "forcing", "co2_file", "namelist.fsoilordercon"} <= set(before)
    for path, name in (
        (config.forcing.directory / "all_hourly.nc", "forcing"),
        (config.forcing.aerosol_file, "aerosol_file"),
        (soil, "namelist.fsoilordercon"),
    ):
        path.write_bytes(path.read_bytes() + b"\0")
        after = input_digests(config)
        assert {key for key in before if before[key] != after[key]} == {name}
        before = after
