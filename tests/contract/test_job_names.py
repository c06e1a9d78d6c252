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
        3,
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
        "894697eb9acfc4568d15143e3a6d14a33542d15430840b56d8b53d5429de4340",
    ),
    (
        "calibrator",
        "ImportEnsemble",
        3,
        {"generated": {"runs": 200, "seed": 3}},
        "72bc3efd5157bb674c07cc45b55b0e3ea1ca96632818e4161d50e0674b0fa2a2",
    ),
    (
        "calibrator",
        "TrainSurrogate",
        2,
        {"ensemble": ref("ensemble")},
        "52f24565f9689e8a92ea3b605678fbd9dccebeb2c67aa3e17eeb89e5e2caad06",
    ),
    (
        "calibrator",
        "TrainSurrogate",
        2,
        {"ensemble": ref("ensemble"), "method": "gp"},
        "d6e6a48c86de2ca9e779e4f3c30cb6427b52aa278f51ec1e38e98d7de22c36fa",
    ),
    (
        "calibrator",
        "TrainPosterior",
        2,
        {"surrogate": ref("surrogate"), "seed": 7},
        "a7349a0cb22a8e77ed884c8844bb7a41b554044de48d46f2532d27aea73c0fa7",
    ),
    (
        "calibrator",
        "SampleSites",
        2,
        {"posterior": ref("posterior"), "observations": ref("files"), "observations_file": "s.csv"},
        "3698c4283a3f4cee23ee78b9d149ac459272abf0ff9901e621e0f2270498bf17",
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
        2,
        {"posterior": ref("posterior"), "ensemble": ref("ensemble"), "noise_fraction": 0.25},
        "5477cf7fc734850a43eed004ff6fefd751e7a25aabe1720b5bf19429fc6c6b90",
    ),
    (
        "calibrator",
        "WriteReport",
        3,
        {
            "title": "US-MOz",
            "ensemble": ref("ensemble"),
            "surrogate": ref("surrogate"),
            "posterior": ref("posterior"),
            "observation": OBSERVATION,
        },
        "a4019d29c2d36dce28c34c65d21e41cdea4f90e64a7afd13e51d1cd9fd3d0351",
    ),
    (
        "data-ingest",
        "IngestDataset",
        3,
        ARCHIVE,
        "6cad81a60a4639cc4d865d7ee0bcbd39de638082f45607ab649010333eee7ed4",
    ),
    (
        "data-ingest",
        "IngestDataset",
        3,
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
        "e97c9638dc3c5f7ca9275c274a694fc4061dba77f4c37cdc1d282019c3988bec",
    ),
    (
        "data-ingest",
        "IngestDataset",
        3,
        {"source": "generated_weather", "weather": {"sites": 3, "seed": 7}},
        "fea5a8889587cb920b322bf279c3df040691eb80816048e418b669318bde775d",
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
        2,
        {"dataset": ref("dataset"), "half": True, "leads_s": [21600]},
        "b74b9e3055cc721a7982321ec575d34fd7097cdbabe6f59a13a3b3b59db07bfc",
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
        2,
        {
            "setup": SETUP | {"fixed": [{"name": "br_mr", "value": 2e-6}]},
            "draw": {
                "members": 1000,
                "seed": 3,
                "parameters": [{"name": "flnr", "pft": "c4_grass"}],
            },
        },
        "8e7f7dee5e0f61e6370ad722c2956ee81d778b8b68a19249f44e17c8ccf5c125",
    ),
    (
        "ensemble-runner",
        "RunEnsemble",
        2,
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
        "d0d089d97660591dd80830d106c36163a4836eaa73f846103312c04c55928bfc",
    ),
    (
        "ensemble-runner",
        "SummariseFluxes",
        2,
        {
            "sites": [
                {
                    "runs": [ref("runs")],
                    "tower": {"files": ref("files"), "file": "US-MMS_Flux.nc", "site": "US-MMS"},
                }
            ],
            "held_back_years": 4,
        },
        "d2c929ac510e722f68214500f6ab7431ad649c8e6c98f938eee9920c90300539",
    ),
    (
        "ensemble-runner",
        "DrawFluxes",
        1,
        {"runs": ref("runs"), "site": "US-MMS", "seed": 5},
        "ca48135bbcbffd92639623af2f8db1a636db74e504e74c225bd808a66a185ff3",
    ),
    (
        "ensemble-runner",
        "WriteSubmission",
        2,
        {
            "model": "embedded.v1",
            "sites": [
                {
                    "site": "US-MMS",
                    "prior": ref("case"),
                    "posterior": ref("runs"),
                    "tower": {"files": ref("files"), "file": "US-MMS_Flux.nc"},
                }
            ],
            "held_back_years": 4,
            "statistics": ref("statistics"),
            "draws": ref("draws"),
        },
        "353f79991e93c46d6a222a24cf476556ce1cbc0f9af99a99cb2914fc481c8ad4",
    ),
]

