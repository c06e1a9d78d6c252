"""CAMELS: a dataset per product, each file in it or refused by name, numbers as they are meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.http_archive import Drop, HttpArchive, Status
from support.tables import days, flow_text, forcing_text, write

from catena.data_ingest.archive import open_archive
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources.base import Archive, Entry, Found
from catena.data_ingest.sources.camels import Camels
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData

TOPO = """gauge_id;gauge_lat;gauge_lon;elev_mean;slope_mean;area_gages2;area_geospa_fabric
01022500;44.6;-67.9;90.0;17.8;600.0;620.0
02064000;37.1;-78.9;250.0;10.0;400.0;410.0
"""
MODEL_HEAD = "YR MNTH DY HR SWE PRCP RAIM TAIR PET ET MOD_RUN OBS_RUN"
FORCING = "basin_mean_forcing/{}/01/{}_lump_cida_forcing_leap.txt"


def found(folder: Path, **facets: list[str]) -> tuple[Archive, Found]:
    archive = open_archive(str(folder))
    return archive, Camels().search(archive, facets)


def entry(result: Found, key: str) -> Entry:
    return next(entry for entry in result.entries if entry.key == key)


def opened(folder: Path, key: str) -> xr.Dataset:
    archive, result = found(folder)
    return Camels().open(archive, entry(result, key))


def test_records_of_different_length_share_the_union_of_their_days(tmp_path: Path) -> None:
    rain = np.arange(10.0)
    write(
        tmp_path / FORCING.format("daymet", "01022500"),
        forcing_text(days("2000-02-25", 10), rain=rain),
    )
    write(
        tmp_path / FORCING.format("daymet", "02064000"),
        forcing_text(days("2000-03-01", 10), rain=rain + 100),
    )
    dataset = opened(tmp_path, "daymet")
    assert dataset.sizes["basin"] == 2
    assert dataset["basin"].values.tolist() == ["01022500", "02064000"]
    assert list(dataset["time"].values) == list(days("2000-02-25", 15).values)
    assert "2000-02-29" in dataset["time"].dt.strftime("%Y-%m-%d").values
    values = dataset["prcp"].values
    assert np.array_equal(values[0, :10], rain)
    assert np.isnan(values[0, 10:]).all()
    assert np.isnan(values[1, :5]).all()
    assert np.array_equal(values[1, 5:], rain + 100)
    assert dataset["prcp"].attrs["units"] == "mm/day"


def test_values_stay_in_the_files_until_they_are_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / FORCING.format("daymet", "01022500"), forcing_text(days("2000", 4)))
    assert opened(tmp_path, "daymet")["prcp"].chunks is not None
    assert path.exists()


def test_radiation_of_daylight_becomes_a_mean_of_the_day(tmp_path: Path) -> None:
    # The text has 300 W m-2 over half a day of light.
    write(tmp_path / FORCING.format("daymet", "01022500"), forcing_text(days("2000", 3)))
    dataset = opened(tmp_path, "daymet")
    assert np.allclose(dataset["srad_day"], 150.0)
    said = [each for each in source_findings(dataset) if each.variable == "srad"]
    assert [each.action for each in said] == ["converted"]


def test_a_mean_in_both_columns_is_kept_as_a_mean(tmp_path: Path) -> None:
    name = "basin_mean_forcing/nldas/01/01022500_lump_nldas_forcing_leap.txt"
    write(tmp_path / name, forcing_text(days("2000", 3), tmax=4.0, tmin=4.0))
    dataset = opened(tmp_path, "nldas")
    assert np.allclose(dataset["tmean"], 4.0)
    assert not {"tmin", "tmax"} & set(dataset)
    assert any("tmin" in each.variable for each in source_findings(dataset))


def test_daymet_rain_moves_a_day_back_and_nothing_else_does(tmp_path: Path) -> None:
    rain = np.array([0.0, 0.0, 8.64, 0.0, 0.0, 0.0])
    write(
        tmp_path / FORCING.format("daymet", "01022500"),
        forcing_text(days("2000-01-01", 6), rain=rain),
    )
    dataset, _ = normalise(opened(tmp_path, "daymet"), vocabulary="camels_daymet", key="daymet")
    assert dataset is not None
    fallen = dataset["pr"].isel(basin=0)
    assert str(fallen["time"].values[int(fallen.argmax())])[:10] == "2000-01-02"
    assert float(fallen.max()) == pytest.approx(1e-4, rel=1e-5)
    assert np.isnan(fallen.values[-1])
    assert np.allclose(dataset["tasmax"], 278.15)
    assert not dataset["tasmax"].isnull().any()


def test_streamflow_is_discharge_over_the_area_of_the_forcing_file(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    area = 4e8
    write(tmp_path / FORCING.format("daymet", "01022500"), forcing_text(times, area=area))
    write(tmp_path / "attributes/camels_topo.txt", TOPO)
    write(
        tmp_path / "usgs_streamflow/01/01022500_streamflow_qc.txt",
        flow_text("01022500", times, np.array([100.0, 200.0, 1.0]), ["A", "A:e", "M"]),
    )
    raw = opened(tmp_path, "usgs")
    assert raw["discharge_QC"].values.tolist() == [[1.0, 2.0, 0.0]]
    dataset, _ = normalise(raw, vocabulary="camels_usgs", key="usgs")
    assert dataset is not None
    cubic = 100 * 0.028316846592
    assert float(dataset["discharge"][0, 0]) == pytest.approx(cubic, rel=1e-6)
    # A kilogram of water over a square metre is a millimetre.
    assert float(dataset["streamflow"][0, 0]) == pytest.approx(cubic * 1000 / area, rel=1e-6)
    assert np.isnan(dataset["discharge"].values[0, 2])
    assert float(dataset["area"][0]) == area
    assert float(dataset["lat"][0]) == pytest.approx(44.6)


def test_without_an_area_there_is_discharge_alone_and_a_note(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    write(
        tmp_path / "01022500_streamflow_qc.txt",
        flow_text("01022500", times, np.ones(3), ["A"] * 3),
    )
    dataset = opened(tmp_path, "usgs")
    assert "streamflow" not in dataset
    assert [each.check for each in source_findings(dataset)] == ["area"]


def test_forcing_flow_and_attributes_join_on_the_gauge(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    for gauge in ("01022500", "02064000"):
        write(tmp_path / FORCING.format("daymet", gauge), forcing_text(times))
        write(
            tmp_path / f"usgs_streamflow/{gauge}_streamflow_qc.txt",
            flow_text(gauge, times, np.ones(3), ["A"] * 3),
        )
    write(tmp_path / "camels_topo.txt", TOPO)
    parts = [opened(tmp_path, key) for key in ("daymet", "usgs", "attributes")]
    whole = xr.merge([part.drop_vars(["lat", "lon", "area"]) for part in parts], compat="override")
    assert whole.sizes["basin"] == 2
    assert not whole["slope_mean"].isnull().any()
    assert not whole["prcp"].isnull().any()


BROKEN = {
    "cut off": lambda text: text[: len(text) - 30],
    "words": lambda text: text.replace("500.00", "what", 1),
    "no head": lambda text: text.split("\n", 1)[1],
    "a day that does not exist": lambda text: text.replace("2000 01 03", "2000 02 31"),
    "a day twice": lambda text: text.replace("2000 01 03", "2000 01 02"),
    "empty": lambda _text: "",
    "an error page": lambda _text: "<html><body>404</body></html>\n" * 9,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_left_out_by_name_and_the_others_go_on(tmp_path: Path, how: str) -> None:
    text = forcing_text(days("2000-01-01", 20), rain=np.arange(20.0))
    write(tmp_path / FORCING.format("daymet", "01022500"), text)
    write(tmp_path / FORCING.format("daymet", "02064000"), BROKEN[how](text))
    dataset = opened(tmp_path, "daymet")
    assert dataset["basin"].values.tolist() == ["01022500"]
    lost = [each for each in source_findings(dataset) if not each.variable]
    assert [(each.action, each.file) for each in lost] == [
        ("refused", FORCING.format("daymet", "02064000"))
    ]
    assert dataset["prcp"].values[0].tolist() == list(np.arange(20.0))


def test_when_every_file_is_broken_the_dataset_is_refused(tmp_path: Path) -> None:
    write(tmp_path / FORCING.format("daymet", "01022500"), "nothing\n")
    with pytest.raises(InvalidData, match=r"daymet: none of 1 files.*01022500_lump"):
        opened(tmp_path, "daymet")


def test_flow_of_another_gauge_is_refused(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    write(
        tmp_path / "01022500_streamflow_qc.txt",
        flow_text("09999999", times, np.ones(3), ["A"] * 3),
    )
    with pytest.raises(InvalidData, match="rows of gauge 09999999"):
        opened(tmp_path, "usgs")


def test_copies_and_shorter_versions_are_refused_by_name(tmp_path: Path) -> None:
    long, short = forcing_text(days("2000", 9)), forcing_text(days("2000", 5))
    write(tmp_path / FORCING.format("daymet", "01022500"), long)
    write(tmp_path / "lists/camels_us" / FORCING.format("daymet", "01022500"), long)
    write(tmp_path / "old" / FORCING.format("daymet", "01022500"), short)
    _, result = found(tmp_path)
    assert [file.path for file in entry(result, "daymet").files] == [
        FORCING.format("daymet", "01022500")
    ]
    said = {each.file.split("/")[0]: each for each in result.refused}
    assert said["lists"].found.startswith("a copy of")
    assert said["old"].found.startswith("another version of")


def test_every_file_is_in_a_dataset_or_refused(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    write(tmp_path / FORCING.format("daymet", "01022500"), forcing_text(times))
    write(tmp_path / "1_basin_test_set.txt", "01022500\n")
    write(tmp_path / "SOURCE_LICENSE_camels.md", "CC-BY")
    write(tmp_path / "readme.txt", "words")
    write(tmp_path / "odd.bin", "x")
    write(tmp_path / "01022500_m50_states.csv", "Baseflow,Evap\n1,2\n")
    write(tmp_path / "x_NSES.csv", "0.5\n")
    archive, result = found(tmp_path)
    named = {file.path for each in result.entries for file in each.files}
    refused = {each.file: each for each in result.refused}
    assert named | set(refused) == {file.path for file in archive.find()}
    assert not named & set(refused)
    assert all(each.found and each.wanted for each in refused.values())
    assert "dates" in refused["01022500_m50_states.csv"].wanted


def test_basins_and_products_can_be_picked(tmp_path: Path) -> None:
    times = days("2000-01-01", 3)
    for gauge in ("01022500", "02064000"):
        write(tmp_path / FORCING.format("daymet", gauge), forcing_text(times))
    write(tmp_path / "camels_topo.txt", TOPO)
    _, result = found(tmp_path, basin=["0206*"], product=["daymet"])
    assert [each.key for each in result.entries] == ["daymet"]
    assert result.entries[0].facets["basin"] == "02064000"
    _, none = found(tmp_path, product=["maurer"])
    assert none.entries == ()


def test_runs_with_several_seeds_are_members(tmp_path: Path) -> None:
    def run(seed: str, gauge: str, value: float) -> None:
        rows = "".join(
            f"{time:%Y %m %d} 12 0.0 1.0 1.0 5.0 1.0 1.0 {value} 0.0\n"
            for time in days("2000-01-01", 4)
        )
        write(tmp_path / f"{gauge}_{seed}_model_output.txt", f"{MODEL_HEAD}\n{rows}")

    run("05", "01022500", 1.0)
    run("48", "01022500", 2.0)
    run("05", "02064000", 3.0)
    dataset = opened(tmp_path, "sacsma")
    assert dataset["member"].values.tolist() == ["05", "48"]
    assert dataset["MOD_RUN"].sel(member="48", basin="01022500").values.tolist() == [2.0] * 4
    assert dataset["MOD_RUN"].sel(member="48", basin="02064000").isnull().all()
    normal, inspection = normalise(dataset, vocabulary="camels_model", key="sacsma")
    assert normal is not None
    assert {"PRCP", "OBS_RUN"} <= inspection.refused_variables
    assert "pr" not in normal


def test_scores_go_with_the_catchments_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "catchments.csv", "gauge_id,gauge_name\n02064000,B\n01022500,A\n")
    write(tmp_path / "generative_model_test_NSES.csv", "4.0e-01\n7.0e-01\n")
    write(tmp_path / "generative_model_test_KGES.csv", "4.0e-01\n")
    dataset = opened(tmp_path, "scores")
    assert float(dataset["generative_model_test_NSE"].sel(basin="01022500")) == 0.7
    lost = [each for each in source_findings(dataset) if each.action == "refused"]
    assert [each.file for each in lost] == ["generative_model_test_KGES.csv"]
    assert lost[0].found == "1 values"
    assert lost[0].wanted == "2 numbers"


def test_attributes_are_numbers_with_units_and_words_as_coordinates(tmp_path: Path) -> None:
    write(tmp_path / "camels_topo.txt", TOPO)
    write(
        tmp_path / "camels_name.txt",
        "gauge_id;huc_02;gauge_name\n01022500;01;A River\n02064000;02;B River\n",
    )
    raw = opened(tmp_path, "attributes")
    assert raw["gauge_name"].values.tolist() == ["A River", "B River"]
    assert raw["huc_02"].values.tolist() == ["01", "02"]
    dataset, inspection = normalise(raw, vocabulary="camels_attributes", key="attributes")
    assert dataset is not None
    assert not inspection.refused_variables
    assert dataset["area_gages2"].attrs["units"] == "km2"
    assert dataset["area"].values.tolist() == [6e8, 4e8]


def test_description_tells_variables_and_period(tmp_path: Path) -> None:
    write(tmp_path / FORCING.format("daymet", "01022500"), forcing_text(days("2000-01-01", 3)))
    archive, result = found(tmp_path)
    description = Camels().describe(archive, result.entries[0])
    assert (description.start[:10], description.end[:10]) == ("2000-01-01", "2000-01-03")
    assert {each.name for each in description.variables} >= {"prcp", "tmax"}
    assert description.bytes == result.entries[0].size


def test_only_some_tables_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catena.data_ingest.sources import tables_stack
    from catena.data_ingest.sources.base import ArchiveFile
    from catena.data_ingest.sources.tables import Member, Record

    times = pd.date_range("2000-01-01", periods=1000, freq="D")
    reads: list[int] = []

    def member(at: int) -> Member:
        def read() -> Record:
            reads.append(at)
            return Record(times, {"x": np.full(1000, float(at))})

        return Member(f"{at:08d}", ArchiveFile(f"{at}.txt"), read)

    monkeypatch.setattr(tables_stack, "CACHE_BYTES", 40_000)
    monkeypatch.setattr(tables_stack, "BLOCK_BYTES", 8_000)
    dataset = tables_stack.stack("basin", [member(at) for at in range(8)], key="x")
    assert dataset["x"].chunks[0] == (2, 2, 2, 2)
    assert reads == list(range(8))
    assert dataset["x"].isel(basin=slice(0, 2)).values[:, 0].tolist() == [0.0, 1.0]
    # The first two had left the cache; the last two are still there.
    assert reads == [*range(8), 0, 1]
    assert dataset["x"].values[:, -1].tolist() == list(map(float, range(8)))


def test_over_the_network_the_same_comes_out_as_from_a_folder(
    archive_folder: Path, http_archive: HttpArchive, tmp_path: Path
) -> None:
    times = days("2000-01-01", 400)
    rain = np.arange(400) % 9
    path = FORCING.format("daymet", "01022500")
    write(archive_folder / path, forcing_text(times, rain=rain))
    write(archive_folder / FORCING.format("daymet", "02064000"), forcing_text(times, area=4e8))
    write(
        archive_folder / "usgs_streamflow/01/01022500_streamflow_qc.txt",
        flow_text("01022500", times, np.ones(400), ["A"] * 400),
    )
    write(archive_folder / "camels_topo.txt", TOPO)
    # The connection breaks once, and the server is busy once.
    http_archive.fail(f"/{path}", Drop(3000), Status(503))
    remote = open_archive(
        http_archive.url, cache=tmp_path / "cache", patience=Patience(attempts=5, first_s=0.001)
    )
    local = open_archive(str(archive_folder))
    far, near = Camels().search(remote), Camels().search(local)
    assert [entry.key for entry in far.entries] == [entry.key for entry in near.entries]
    assert [entry.key for entry in near.entries] == ["attributes", "daymet", "usgs"]
    for one, other in zip(far.entries, near.entries, strict=True):
        xr.testing.assert_identical(
            Camels().open(remote, one).load(), Camels().open(local, other).load()
        )
    assert http_archive.count(f"/{path}") > 1
