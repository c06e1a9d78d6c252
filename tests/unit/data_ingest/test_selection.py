"""The selection finds what was planted, and says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from support import climates

from catena.data_ingest.candidates import Candidate
from catena.data_ingest.cmec import check_cmec, one_variable
from catena.data_ingest.metrics import METRICS
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.selection import candidates_of, select, select_models
from catena.data_ingest.verdict import relative_errors
from catena.shared.checks.findings import Finding, Inspection
from catena.shared.errors import InvalidData, InvalidRequest, NotFound

ERRORS = {"BEST": 0.6, "GOOD": 0.9, "USUAL": 1.0, "FAIR": 1.1, "POOR": 3.0}
GRID = named_grid("5deg")


@pytest.fixture(scope="module")
def reference() -> Candidate:
    grid = named_grid("2.5deg")
    data = climates.series(
        {"tas": climates.cycle(grid), "pr": climates.rain(grid)}, grid, calendar="standard"
    )
    return Candidate("REANALYSIS", "unspecified", (data,))


@pytest.fixture(scope="module")
def models() -> dict[str, xr.Dataset]:
    return climates.planted(ERRORS)


def candidates(models, **more) -> list[Candidate]:
    return [Candidate(name, "r1i1p1f1", (data,)) for name, data in {**models, **more}.items()]


def run(models, reference, **more):
    return select_models(models, reference, grid="5deg", **more)


def test_relative_errors_are_gleckers():
    errors = np.array([[1.0, 2.0], [2.0, 2.0], [5.0, np.nan]])
    np.testing.assert_allclose(relative_errors(errors), [[-0.5, 0], [0, 0], [1.5, np.nan]])
    assert np.isnan(relative_errors(np.full((3, 1), np.nan))).all()


def test_models_come_in_the_order_of_their_planted_errors(models, reference):
    result = run(candidates(models), reference)
    assert [row.model for row in result.table] == list(ERRORS)
    assert result.kept == ("BEST", "GOOD", "USUAL", "FAIR")
    # The planted patterns are the same but for their size, so E' is the ratio of the sizes; grids
    # differ, and regridding costs a little.
    for row in result.table:
        assert row.errors["tas"] == pytest.approx(ERRORS[row.model] - 1, abs=0.06)
        assert row.mean_error == pytest.approx(np.mean(list(row.errors.values())))
        assert 0.5 < row.ratios["tas"] < 2
    assert result.table[-1].why == f"mean relative error {result.table[-1].mean_error:.2f} >= 0.5"


def test_the_threshold_is_the_rule(models, reference):
    assert run(candidates(models), reference, threshold=-0.2).kept == ("BEST",)
    assert run(candidates(models), reference, threshold=5.0).kept == tuple(ERRORS)


def test_planted_faults_fail_and_are_named(models, reference):
    grid = GRID
    tas, pr = climates.cycle(grid), climates.rain(grid)
    rolled = climates.series({"tas": np.roll(tas, 6, 0), "pr": np.roll(pr, 6, 0)}, grid)
    scaled = climates.series({"tas": tas, "pr": 3.0 * pr}, grid)
    short = models["USUAL"].isel(time=slice(0, 12 * 19))
    gappy = models["USUAL"].drop_isel(time=[100, 101])
    celsius = models["USUAL"].copy()
    celsius["tas"] = (celsius["tas"] - 273.15).assign_attrs(units="degC")
    regional = models["USUAL"].isel(lat=slice(0, 30))
    twisted = xr.Dataset(
        {n: (("time", "y", "x"), a.values, a.attrs) for n, a in models["USUAL"].data_vars.items()},
        coords={"time": models["USUAL"]["time"]},
    )
    result = run(
        candidates(
            models,
            ROLLED=rolled,
            SCALED=scaled,
            SHORT=short,
            GAPPY=gappy,
            CELSIUS=celsius,
            REGIONAL=regional,
            TWISTED=twisted,
            DRY=models["USUAL"].drop_vars("pr"),
            TWIN=models["GOOD"],
            MIRROR=reference.datasets[0],
        ),
        reference,
    )
    rows = {row.model: row for row in result.table}
    assert set(result.kept) == {"BEST", "GOOD", "USUAL", "FAIR"}
    assert rows["ROLLED"].mean_error > 3  # July in January
    assert "pr: found a standard deviation 3.0" in rows["SCALED"].why
    for model, words in {
        "SHORT": "tas: found 19 years, wanted 20",
        "GAPPY": "tas: found 2 months without values (1989-05, 1989-06)",
        "CELSIUS": "tas: found units 'degC', wanted 'K'",
        "REGIONAL": "% of the reference's area",
        "TWISTED": "ESMF weight file",
        "DRY": "variable pr is missing: found tas",
        "TWIN": "holds the same values as GOOD",
        "MIRROR": "holds the same values as the reference",
    }.items():
        assert rows[model].mean_error is None, model
        assert words in " ".join(rows[model].fails), (model, rows[model].fails)
        assert rows[model].why.startswith("not compared: ")
    # Those that are not compared do not move the median.
    alone = run(candidates(models, ROLLED=rolled, SCALED=scaled), reference)
    assert {r.model: r.errors for r in alone.table}["GOOD"] == rows["GOOD"].errors


def test_what_the_checks_refused_is_a_fail(models, reference):
    finding = Finding("units", "refused", "kg/kg", "%", variable="pr")
    whole = Finding("layout", "refused", "nothing", "a series")
    listed = candidates(models)
    listed[0] = Candidate("BEST", "r1", listed[0].datasets, Inspection((finding,)))
    listed[1] = Candidate("GOOD", "r1", listed[1].datasets, Inspection((whole,)))
    rows = {row.model: row for row in run(listed, reference).table}
    assert rows["BEST"].fails == (f"variable pr was refused: {finding}",)
    assert rows["GOOD"].fails == (str(whole),)


def test_a_month_that_is_there_but_empty_is_missing(models, reference):
    hollow = models["USUAL"].copy(deep=True)
    hollow["tas"][37] = np.nan
    (row,) = [r for r in run(candidates(models, HOLLOW=hollow), reference).table if r.fails]
    assert "1 months without values (1984-02)" in row.why


def test_the_document_is_cmecs_and_pmps(models, reference):
    land = xr.Dataset(
        {"sftlf": (("lat", "lon"), np.where(GRID.lon[None] + 0 * GRID.lat[:, None] > 0, 100.0, 0))},
        coords=GRID.coordinates(),
    )
    result = run(candidates(models), reference, regions=("land", "ocean_TROPICS"), land=land)
    document = json.loads(json.dumps(result.document, allow_nan=False))
    check_cmec(document)
    pmp = one_variable(document, "tas")
    check_cmec(pmp)
    assert pmp["DIMENSIONS"]["json_structure"] == [
        "model",
        "reference",
        "rip",
        "region",
        "statistic",
        "season",
    ]
    regions = pmp["RESULTS"]["GOOD"]["REANALYSIS"]["r1i1p1f1"]
    assert set(regions) == {"global", "land", "ocean_TROPICS"}
    assert set(regions["global"]) == set(METRICS)
    assert set(regions["global"]["rms_xy"]) == {"ann", "djf", "mam", "jja", "son"}
    assert regions["global"]["rms_xyt"]["djf"] is None
    assert regions["land"]["bias_xy"]["jja"] != regions["global"]["bias_xy"]["jja"]
    assert document["SELECTION"]["models"][0]["model"] == "BEST"
    # Strict readers want each level to have all the keys that its dimension lists.
    level = pmp["RESULTS"]
    for name in pmp["DIMENSIONS"]["json_structure"]:
        assert set(level) == set(pmp["DIMENSIONS"][name])
        level = next(iter(level.values()))
    with pytest.raises(NotFound, match="wanted one of tas, pr"):
        one_variable(document, "ua")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("DIMENSIONS"), "no object DIMENSIONS"),
        (lambda d: d["DIMENSIONS"]["json_structure"].pop(), "json_structure"),
        (lambda d: d["RESULTS"]["tas"].update(NEW={}), "key 'NEW'.*dimension model"),
        (lambda d: d["RESULTS"]["tas"].update(GOOD=1.0), "tas/GOOD: found a value"),
        (
            lambda d: d["RESULTS"]["tas"]["GOOD"]["REANALYSIS"]["r1i1p1f1"]["global"][
                "rms_xy"
            ].update(ann=[1]),
            "rms_xy/ann: found list",
        ),
    ],
)
def test_a_broken_document_is_found(models, reference, change, words):
    document = json.loads(json.dumps(run(candidates(models), reference).document))
    change(document)
    with pytest.raises(InvalidData, match=words):
        check_cmec(document)


def test_the_table_is_csv_with_reasons(models, reference):
    lines = run(candidates(models), reference).to_csv().splitlines()
    assert lines[0] == "model,realisation,kept,mean_error,tas,pr,fails,why"
    assert lines[1].startswith("BEST,r1i1p1f1,yes,-0.")
    assert len(lines) == 6


def test_few_models_are_said_to_be_few(models, reference):
    few = run(candidates({"GOOD": models["GOOD"]}), reference)
    assert "median says little" in few.document["NOTES"]["models"]
    assert not run(candidates(models), reference).document["NOTES"]


def test_rows_of_artifacts_become_candidates(models, reference):
    def row(model, run="r1i1p1f1", experiment="historical", key="k"):
        return {
            "key": key,
            "facets": {"source_id": model, "member_id": run, "experiment_id": experiment},
            "findings": [],
        }

    opened = [(row(name), data[["tas"]]) for name, data in models.items()]
    opened += [(row(name), data[["pr"]]) for name, data in models.items()]
    opened += [(row("GOOD", "r10i1p1f1"), models["POOR"])]
    opened += [(row("GOOD", "r1i1p1f1", "ssp585"), models["POOR"])]
    known = [({"key": "era5", "facets": {}, "findings": []}, reference.datasets[0])]
    chosen = {one.model: one for one in candidates_of(opened)}
    assert chosen["GOOD"].realisation == "r1i1p1f1"
    assert len(chosen["GOOD"].datasets) == 2
    seen: list[str] = []
    result = select(opened, known, years=(1982, 2003), progress=lambda s, m: seen.append(m))
    assert result.reference == "era5"
    assert set(result.kept) == {"BEST", "GOOD", "USUAL", "FAIR"}
    assert seen == list(ERRORS)
    with pytest.raises(InvalidRequest, match="no model has any of them"):
        select([(row("A"), models["GOOD"].rename(tas="ts", pr="prw"))], known)
    with pytest.raises(InvalidRequest, match="found no dataset"):
        select(opened, [])


def test_requests_that_make_no_sense_are_refused(models, reference):
    with pytest.raises(InvalidRequest, match="wanted each once"):
        run([], reference)
    with pytest.raises(InvalidRequest, match="wanted an error"):
        run(candidates(models), reference, statistic="std_xyt")
    with pytest.raises(InvalidRequest, match="wanted hPa"):
        run(candidates(models), reference, variables=["ta-low"])
    with pytest.raises(InvalidRequest, match="wanted a global one"):
        select_models(candidates(models), reference, grid=GRID.part((0, 40), (0, 40)))
    with pytest.raises(InvalidData, match="ua is missing"):
        run(candidates(models), reference, variables=["ua"])