REGION = {
    "setup": {
        "forcing": {"dataset": ref("dataset"), "co2_ppm": 285},
        "surface_map": {"files": ref("files"), "file": "plants.nc", "seed": 3},
    },
    "draw": {"members": 2, "seed": 3, "parameters": [{"name": "flnr"}]},
    "own_parameters": True,
}
GOLDEN += [
    (
        "ensemble-runner",
        "SpinUp",
        2,
        {"setup": {"forcing": {"dataset": ref("dataset")}, "surfaces": [LAND]}},
        "a660ad41c6839980928934e4f1985fe1ff8ccce44fabfb0dec592a5a1f877056",
    ),
    (
        "ensemble-runner",
        "SpinUp",
        2,
        REGION
        | {
            "method": {"kind": "emulator", "emulator": ref("spin_up_emulator")},
            "sample": {"share": 0.25, "seed": 1},
            "check": {"settle_cycles": 2},
        },
        "b5a45da01e857405446bc5e509a0f88351f166b36941afa4f1409813e6daf798",
    ),
    (
        "ensemble-runner",
        "CompareSpinUps",
        2,
        REGION
        | {
            "methods": [
                {"kind": "sasu", "ad_years": 20},
                {"kind": "trees", "training": ref("spin_up")},
            ],
            "reference": {"final_years": 900},
            "free_cycles": 4,
        },
        "93c1025a8f653653349a27aea408d8797ccbfdddb2d8ead71996e08744fbc440",
    ),
]

BASINS = {"dataset": {"dataset": ref("dataset"), "key": "caravan_era5land"}, "spread": 12}
TRAINING = {
    "training_days": {"start": "1988-10-01", "end": "2003-09-30"},
    "validation_days": {"start": "2003-10-01", "end": "2007-09-30"},
}
GOLDEN += [
    (
        "forecaster",
        "TrainForecaster",
        2,
        {
            "basins": BASINS,
            **TRAINING,
            "process": ref("forecaster"),
            "training": {"window": 60},
        },
        "41ba5d0280737954942cd183f97ad454b00e8a2190772554b548efb613e41874",
    ),
    (
        "forecaster",
        "TrainForecaster",
        2,
        {
            "basins": {"generated": {"basins": 6, "years": 12, "seed": 1}},
            "model": "gr4j",
            "training_days": TRAINING["training_days"],
        },
        "54a4b0969767f4ca487a63fae76354bba9a1131190c56bac7c54b734a3c5dc31",
    ),
    (
        "forecaster",
        "ArchiveWeather",
        1,
        {"dataset": {"dataset": ref("dataset"), "key": "reforecasts"}},
        "f6a3f6ca98246e48eb47c5e9d77b571e7e7a63daf433496104bd46e64bdd611c",
    ),
    (
        "forecaster",
        "FitIntervals",
        2,
        {"forecaster": ref("forecaster"), "basins": BASINS, "archive": ref("weather_archive")},
        "e3a16ebde30c0c7c3ff77ff11510cd46040fb104b828f0eb64c3eb59893ace98",
    ),
    (
        "forecaster",
        "FitIntervals",
        2,
        {"forecaster": ref("forecaster"), "basins": BASINS, "method": "cqr"},
        "e9154b3e43e42506cbe08851763503556dd9136b063a57f05e8b3874e9b8a170",
    ),
    (
        "forecaster",
        "UpdateIntervals",
        2,
        {
            "intervals": ref("intervals"),
            "forecaster": ref("forecaster"),
            "basins": BASINS,
            "end": "2014-05-01",
        },
        "e0249389c15ac484c498a2581d0f29e4a0c556b85bb356498a85ce08ca65532d",
    ),
    (
        "forecaster",
        "IssueForecasts",
        2,
        {
            "forecaster": ref("forecaster"),
            "intervals": ref("intervals"),
            "basins": BASINS,
            "issues": {"start": "2014-05-01", "end": "2014-05-01"},
        },
        "457346234c224a30264b23811f688e827fe453030cda113c2cc356d38ca63e43",
    ),
    (
        "forecaster",
        "EvaluateForecasts",
        2,
        {
            "forecasters": [ref("forecaster")],
            "intervals": ref("intervals"),
            "basins": BASINS,
            "days": {"start": "2008-01-01", "end": "2009-12-31"},
            "stride": 3,
            "track": True,
        },
        "953c09e842c1bae0686bde7534bb61b7be0fa0a6108ee8e89f11871662937467",
    ),
    (
        "forecaster",
        "DrawSamples",
        1,
        {
            "forecaster": ref("forecaster"),
            "basins": BASINS,
            "issues": {"start": "2008-01-01", "end": "2009-12-31"},
            "count": 90,
            "archive": ref("weather_archive"),
        },
        "69f35d1053587888a7ef668e49dca8a051e94ed6780c3d4dc143e75aceb9bb20",
    ),
]

