"""What names say: the data reference syntax, and how archives deviate from it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cmip6_files import FACETS, drs_path

from catena.data_ingest.sources.base import ArchiveFile
from catena.data_ingest.sources.cmip6_layout import (
    Placed,
    dataset_id,
    frequency,
    normal_version,
    place,
)
from catena.data_ingest.sources.cmip6_series import _longest_chain, entries
from catena.shared.checks.findings import Finding


def placed(path: str, size: int | None = 1, checksum: str = "") -> Placed:
    found = place(ArchiveFile(path, size, checksum))
    assert isinstance(found, Placed), found
    return found


def refused(path: str) -> Finding:
    found = place(ArchiveFile(path))
    assert isinstance(found, Finding), found
    return found


NAME = "ta_Amon_MIROC6_ssp119_r1i1p1f1_gn_201501-202412.nc"
TREE = "ScenarioMIP/MIROC/MIROC6/ssp119/r1i1p1f1/Amon/ta/gn"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (f"CMIP6/{TREE}/v20190807/{NAME}", "v20190807"),
        (f"{TREE}/v20190807/{NAME}", "v20190807"),
        (f"badc/cmip6/data/CMIP6/{TREE}/files/d20190807/{NAME}", "v20190807"),
        (f"x/CMIP6/{TREE}/v20190807/ta/{NAME}", "v20190807"),
        (f"CMIP6/{TREE}/latest/{NAME}", ""),
    ],
)
def test_folders_tell_all_facets(path: str, version: str) -> None:
    facets = placed(path).facets
    assert facets.get("version", "") == version
    assert facets["activity_id"] == "ScenarioMIP"
    assert facets["institution_id"] == "MIROC"
    assert facets["frequency"] == "mon"
    assert dataset_id(facets) == "CMIP6.ScenarioMIP.MIROC.MIROC6.ssp119.r1i1p1f1.Amon.ta.gn"


def test_a_flat_file_tells_what_its_name_says() -> None:
    facets = placed("somewhere/snw_day_CanESM5_historical_r1i1p1f1_gn_19910101-20101231.nc").facets
    assert facets["source_id"] == "CanESM5" and "activity_id" not in facets


def test_forecasts_have_their_start_year() -> None:
    facets = placed(drs_path("196011-197012", member_id="s1960-r2i1p1f1")).facets
    assert (facets["member_id"], facets["dcpp_start_year"]) == ("s1960-r2i1p1f1", "1960")


def test_the_next_generation_archive_has_names_of_its_own() -> None:
    facets = placed("tas/ann/g025/tas_ann_IPSL-CM6A-LR_ssp126_r1i1p1f1_g025.nc").facets
    assert facets["frequency"] == "yr" and "table_id" not in facets
    assert dataset_id(facets) == "cmip6-ng.tas.yr.IPSL-CM6A-LR.ssp126.r1i1p1f1.g025"


def test_a_store_lies_where_a_version_does() -> None:
    found = placed(f"CMIP6/{TREE}/v20190807")
    assert found.store and found.version == "v20190807"
    assert placed(f"CMIP6/{TREE}/v20190807.zarr").version == "v20190807"


def test_a_name_that_contradicts_its_folder_is_refused() -> None:
    wrong = NAME.replace("ssp119", "ssp585")
    finding = refused(f"CMIP6/{TREE}/v20190807/{wrong}")
    assert "ssp585" in finding.found and "ssp119" in finding.wanted
    assert finding.variable == "ta" and finding.file.endswith(wrong)


@pytest.mark.parametrize("name", ["tas.nc", "tas_Amon_MIROC6_historical_gn.nc", "tas_20000101.nc"])
def test_names_that_say_nothing_are_refused(name: str) -> None:
    assert refused(name).check == "layout"


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    finding = refused(f"CMIP6/{TREE}/v20190807/{NAME.replace('201501-202412', '202412-201501')}")
    assert finding.dimension == "time"


@pytest.mark.parametrize(
    ("table", "wanted"),
    [("Amon", "mon"), ("day", "day"), ("Eday", "day"), ("fx", "fx"), ("Ofx", "fx"), ("Oyr", "yr"),
     ("E3hr", "3hr"), ("6hrPlevPt", "6hr"), ("AERhr", "1hr"), ("E1hr", "1hr"), ("SImon", "mon"),
     ("Odec", "dec"), ("CFsubhr", "subhr")],
)  # fmt: skip
def test_frequency_of_tables(table: str, wanted: str) -> None:
    assert frequency(table) == wanted


@pytest.mark.parametrize("text", ["20190807", "v20190807", "d20190807"])
def test_versions_are_written_one_way(text: str) -> None:
    assert normal_version(text) == "v20190807"
    assert normal_version("latest") == ""


# From files to datasets.


def year(number: int, **facets: str) -> Placed:
    return placed(drs_path(f"{number}0101-{number}1231", **facets))


def names(files: list[Placed], *, all_versions: bool = False) -> dict[str, list[str]]:
    found, _ = entries(files, all_versions=all_versions)
    return {entry.key: [file.path.rpartition("_")[2] for file in entry.files] for entry in found}


KEY = ".".join(["CMIP6", *FACETS.values()])


def test_files_of_a_dataset_are_one_entry_in_order_of_time() -> None:
    found, refusals = entries([year(2001), year(1999), year(2000)], all_versions=False)
    assert [entry.key for entry in found] == [KEY]
    assert [file.path[-20:-16] for file in found[0].files] == ["1999", "2000", "2001"]
    assert found[0].referable and found[0].vocabulary == "cmip6" and not refusals


def test_the_next_generation_archive_has_a_vocabulary_of_its_own() -> None:
    (entry,) = entries(
        [placed("tas/ann/g025/tas_ann_IPSL-CM6A-LR_ssp126_r1i1p1f1_g025.nc")], all_versions=False
    )[0]
    assert entry.vocabulary == "cmip6_ng"
    assert entry.fixes[0].arguments == {"names": ["file_qf"]}


def test_the_newest_version_wins_unless_asked() -> None:
    files = [year(2000, version=f"v{number}") for number in (20180101, 20200101, 20190101)]
    found, refusals = entries(files, all_versions=False)
    assert [entry.facets["version"] for entry in found] == ["v20200101"]
    assert [(item.check, item.found, item.wanted) for item in refusals] == [
        ("version", "version v20180101", "version v20200101"),
        ("version", "version v20190101", "version v20200101"),
    ]
    assert len(names(files, all_versions=True)) == 3


def test_a_copy_in_another_place_is_one_file() -> None:
    twin = placed(f"mirror/{drs_path('20000101-20001231')}")
    found, refusals = entries([year(2000), twin], all_versions=False)
    assert [len(entry.files) for entry in found] == [1]
    assert refusals[0].check == "duplicate" and refusals[0].file == twin.file.path


@pytest.mark.parametrize(
    ("size", "checksum", "other", "check"),
    [(1, "sha256:a", "sha256:b", "contradiction"), (2, "", "", "contradiction"),
     (2, "sha256:a", "sha256:a", "duplicate")],
)  # fmt: skip
def test_two_contents_of_one_name_are_told(
    size: int, checksum: str, other: str, check: str
) -> None:
    path = drs_path("20000101-20001231")
    files = [placed(path, 1, other), placed(f"mirror/{path}", size, checksum)]
    _, refusals = entries(files, all_versions=False)
    assert [item.check for item in refusals] == [check]


def test_a_copy_without_version_is_a_dataset_of_its_own() -> None:
    path = drs_path("20000101-20001231")
    files = [placed(path), placed(path.replace("/v20191016/", "/latest/"))]
    assert set(names(files)) == {KEY, KEY.removesuffix(".v20191016")}


def test_overlapping_files_are_no_series() -> None:
    """A single month beside the whole: both are kept, under names that tell them apart."""
    whole, month = (placed(drs_path(period)) for period in ("185001-201412", "185001"))
    assert names([month, whole]) == {KEY: ["185001-201412.nc"], f"{KEY}.185001": ["185001.nc"]}


def test_months_of_two_centuries_are_no_series() -> None:
    files = [placed(drs_path(period)) for period in ("185501", "209901")]
    assert names(files) == {KEY: ["185501.nc"], f"{KEY}.209901": ["209901.nc"]}


def test_a_series_with_a_missing_file_stays_a_series() -> None:
    assert names([year(1999), year(2000), year(2002)]).keys() == {KEY}


@given(
    st.lists(
        st.tuples(st.integers(1900, 1930), st.integers(0, 8)), min_size=1, max_size=12, unique=True
    )
)
def test_every_file_is_in_one_entry_and_no_entry_overlaps(spans: list[tuple[int, int]]) -> None:
    files = [placed(drs_path(f"{first}01-{first + more}12")) for first, more in spans]
    found, refusals = entries(files, all_versions=False)
    assert not refusals
    assert sorted(file.path for entry in found for file in entry.files) == sorted(
        file.file.path for file in files
    )
    assert len({entry.key for entry in found}) == len(found)
    years = {file.file.path: (file.begin, file.end) for file in files}
    for entry in found:
        spans_of = [years[file.path] for file in entry.files]
        assert all(before[1] <= after[0] for before, after in pairwise(spans_of))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), min_size=1, max_size=8))
def test_the_chain_is_the_longest_there_is(spans: list[tuple[int, int]]) -> None:
    """As long as the best of all sets without overlap, tried one by one."""
    files = [
        Placed(ArchiveFile(f"{number}"), begin=float(first), end=float(first + length))
        for number, (first, length) in enumerate(spans)
    ]
    best = max(
        _covered(subset)
        for size in range(len(files) + 1)
        for subset in combinations(sorted(files, key=lambda file: file.begin), size)
        if all(before.end <= after.begin for before, after in pairwise(subset))
    )
    chain = _longest_chain(files)
    assert _covered(chain) == pytest.approx(best)
    assert all(before.end <= after.begin for before, after in pairwise(chain))


def _covered(files: Iterable[Placed]) -> float:
    return sum(file.end - file.begin for file in files)
