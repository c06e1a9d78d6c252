"""Flux towers: tables and binary files of sites, what is kept, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.tables import cbf_bytes, write

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.base import Entry, Found
from catena.data_ingest.sources.flux import Flux
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData

LOCATIONS = """Flux_name,LC,Lat,lon,flux_site
GL-ZaF,WET,74.48,-20.55,GL-ZaF
US-Ha1,DBF,42.54,-72.17,US-Ha1
US-NR1,ENF,40.03,-105.55,US-NR1
"""
SECONDS = 86400.0
CARBON = 12.011e-3


def search(folder: Path, **facets: list[str]) -> Found:
    return Flux().search(open_archive(str(folder)), facets)


def opened(folder: Path, key: str) -> tuple[Entry, xr.Dataset]:
    archive = open_archive(str(folder))
    entry = next(each for each in Flux().search(archive).entries if each.key == key)
    return entry, Flux().open(archive, entry)


def canonical(folder: Path, key: str) -> xr.Dataset:
    entry, raw = opened(folder, key)
    dataset, _ = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert dataset is not None
    return dataset


def monthly(months: list[int], gpp: float = 1.0) -> str:
    rows = [f"{m},{2001 + (m - 1) // 12}{(m - 1) % 12 + 1:02d},{gpp},-0.5,2.0" for m in months]
    return "\n".join(["ID,Date,GPP,NEE,ET", *rows]) + "\n"


def fluxnet(resolution: str, stamps: list[str], start: bool = False) -> str:
    head = "TIMESTAMP_START,TIMESTAMP_END" if start else "TIMESTAMP"
    lines = [f"{head},TA_F,TA_F_QC,P_F,LE_F_MDS,LE_F_MDS_QC,NEE_VUT_REF,NEE_VUT_05"]
    for at, stamp in enumerate(stamps):
        time = f"{stamp},{stamps[at]}" if start else stamp
        lines.append(f"{time},{at}.5,0,1.8,{-9999 if at == 1 else 100},1,2.0,9.0")
    return "\n".join(lines) + "\n"


def test_monthly_series_of_all_sites_are_one_dataset_with_positions(tmp_path: Path) -> None:
    write(tmp_path / "location_fluxnet.csv", LOCATIONS)
    write(tmp_path / "validation_US-Ha1.csv", monthly([14, 15, 17, 18, 19, 20]))
    # The other country's code for the same tower.
    write(tmp_path / "validation_DK-ZaF.csv", monthly([13]))
    dataset = canonical(tmp_path, "fluxnet_monthly")
    assert dataset["site"].values.tolist() == ["DK-ZaF", "US-Ha1"]
    assert dataset["lat"].values.tolist() == [74.48, 42.54]
    assert dataset["vegetation"].values.tolist() == ["WET", "DBF"]
    # January to August 2002; April is missing in both and comes back as NaN.
    assert dataset.sizes["time"] == 8
    gpp = dataset["gpp"].sel(site="US-Ha1").values
    assert np.isnan(gpp).tolist() == [True, False, False, True, *[False] * 4]
    assert gpp[1] == pytest.approx(1e-3 / SECONDS)
    ends = pd.DatetimeIndex(dataset["time_bnds"].values[:, 1])
    assert ends[1] == pd.Timestamp("2002-03-01")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (monthly([14]).replace("14,", "15,"), "wanted months counted from 2001-01"),
        (monthly([14]).replace("GPP", "GEP"), "found the columns"),
        ("ID,Date,GPP,NEE,ET\n", "at least one"),
        (monthly([14, 15]).replace("-0.5", "high"), "no table"),
    ],
)
def test_a_bad_month_table_is_left_out_alone(tmp_path: Path, text: str, why: str) -> None:
    write(tmp_path / "validation_US-Ha1.csv", monthly([14, 15]))
    write(tmp_path / "validation_US-NR1.csv", text)
    _, dataset = opened(tmp_path, "fluxnet_monthly")
    assert dataset["site"].values.tolist() == ["US-Ha1"]
    (lost,) = (each for each in source_findings(dataset) if not each.variable)
    assert lost.file == "validation_US-NR1.csv"
    assert why in lost.found


def test_half_hours_are_means_from_their_start_and_amounts_become_rates(tmp_path: Path) -> None:
    stamps = [f"2000010100{minute:02d}" for minute in (0, 30)] + ["200001010100"]
    name = "FLX_US-Ha1_FLUXNET2015_FULLSET_HH_2000-2000_1-4.csv"
    write(tmp_path / name, fluxnet("HH", stamps, start=True))
    dataset = canonical(tmp_path, "fluxnet2015_US-Ha1_HH")
    assert str(dataset["time"].values[1])[:16] == "2000-01-01T00:30"
    assert np.allclose(dataset["pr"], 1.8 / 1800)
    assert np.allclose(dataset["nee"], 2.0e-6 * CARBON)
    assert np.isnan(dataset["hfls"].values).tolist() == [[False, True, False]]
    assert dataset["tas"].values[0].tolist() == pytest.approx([273.65, 274.65, 275.65])
    assert dataset["LE_F_MDS_QC"].values.tolist() == [[1.0, 1.0, 1.0]]
    _, raw = opened(tmp_path, "fluxnet2015_US-Ha1_HH")
    assert raw.attrs["time_zone"] == "local standard time"
    left = [each for each in source_findings(raw) if each.check == "lexicon"]
    assert "NEE_VUT_05" in left[0].found


def test_days_hold_rates_and_years_hold_sums(tmp_path: Path) -> None:
    write(
        tmp_path / "FLX_US-Ha1_FLUXNET2015_FULLSET_DD_2000-2000_1-4.csv",
        fluxnet("DD", ["20000228", "20000229", "20000301"]),
    )
    write(
        tmp_path / "FLX_US-Ha1_FLUXNET2015_FULLSET_YY_2000-2002_1-4.csv",
        fluxnet("YY", ["2000", "2001", "2002"]),
    )
    day = canonical(tmp_path, "fluxnet2015_US-Ha1_DD")
    assert np.allclose(day["pr"], 1.8 / SECONDS)
    assert np.allclose(day["nee"], 2e-3 / SECONDS)
    year = canonical(tmp_path, "fluxnet2015_US-Ha1_YY")
    # 2000 is a leap year.
    assert year["pr"].values[0] == pytest.approx([1.8 / (n * SECONDS) for n in (366, 365, 365)])
    assert year["nee"].values[0, 1] == pytest.approx(2e-3 / (365 * SECONDS))


def test_of_replicates_the_first_is_taken(tmp_path: Path) -> None:
    text = (
        "# Site: US-Ha1\n# Version: 1-1\n"
        "TIMESTAMP_START,TIMESTAMP_END,TA_1_1_1,TA_1_2_1,P,SW_IN_1_1_1,LE\n"
        "200001010000,200001010030,1.0,9.0,1.8,0.0,-9999\n"
        "200001010030,200001010100,2.0,9.0,0.0,10.0,50.0\n"
        "200001010100,200001010130,3.0,9.0,0.0,20.0,60.0\n"
    )
    write(tmp_path / "AMF_US-Ha1_BASE_HH_10-5.csv", text)
    dataset = canonical(tmp_path, "ameriflux_US-Ha1_HH")
    assert dataset["tas"].values[0].tolist() == pytest.approx([274.15, 275.15, 276.15])
    assert dataset["pr"].values[0, 0] == pytest.approx(1e-3)
    _, raw = opened(tmp_path, "ameriflux_US-Ha1_HH")
    assert any("TA_1_2_1" in each.found for each in source_findings(raw))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:-12], "cut off"),
        (lambda text: text.replace("20000229", "20000230"), "the stamp '20000230'"),
        (lambda text: text.replace("1.5,0", "warm,0"), "found 'warm'"),
        (lambda text: text.replace("TIMESTAMP", "WHEN"), "wanted TIMESTAMP_START"),
        (lambda text: text.replace("20000301", "20000228"), "wanted times that increase"),
    ],
)
def test_a_damaged_tower_file_says_what_is_wrong(tmp_path: Path, change: object, why: str) -> None:
    assert callable(change)
    text = fluxnet("DD", ["20000228", "20000229", "20000301"])
    name = "FLX_US-Ha1_FLUXNET2015_FULLSET_DD_2000-2000_1-4.csv"
    write(tmp_path / name, change(text))
    with pytest.raises(InvalidData, match=why) as caught:
        opened(tmp_path, "fluxnet2015_US-Ha1_DD")
    assert name in str(caught.value)


def test_cardamom_files_go_by_the_row_of_the_table_of_sites(tmp_path: Path) -> None:
    write(tmp_path / "location_fluxnet.csv", LOCATIONS)
    months = 24
    gpp = np.where(np.arange(months) < 12, 3.0, -9999.0)
    for row, latitude in ((2, 42.5), (3, 40.25)):
        data = cbf_bytes(months, latitude, row + np.arange(months) % 6 / 10, gpp)
        (tmp_path / f"flux_site_{row}.cbf").write_bytes(data)
    entry, raw = opened(tmp_path, "cardamom")
    assert raw["site"].values.tolist() == ["US-Ha1", "US-NR1"]
    said = [each for each in source_findings(raw) if each.variable == "column_13"]
    assert [each.action for each in said] == ["refused"]
    dataset, _ = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert dataset is not None
    assert dataset["tasmin"].values[:, 6].tolist() == pytest.approx([275.15, 276.15])
    assert int(dataset["gpp"].notnull().sum()) == 24
    assert str(dataset["time"].values[13])[:10] == "2002-02-01"


def test_a_cardamom_file_of_another_place_or_length_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "location_fluxnet.csv", LOCATIONS)
    one = cbf_bytes(12, 42.5, np.ones(12), np.ones(12))
    (tmp_path / "flux_site_2.cbf").write_bytes(one)
    (tmp_path / "flux_site_3.cbf").write_bytes(one)
    (tmp_path / "flux_site_1.cbf").write_bytes(cbf_bytes(12, 74.5, np.ones(12), np.ones(12))[:-8])
    _, dataset = opened(tmp_path, "cardamom")
    assert dataset["site"].values.tolist() == ["US-Ha1"]
    lost = {each.file: each.found for each in source_findings(dataset) if not each.variable}
    assert "cut off" in lost["flux_site_1.cbf"]
    assert "another site's" in lost["flux_site_3.cbf"]


def test_half_hours_stamped_at_their_end_are_moved_to_the_start(tmp_path: Path) -> None:
    lines = ["Year\tDoY\tHour\tNEE\tLE\tH\tRg\tTair\tTsoil\trH\tVPD\tUstar", "-\t" * 11 + "-"]
    for at in range(96):
        day, half_hour = divmod(at + 1, 48)
        lines.append(f"1998\t{1 + day}\t{half_hour / 2}\t-1\t10\t5\t{at}\t{at % 20}\t3\t50\t4\t0.3")
    # Old Mac line ends, as in the file that REddyProc ships.
    (tmp_path / "Example_DETha98.txt").write_bytes("\r".join(lines).encode())
    entry, raw = opened(tmp_path, "reddyproc_DE-Tha")
    assert str(raw["time"].values[0])[:16] == "1998-01-01T00:00"
    assert str(raw["time"].values[-1])[:16] == "1998-01-02T23:30"
    assert entry.facets["site"] == "DE-Tha"
    dataset = canonical(tmp_path, entry.key)
    assert dataset["tas"].values[0, 1] == pytest.approx(274.15)


def test_means_of_the_daytime_and_empty_columns_are_refused(tmp_path: Path) -> None:
    head = "date,temp,vpd,ppfd,netrad,patm,snow,rain,tmin,tmax,fapar,co2,ccov"
    rows = [f"2007-01-{day:02d},9,200,1e-4,4,99000,0,1e-5,7,13,0.6,384,0" for day in range(1, 9)]
    write(tmp_path / "FR-Pue_daily/p_model_drivers_forcing.csv", "\n".join([head, *rows]) + "\n")
    observed = "\n".join(
        ["sitename,date,gpp,gpp_unc", *(f"FR-Pue,2007-01-{day:02d},2.0,0.1" for day in range(1, 9))]
    )
    write(tmp_path / "FR-Pue_daily/p_model_validation.csv", observed + "\n")
    _, raw = opened(tmp_path, "p_model_FR-Pue")
    refused = {each.variable for each in source_findings(raw)}
    assert refused == {"temp", "vpd", "snow", "ccov"}
    assert not refused & set(raw)
    assert np.allclose(canonical(tmp_path, "p_model_FR-Pue")["gpp"], 2e-3 / SECONDS)


def test_what_is_no_data_or_not_stated_is_refused_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "WKG.stdfmt.daily.txt", "2004 05 06 -9999.00 465.49 328.35 13.20\n" * 3)
    write(tmp_path / "FLUXNET.sitemap.csv", '"","FLUX.id","site.id"\n"1","BR-Sa3","1000000011"\n')
    write(tmp_path / "p_model_drivers_site_info.csv", "lon,lat,elv,whc\n3.6,43.7,270,432\n")
    write(tmp_path / "location_fluxnet.csv", LOCATIONS)
    write(tmp_path / "SOURCE_README.md", "words")
    write(tmp_path / "a.bin", "x")
    (tmp_path / "broken.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    xr.Dataset({"depth": ("z", [1.0])}).to_netcdf(tmp_path / "ocean.nc")
    found = search(tmp_path)
    assert found.entries == ()
    why = {each.file: each for each in found.refused}
    assert len(why) == found.files == 8
    assert why["WKG.stdfmt.daily.txt"].found == "7 columns of numbers without names"
    assert "not state" in why["WKG.stdfmt.daily.txt"].why
    assert "depth" in why["ocean.nc"].found
    assert why["broken.nc"].check == "file"


def test_sites_can_be_picked_inside_of_a_dataset(tmp_path: Path) -> None:
    for site in ("US-Ha1", "US-NR1", "DE-Tha"):
        write(tmp_path / f"validation_{site}.csv", monthly([14, 15]))
    (entry,) = search(tmp_path, site=["US-*"]).entries
    assert entry.facets["site"] == "US-Ha1 US-NR1"
    assert len(entry.files) == 2
    assert search(tmp_path, product=["cardamom"]).entries == ()