GOLDEN += [
    (
        "explainer",
        "ExplainForecast",
        1,
        {
            "flow": {
                "forecaster": ref("forecaster"),
                "samples": ref("flow_samples"),
                "leads": [1, 7],
                "quantile": 0.9,
            },
            "methods": ["expected_gradients", "kernel_shap"],
            "baselines": 16,
            "seed": 3,
        },
        "cd044216e2ff84b81437a1f66a461ae850211be7dfe24de7c70fc5761852f6f5",
    ),
    (
        "explainer",
        "ExplainForecast",
        1,
        {
            "fields": {
                "checkpoint": ref("checkpoint"),
                "cache": ref("hot_cache"),
                "days": {"start": "2001-01-01", "end": "2010-12-31"},
                "leads_h": [6, 24],
                "targets": [{"variable": "tas", "south": 30, "north": 50, "west": 350, "east": 20}],
            },
        },
        "252cb22cd2f96f44b5c69c559f59088ac128aeb29b0baee606fd080e7939b13e",
    ),
    (
        "explainer",
        "ExplainParameters",
        1,
        {"surrogate": ref("surrogate"), "outputs": ["gpp"], "methods": ["sobol"], "samples": 4096},
        "a1ab011dde95888866fbc2b13484c7a21b0dcea47aed7390c1e821e51dd94a15",
    ),
]

TRAINED = {"start": "2001-01-01", "end": "2010-12-31"}
GOLDEN += [
    (
        "orbit-trainer",
        "Pretrain",
        2,
        {
            "caches": [ref("hot_cache")],
            "leads_h": [6, 24],
            "training_days": TRAINED,
            "shape": {"size": "115m"},
            "training": {"steps": 500, "batch": 32, "mesh": {"fsdp": 4, "tp": 2}},
            "seed": 3,
        },
        "2f67a840e908b4e00cac085c9484044b4842bd7da1d46032ebc3b270baf82758",
    ),
    (
        "orbit-trainer",
        "Pretrain",
        2,
        {"caches": [ref("hot_cache")]},
        "f1659f990418fd9dac6cb73593377e955f2f3e27b4b6a05197068ad51237e0e8",
    ),
    (
        "orbit-trainer",
        "FineTune",
        3,
        {
            "checkpoint": ref("checkpoint"),
            "task": "downscale",
            "cache": ref("hot_cache"),
            "factor": 2,
            "adapter": "lora",
        },
        "e3e0c42f1cb0cd7e715cb4338f92f255e39a16c44821d7c20c7508a9794640a6",
    ),
    (
        "orbit-trainer",
        "EvaluateCheckpoint",
        2,
        {
            "checkpoint": ref("checkpoint"),
            "cache": ref("hot_cache"),
            "days": TRAINED,
            "roll_out": True,
        },
        "a1473b56083aeab8271537f3ded3db2cc8241fe74e49e958ea81d46b0a990572",
    ),
    (
        "orbit-trainer",
        "PlanTraining",
        3,
        {"shape": {"size": "10b"}, "cluster": {"preset": "h200"}, "gpus": 512},
        "a752e558e1623be816251cc4e615bcf1ebabe8bef2b64ecc8eaecf2adcf3061f",
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
