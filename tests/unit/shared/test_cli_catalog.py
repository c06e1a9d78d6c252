"""``catena catalog`` and the catalog's search, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from catena.shared.artifacts import ArtifactStore
from catena.shared.catalog import FACETS, Catalog
from catena.shared.catalog_files import CSV, JSON, PARQUET, pack, resolved
from catena.shared.cli import app
from catena.shared.client import open_store
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.settings import Settings


def row(dataset: str, variable: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "source": "cmip6",
        "dataset": dataset,
        "variable": variable,
        "mode": "copy",
        "format": "zarr",
        "path": f"jobs/data-ingest/IngestDataset/{dataset}/attempts/1/data.zarr",
    }
    return {**plain, **more}


ROWS = [
    row("MIROC6", "tas", source_id="MIROC6", start="1950-01-01", end="2014-12-31", units="K",
        lat_min=-89.0, lat_max=89.0, lon_min=-180.0, lon_max=179.0),
    row("CanESM5", "tas", source_id="CanESM5", start="2015-01-01", end="2100-12-31",
        lat_min=-89.0, lat_max=89.0, lon_min=-180.0, lon_max=179.0),
    row("CanESM5", "pr", source_id="CanESM5", start="2015-01-01", end="2100-12-31"),
    row("US-Ha1", "gpp", source="fluxnet", site="US-Ha1", start="1991-01-01T00:00:00",
        end="2012-12-31T23:00:00", lat_min=42.5, lat_max=42.5, lon_min=-72.2, lon_max=-72.2),
    row("Fiji", "gpp", source="fluxnet", site="FJ", start="2000-01-01", end="2001-01-01",
        lat_min=-18.0, lat_max=-17.0, lon_min=177.0, lon_max=179.5, mode="reference",
        format="reference", fixes=2),
    row("sftlf", "sftlf", frequency="fx"),
]  # fmt: skip


def datasets(catalog: Catalog, **asked: Any) -> list[str]:
    return [found["dataset"] for found in catalog.search(**asked).rows]


def test_rows_come_back_as_they_went_in() -> None:
    catalog = Catalog.from_rows(ROWS)
    back = {(found["dataset"], found["variable"]): found for found in catalog.rows()}
    assert len(back) == len(ROWS)
    for given_row in ROWS:
        found = back[given_row["dataset"], given_row["variable"]]
        assert {name: found[name] for name in given_row} == given_row
    assert back["sftlf", "sftlf"]["site"] == ""
    assert back["sftlf", "sftlf"]["lat_min"] is None


def test_equal_rows_give_equal_bytes_in_any_order() -> None:
    first, second = pack(ROWS, title="x"), pack(ROWS[::-1], title="x")
    assert first == second
    assert set(first) == {JSON, PARQUET, CSV}


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"facets": {"variable": ["tas"]}}, ["CanESM5", "MIROC6"]),
        ({"facets": {"variable": ["t*", "gpp"]}}, ["CanESM5", "MIROC6", "Fiji", "US-Ha1"]),
        ({"facets": {"source_id": ["MIROC?"]}}, ["MIROC6"]),
        ({"facets": {"site": ["*"]}}, ["Fiji", "US-Ha1"]),
        ({"facets": {"source_id": ["CanESM5"], "variable": ["pr"]}}, ["CanESM5"]),
        ({"facets": {"generated": ["true"]}}, []),
        (
            {"facets": {"variable": ["tas|pr", "ta.", "TAS"]}},
            [],
        ),  # letters, not a regular expression
        # The year 2014 holds December; 2015 begins after MIROC6 ends.
        ({"time": ("2014", "2014"), "facets": {"source": ["cmip6"]}}, ["MIROC6", "sftlf"]),
        ({"time": ("2015", ""), "facets": {"variable": ["tas"]}}, ["CanESM5"]),
        ({"time": ("", "1990-12"), "facets": {"variable": ["gpp"]}}, []),
        ({"time": ("2012-12-31T23:00", ""), "facets": {"variable": ["gpp"]}}, ["US-Ha1"]),
        ({"lat": (40, 45), "lon": (-80, -70)}, ["CanESM5", "MIROC6", "US-Ha1"]),
        ({"lat": (-20, 0), "lon": (170, -170), "facets": {"variable": ["gpp"]}}, ["Fiji"]),
    ],
)
def test_search(asked: dict[str, Any], wanted: list[str]) -> None:
    assert datasets(Catalog.from_rows(ROWS), **asked) == wanted


def test_counts_are_over_all_matching_rows_not_over_the_page() -> None:
    found = Catalog.from_rows(ROWS).search({"source": ["cmip6"]}, page_size=1, counts=True)
    assert found.counts["variable"] == {"tas": 2, "pr": 1, "sftlf": 1}
    assert next(iter(found.counts["variable"])) == "tas"
    assert found.counts["source_id"] == {"CanESM5": 2, "MIROC6": 1}  # no count for "has none"
    assert found.counts["site"] == {}
    assert set(found.counts) == set(FACETS)


def test_pages_hold_every_row_once() -> None:
    catalog, seen, token = Catalog.from_rows(ROWS), [], ""
    while True:
        page = catalog.search(page_size=4, page_token=token)
        seen += [(found["dataset"], found["variable"]) for found in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert sorted(seen) == sorted((item["dataset"], item["variable"]) for item in ROWS)


@pytest.mark.parametrize("other", ["a search", "a catalog"])
def test_a_page_token_of_another_search_is_refused(other: str) -> None:
    token = Catalog.from_rows(ROWS).search(page_size=1).next_page_token
    rows = ROWS if other == "a search" else [*ROWS[:-1], row("sftlg", "sftlg")]
    facets = {"variable": ["tas"]} if other == "a search" else {}
    with pytest.raises(InvalidRequest, match="page_token"):
        Catalog.from_rows(rows).search(facets, page_size=1, page_token=token)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"facets": {"experiment": ["ssp585"]}}, "did you mean experiment_id"),
        ({"facets": {"variable": "tas"}}, "wanted a list"),
        ({"time": ("2000", "1990")}, "before it begins"),
        ({"time": ("last year", "")}, "wanted 1990"),
        ({"lat": (50, 30)}, "south <= north"),
        ({"lon": (0, 360)}, "-180..180"),
        ({"page_size": 0}, "page_size"),
        ({"page_token": "99.abc"}, "page_token"),
    ],
)
def test_a_wrong_search_says_what_was_wanted(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Catalog.from_rows(ROWS).search(**asked)


def test_an_empty_catalog_is_a_catalog() -> None:
    found = Catalog.from_rows([]).search({"variable": ["t*"]}, time=("1990", ""), counts=True)
    assert (found.total, found.rows) == (0, [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "copied"}, "mode 'copied'"),
        ({"path": ""}, "no path"),
        ({"model": "CanESM5"}, "unknown columns model"),
    ],
)
def test_rows_that_are_none_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        pack([row("CanESM5", "tas", **wrong)])


def test_two_rows_of_one_variable_are_refused() -> None:
    with pytest.raises(InvalidData, match="two rows of dataset CanESM5, variable tas"):
        pack([ROWS[1], ROWS[1]])


@pytest.mark.parametrize("data", [b"", b"PAR1", b"dataset,variable\n"])
def test_what_is_no_table_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(InvalidData, match="no parquet table"):
        Catalog(tmp_path / "x.parquet")


def test_paths_become_urls_once() -> None:
    once = resolved(ROWS, "s3://bucket/store/")
    assert once[0]["path"].startswith("s3://bucket/store/jobs/data-ingest/")
    assert resolved(once, "file:///elsewhere") == once


WORDS = st.sampled_from(["", "tas", "tasmax", "pr", "a.b", "a+b", "x*"])
PATTERNS = st.sampled_from(["tas", "tas*", "?r", "*", "a.b", "a?b", "x*", "p"])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.tuples(WORDS, st.integers(0, 400), st.integers(0, 400)), max_size=30),
    patterns=st.lists(PATTERNS, max_size=3),
    ends=st.tuples(st.integers(0, 400), st.integers(0, 400)),
)
def test_search_is_the_plain_loop(
    values: list[tuple[str, int, int]], patterns: list[str], ends: tuple[int, int]
) -> None:
    """The codes and masks find what a loop over the rows with its own matching finds."""
    begin, rows = date(2000, 1, 1), []
    for number, (word, start, length) in enumerate(values):
        first = begin + timedelta(start)
        times = {"start": first.isoformat(), "end": (first + timedelta(length)).isoformat()}
        rows.append(row(f"d{number:03}", "v", site=word, **times))
    low, high = (str(begin + timedelta(day)) for day in sorted(ends))

    def like(text: str, pattern: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(like(text[cut:], pattern[1:]) for cut in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and like(text[1:], pattern[1:])

    def wanted(item: Mapping[str, Any]) -> bool:
        facet = bool(item["site"]) and any(like(item["site"], pattern) for pattern in patterns)
        return facet and item["start"] <= high and item["end"] >= low

    found = Catalog.from_rows(rows).search({"site": patterns}, time=(low, high), page_size=1000)
    assert [item["dataset"] for item in found.rows] == [r["dataset"] for r in rows if wanted(r)]


def test_row_groups_are_crossed() -> None:
    """Rows of a page that lie in several row groups of the file come in order."""
    rows = [row(f"d{number:06}", "tas", source_id=f"m{number % 7}") for number in range(140_000)]
    catalog = Catalog.from_rows(rows)
    token, seen = "", []
    for _ in range(3):
        page = catalog.search({"source_id": ["m3"]}, page_size=7_000, page_token=token)
        token = page.next_page_token
        seen += [found["dataset"] for found in page.rows]
    assert seen == [f"d{number:06}" for number in np.arange(3, 140_000, 7)]


# The command.


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CATENA_RUN_DIR", str(tmp_path / "run"))
    return open_store(Settings())


@pytest.fixture
def filled(store: ArtifactStore) -> ArtifactStore:
    store.put_files(pack(ROWS[:2], title="old"), kind="catalog", title="old")
    store.put_files(pack(ROWS, title="all"), kind="catalog", title="all")
    return store


def catena(*words: str) -> Result:
    return CliRunner().invoke(app, ["catalog", *words])


def test_without_a_catalog_the_message_says_how_to_get_one(store: ArtifactStore) -> None:
    shown = catena("search")
    assert shown.exit_code == 3
    assert "no catalog yet" in shown.output and "ingest" in shown.output


def test_the_newest_catalog_is_searched(filled: ArtifactStore) -> None:
    shown = catena("search", "variable=tas,pr", "time=2020/2030", "--json")
    found = json.loads(shown.stdout)
    assert shown.exit_code == 0
    assert {(item["dataset"], item["variable"]) for item in found["rows"]} == {
        ("CanESM5", "tas"),
        ("CanESM5", "pr"),
    }
    assert found["total"] == 2


def test_a_named_catalog_is_searched(filled: ArtifactStore) -> None:
    old = next(item for item in filled.list("catalog") if item.manifest.title == "old")
    assert json.loads(catena("search", "--catalog", old.uri, "--json").stdout)["total"] == 2
    files = filled.put_files({"x.csv": b"1"})
    shown = catena("search", "--catalog", files.uri)
    assert shown.exit_code == 2 and "wanted a catalog" in shown.output


def test_search_prints_a_table(filled: ArtifactStore) -> None:
    shown = catena("search", "site=US-*", "lat=40/45", "lon=-80/-70")
    assert shown.exit_code == 0
    assert "US-Ha1" in shown.stdout and "gpp" in shown.stdout and "1991-01-01" in shown.stdout
    assert "MIROC6" not in shown.stdout
    assert "nothing in the catalog" in catena("search", "variable=zos").stdout


def test_what_is_not_shown_is_told(filled: ArtifactStore) -> None:
    assert "5 more rows" in catena("search", "--limit", "1").output


def test_facets_are_counted(filled: ArtifactStore) -> None:
    shown = catena("search", "source=cmip6", "--facets")
    assert "tas (2), pr (1), sftlf (1)" in shown.stdout
    counts = json.loads(catena("search", "source=cmip6", "--facets", "--json").stdout)["facets"]
    assert counts["source_id"] == {"CanESM5": 2, "MIROC6": 1}


@pytest.mark.parametrize(
    ("word", "message"),
    [("tas", "wanted FACET=VALUE"), ("lat=north", "two numbers"), ("varable=tas", "did you mean")],
)
def test_wrong_words_are_named(filled: ArtifactStore, word: str, message: str) -> None:
    shown = catena("search", word)
    assert shown.exit_code == 2
    assert message in shown.output


def test_show(filled: ArtifactStore) -> None:
    whole = catena("show").stdout
    assert "rows      6" in whole and "fluxnet (2)" in whole
    one = catena("show", "MIROC6").stdout
    assert "1950-01-01" in one and "path" in one and "site" not in one
    missing = catena("show", "MIROC7")
    assert missing.exit_code == 3 and "MIROC7" in missing.output


def test_export_leaves_out_what_only_catena_makes_right(
    filled: ArtifactStore, tmp_path: Path
) -> None:
    shown = catena("export", str(tmp_path / "out"))
    assert shown.exit_code == 0 and "1 rows are left out" in shown.output
    rows = Catalog(tmp_path / "out" / PARQUET).rows()
    assert {item["dataset"] for item in rows} == {"MIROC6", "CanESM5", "US-Ha1", "sftlf"}
    assert all(item["path"].startswith(f"{filled.url}/jobs/") for item in rows)
    catena("export", str(tmp_path / "all"), "--all")
    assert len(Catalog(tmp_path / "all" / PARQUET)) == 6
    description = json.loads((tmp_path / "all" / JSON).read_text())
    assert description["catalog_file"] == PARQUET
