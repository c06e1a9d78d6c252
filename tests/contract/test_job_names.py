"""Names of jobs are kept: a new name means that every store computes everything anew.

If a test here fails, a request now has another name than before. After a change of a job's science
that is wanted: raise its version and write the new digest here. After anything else (a new field
must have a default that keeps the old meaning) it is a mistake.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from catena.shared import contracts
from catena.shared.query import Query
from catena.shared.requests import request_from_dict
from catena.shared.settings import SERVICE_NAMES


def ref(kind: str) -> dict[str, str]:
    digit = format(sum(kind.encode()) % 16, "x")
    return {"uri": f"imports/{kind}", "digest": "sha256:" + digit * 64, "kind": kind}


OBSERVATION = {"values": [10.0, 20.5], "error_sd": [1.0, 2.0], "site": "US-MOz"}
RANGE = {"name": "flnr", "units": "1", "low": 0.05, "high": 0.25}

ARCHIVE = {"source": "cmip6", "location": "/archive/cmip6", "as_of": "2026-01-31"}

# service, method, version of the science, request, digest
GOLDEN: list[tuple[str, str, int, dict[str, Any], str]] = [
    (
        "calibrator",
        "ImportEnsemble",
        1,
        {
            "files": {
                "files": ref("files"),
                "parameters_file": "p.csv",
                "outputs_file": "o.npy",
            },
            "parameters": [RANGE],
            "outputs": [{"name": "LH2006", "units": "W m-2"}],
            "held_out_runs": 100,
        },
        "0fce1823a1fd8fba31090d766a24ba19ca76c615d896eb48e151c5dad7190d45",
    ),
    (
        "calibrator",
        "ImportEnsemble",
        1,
        {"generated": {"runs": 200, "seed": 3}},
        "46e402d645604f2420925685378de531d161a685b3af0b606d8fc041768ad44f",
    ),
    (
        "calibrator",
        "TrainSurrogate",
        1,
        {"ensemble": ref("ensemble")},
        "e28553a71e1974bea563d91bd7f482278067e9c7a209ed9f52070a9c2d68043c",
    ),
    (
        "calibrator",
        "TrainSurrogate",
        1,
        {"ensemble": ref("ensemble"), "method": "gp"},
        "66670a948a2fc8f7e1bf53578156f7638e5d77090100ca44ea00d65ccafa2aaa",
    ),
    (
        "calibrator",
        "TrainPosterior",
        1,
        {"surrogate": ref("surrogate"), "seed": 7},
        "7fc105c31792f7fe08adef96350c4e43df9ecc36482a0c10b5a2bc0d23597377",
    ),
    (
        "calibrator",
        "SampleSites",
        1,
        {"posterior": ref("posterior"), "observations": ref("files"), "observations_file": "s.csv"},
        "2cda638b720e5c68320caaa0be449e8144618d23c772b4c6383e7c800b342f41",
    ),
    (
        "calibrator",
        "RunMcmc",
        1,
        {"surrogate": ref("surrogate"), "observation": OBSERVATION},
        "c01fff082607898ddec681cf269e37d214e7d60c0222e4ae11d5ca04de5502a6",
    ),
    (
        "calibrator",
        "CheckCalibration",
        1,
        {"posterior": ref("posterior"), "ensemble": ref("ensemble"), "noise_fraction": 0.25},
        "2e06a88bb2701c1ac8147016200a9a7490ec6d092012f16b0935ba00d102d893",
    ),
    (
        "calibrator",
        "WriteReport",
        1,
        {
            "title": "US-MOz",
            "ensemble": ref("ensemble"),
            "surrogate": ref("surrogate"),
            "posterior": ref("posterior"),
            "observation": OBSERVATION,
        },
        "150e2c903717d785f7d4a27d76997eb7ba9222bbd856c096d9733cecd0e56976",
    ),
    (
        "data-ingest",
        "IngestDataset",
        1,
        ARCHIVE,
        "ac139f7a52143b244cf008c0fec56feecc1d68858bcbd63db1766152a3b0dd27",
    ),
    (
        "data-ingest",
        "IngestDataset",
        1,
        {
            **ARCHIVE,
            "mode": "reference",
            "selection": {
                "facets": [{"name": "table_id", "values": ["Amon", "Lmon"]}],
                "variables": ["tas"],
                "start": "1990-01-01",
                "region": {"south": 30, "north": 50, "west": -100, "east": -80},
            },
        },
        "25d1742c18a8efe8431421c77857b50207244f4cd68d94d5c97ed0d2ddff837d",
    ),
    (
        "data-ingest",
        "IngestDataset",
        1,
        {"source": "generated_weather", "weather": {"sites": 3, "seed": 7}},
        "7f488088cfafa4cab82b04b236b24a28482c828247c7be4a4d862370ce678a9d",
    ),
    (
        "data-ingest",
        "WriteCatalog",
        1,
        {"title": "mine", "datasets": [ref("dataset")]},
        "5e364c36a3a0b02c1517a5b53c33deeeefa812f325b83e963f74778b687ca862",
    ),
    (
        "data-ingest",
        "SelectModels",
        1,
        {"models": ref("dataset"), "reference": ref("dataset"), "threshold": 0.2},
        "97f53da8370306246507cb57b1a9fb92197bb210731b8c1b9b885dffe019047e",
    ),
    (
        "data-ingest",
        "Regrid",
        1,
        {"dataset": ref("dataset"), "grid": "1.4deg"},
        "f7596acad77dc47829964007b4228b9341118133f9ade3cdaab8113584bab271",
    ),
    (
        "data-ingest",
        "BuildCache",
        1,
        {"dataset": ref("dataset"), "half": True, "leads_s": [21600]},
        "96ae34936175240a7b6b1cff713cef6e667fc4029833cb98c9942ab4dd2bceac",
    ),
]

LAND = {
    "pfts": [{"name": "c4_grass", "fraction": 1.0}],
    "soil": [{"bottom_m": 1.0, "sand_percent": 40, "clay_percent": 20}],
}
SETUP = {
    "forcing": {"dataset": ref("dataset")},
    "surfaces": [LAND],
    "stages": [{"kind": "final", "years": 10}, {"kind": "transient"}],
}
GOLDEN += [
    (
        "ensemble-runner",
        "RunCase",
        1,
        {"setup": SETUP, "frequencies": ["daily", "yearly"]},
        "8cbee79c7553bcc92ced22e60679f70164ce0a6f83b56ae21a75238e44b2e8dc",
    ),
    (
        "ensemble-runner",
        "RunEnsemble",
        1,
        {
            "setup": SETUP | {"fixed": [{"name": "br_mr", "value": 2e-6}]},
            "draw": {
                "members": 1000,
                "seed": 3,
                "parameters": [{"name": "flnr", "pft": "c4_grass"}],
            },
        },
        "2ae88507b7457baeab50d566e4b1d5743e6862f064667b5669ff73842b76d595",
    ),
    (
        "ensemble-runner",
        "RunEnsemble",
        1,
        {
            "setup": SETUP
            | {
                "forcing": {"files": ref("files"), "file": "US-MMS.nc", "utc_offset_h": -5},
                "surfaces": [],
                "restart": {"artifact": ref("case")},
            },
            "draws": {"draws": ref("draws"), "site": "US-MMS", "members": 100},
            "frequency": "daily",
        },
        "6f21ab4002c670cbb5ae401e3ad8d8c4e82a6310602f00997ab8f91952836ba7",
    ),
]


def package(service: str, module: str) -> Any:
    return import_module(f"catena.{service.replace('-', '_')}.{module}")


def query_of(service: str, method: str, request: dict[str, Any]) -> Query:
    model: type[Query] = getattr(package(service, "queries"), f"{method}Query")
    return model.from_message(request_from_dict(service, method, request))


@pytest.mark.parametrize(("service", "method", "version", "request_", "digest"), GOLDEN)
def test_a_request_keeps_its_name(
    service: str, method: str, version: int, request_: dict[str, Any], digest: str
) -> None:
    assert query_of(service, method, request_).digest(service, method, version) == digest


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_every_long_rpc_is_in_the_table(service: str) -> None:
    long = {
        rpc.name
        for one in contracts.services(service)
        for rpc in one.methods
        if contracts.is_long(service, rpc.name)
    }
    assert {method for name, method, *_ in GOLDEN if name == service} == long


@pytest.mark.parametrize(
    ("service", "method", "version"), sorted({(one[0], one[1], one[2]) for one in GOLDEN})
)
def test_the_table_has_the_version_of_the_job(service: str, method: str, version: int) -> None:
    jobs = package(service, "jobs")
    found = {
        job.version
        for job in vars(jobs).values()
        if type(job).__name__ == "JobFunction" and job.method == method
    }
    assert found == {version}


@pytest.mark.parametrize(("service", "method", "version", "request_", "digest"), GOLDEN)
def test_a_request_survives_being_stored(
    service: str, method: str, version: int, request_: dict[str, Any], digest: str
) -> None:
    # The worker makes the query again from what the server stored, with its defaults.
    query = query_of(service, method, request_)
    stored = query.model_dump(mode="json", exclude={"validate_only"})
    assert type(query).from_plain(stored).digest(service, method, version) == digest
