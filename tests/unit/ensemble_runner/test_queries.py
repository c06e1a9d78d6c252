"""Requests that contradict themselves are refused, with every mistake at once."""

from __future__ import annotations

from typing import Any

import pytest
from support import ensembles
from support.bucket_model import GRASS, TREES

from catena.ensemble_runner import queries
from catena.shared.errors import InvalidRequest

DATASET = {"uri": "imports/x", "digest": f"sha256:{'1' * 64}", "kind": "dataset"}
FILES = {"uri": "imports/y", "digest": f"sha256:{'2' * 64}", "kind": "files"}


def violations(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        ensembles.ensemble_query(DATASET, **changes)
    return {each.field: each.description for each in caught.value.violations}


def test_a_sound_request_passes() -> None:
    query = ensembles.ensemble_query(DATASET)
    assert query.seed == 3 and query.frequency == "monthly"
    assert ensembles.ensemble_query(DATASET, draw=None, table=TABLE).seed is None


TABLE = {"columns": [{"name": "rate"}], "values": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"draw": None}, {"members": "got none"}),
        ({"table": TABLE}, {"members": "got draw and table"}),
        ({"outputs": ["WATER", "WATER"]}, {"outputs[1]": "twice"}),
        ({"draw": {**ensembles.draw(), "members": 0}}, {"draw.members": "greater than or equal"}),
        ({"draw": {**ensembles.draw(), "members": -5}}, {"draw.members": "greater than or equal"}),
        (
            {"draw": {**ensembles.draw(), "design": "random"}},
            {"draw.design": "'sobol' or 'latin_hypercube'"},
        ),
        ({"draw": {**ensembles.draw(), "first_size": 10}}, {"draw.first_size": "by itself"}),
        (
            {"draw": ensembles.draw(design="latin_hypercube", first_size=41)},
            {"draw.first_size": "smaller ensemble"},
        ),
        (
            {"draw": ensembles.draw(parameters=[{"name": "rate"}, {"name": "rate"}])},
            {"draw.parameters[1]": "name each once"},
        ),
        (
            {"draw": ensembles.draw(parameters=[{"name": "capacity", "pft": GRASS},
                                                {"name": "capacity"}])},
            {"draw.parameters[1]": "without a PFT all are meant"},
        ),
        (
            {"draw": ensembles.draw(parameters=[{"name": "rate", "low": 0.2, "high": 0.1}])},
            {"draw.parameters[0].high": "low < high"},
        ),
        (
            {"draw": ensembles.draw(parameters=[{"name": "rate", "low": 0.2}])},
            {"draw.parameters[0].high": "both bounds"},
        ),
        ({"draw": None, "table": {**TABLE, "values": [0.1, float("nan")]}},
         {"table.values[1]": "finite"}),
        ({"draw": None, "table": {"columns": [{"name": "a"}, {"name": "b"}], "values": [1.0]}},
         {"table.values": "whole rows"}),
    ],
)  # fmt: skip
def test_members_that_cannot_be_meant(changes: dict[str, Any], told: dict[str, str]) -> None:
    found = violations(**changes)
    assert set(found) == set(told)
    for field, text in told.items():
        assert text in found[field]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"forcing": {}}, {"forcing.dataset": "give one"}),
        ({"forcing": {"dataset": DATASET, "files": FILES, "file": "a.nc"}},
         {"forcing.dataset": "give one"}),
        ({"forcing": {"files": FILES}}, {"forcing.file": "is missing"}),
        ({"forcing": {"dataset": FILES}}, {"forcing.dataset": "wanted dataset"}),
        ({"forcing": {"dataset": DATASET, "first_year": 2002, "last_year": 2001}},
         {"forcing.last_year": "first_year <= last_year"}),
        ({"forcing": {"dataset": DATASET, "co2": FILES}}, {"forcing.co2_file": "both or neither"}),
        ({"forcing": {"dataset": DATASET, "file": "../../etc/passwd"}},
         {"forcing.file": "match pattern"}),
        ({"stages": []}, {"stages": "at least one"}),
        ({"stages": [{"kind": "transient"}, {"kind": "final"}]}, {"stages[1].kind": "after"}),
        ({"stages": [{"kind": "spinup"}]}, {"stages[0].kind": "'ad_spinup', 'final'"}),
        ({"stages": [{"kind": "final", "years": -1}]}, {"stages[0].years": "greater than"}),
        ({"surfaces": [{**ensembles.SURFACE, "pfts": [{"name": TREES, "fraction": 0.5}]}]},
         {"surfaces[0].pfts": "add up to 0.5"}),
        ({"surfaces": [{**ensembles.SURFACE,
                        "soil": [{"bottom_m": 1, "sand_percent": 70, "clay_percent": 50}]}]},
         {"surfaces[0].soil[0].clay_percent": "at most 100"}),
        ({"surfaces": [{**ensembles.SURFACE, "soil": [{"bottom_m": 1}, {"bottom_m": 0.5}]}]},
         {"surfaces[0].soil[1].bottom_m": "top down"}),
        ({"fixed": [{"name": "rate", "value": 0.1}, {"name": "rate", "value": 0.2}]},
         {"fixed[1]": "once"}),
        ({"restart": {"artifact": DATASET}}, {"restart.artifact": "wanted case or files"}),
    ],
)  # fmt: skip
def test_setups_that_cannot_be_meant(changes: dict[str, Any], told: dict[str, str]) -> None:
    found = violations(setup=ensembles.setup(DATASET) | changes)
    assert set(found) == {f"setup.{field}" for field in told}
    for field, text in told.items():
        assert text in found[f"setup.{field}"]


def test_what_is_fixed_cannot_vary() -> None:
    fixed = ensembles.setup(DATASET, fixed=[{"name": "rate", "value": 0.1}])
    assert list(violations(setup=fixed)) == ["draw.parameters[1]"]
    assert list(violations(setup=fixed, draw=None, table=TABLE)) == ["table.columns[0]"]


def test_every_mistake_is_told_at_once() -> None:
    found = violations(
        setup=ensembles.setup(DATASET, stages=[{"kind": "transient", "co2_ppm": -1}]),
        draw=ensembles.draw(parameters=[{"name": "rate", "low": 2, "high": 1}]),
        outputs=["1X"],
        frequency="hourly",
    )
    assert set(found) == {
        "setup.stages[0].co2_ppm",
        "draw.parameters[0].high",
        "outputs[0]",
        "frequency",
    }


def test_more_parameters_than_fit_into_a_reply_are_refused() -> None:
    request = {"draw": ensembles.draw(60_001)}
    with pytest.raises(InvalidRequest) as caught:
        queries.DrawParametersQuery.from_plain(request)
    [violation] = caught.value.violations
    assert violation.field == "draw.members" and "RunEnsemble" in violation.description
    queries.DrawParametersQuery.from_plain({"draw": ensembles.draw(60_000)})


def test_a_name_does_not_change_with_where_the_forcing_lies() -> None:
    here = ensembles.ensemble_query(DATASET)
    there = ensembles.ensemble_query({**DATASET, "uri": "jobs/data-ingest/IngestDataset/1"})
    other = ensembles.ensemble_query({**DATASET, "digest": f"sha256:{'3' * 64}"})
    names = [q.digest("ensemble-runner", "RunEnsemble", 1) for q in (here, there, other)]
    assert names[0] == names[1] != names[2]
