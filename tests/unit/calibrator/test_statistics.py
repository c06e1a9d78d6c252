"""Ensembles and observations out of ensemble-runner's statistics of several sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support.calibration import plain
from support.servers import Running

from catena.calibrator import jobs
from catena.calibrator.queries import ImportEnsembleQuery, ReadObservationQuery
from catena.calibrator.server import add_services
from catena.calibrator.storage import read_ensemble
from catena.shared.artifacts import ArtifactStore, Lineage
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.testing import LocalJobs, run_job

NAMES = ["NEE_US-MMS_07", "EFLX_LH_TOT_US-NR1_JJA"]
GPP = {"name": "GPP", "absolute_sd": 1.0}
LOW, HIGH = np.array([0.1, 1.3]), np.array([0.2, 2.5])
ROWS = LOW + np.random.default_rng(1).uniform(size=(40, 2)) * (HIGH - LOW)


def put_statistics(store: ArtifactStore, name: str = "a", **changes: Any) -> dict[str, str]:
    simulated = np.stack([ROWS @ [10.0, 1.0], ROWS @ [50.0, -3.0]], axis=1)
    simulated[7] = np.nan  # a member that failed
    data = {
        "simulated": (("member", "statistic"), simulated),
        "observed": ("statistic", np.array([3.0, 0.0])),
        "error_sd": ("statistic", np.array([0.5, 1.5])),
        "parameters": (("member", "parameter"), ROWS),
        "parameter_low": ("parameter", LOW),
        "parameter_high": ("parameter", HIGH),
    }
    coords: dict[str, Any] = {
        "statistic": NAMES,
        "statistic_units": ("statistic", ["gC m-2 d-1", "W m-2"]),
        "statistic_long_name": ("statistic", ["a mean", "a scatter"]),
        "parameter": ["flnr.tree", "q10_hr"],
        "parameter_units": ("parameter", ["1", "1"]),
        "parameter_long_name": ("parameter", ["Rubisco", "warmth"]),
    }
    writer = store.writer(f"ensemble-runner/SummariseFluxes/{name}", 1)
    writer.write_dataset("statistics.zarr", xr.Dataset(data, coords=coords | changes))
    sites = [{"site": "US-MMS"}, {"site": "US-NR1"}]
    about = {"model": "embedded 1", "synthetic": False, "sites": sites}
    writer.write_json("statistics.json", about)
    lineage = Lineage(service="ensemble-runner", method="SummariseFluxes")
    return plain(writer.commit(kind="statistics", title="two towers", lineage=lineage))


def imported(store: ArtifactStore, ref: dict[str, str], **request: Any) -> dict[str, str]:
    asked = {"statistics": {"statistics": ref}, **request}
    query = ImportEnsembleQuery.from_plain(asked)
    return plain(run_job(jobs.import_ensemble, query, store))


@pytest.fixture
def store(tmp_path: Any) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}")


@pytest.fixture
def client(serve: Callable[..., Running], store: ArtifactStore) -> ServiceClient:
    running = serve(add_services, service="calibrator", jobs=LocalJobs, store=store.url,
                    patience_s=1.0, deadline_s=60.0)  # fmt: skip
    return running.client()


def test_outputs_and_parameters_are_those_of_the_statistics(store: ArtifactStore) -> None:
    ref = imported(store, put_statistics(store), held_out_runs=5)
    ensemble = read_ensemble(store.open(ref["uri"]))
    assert list(ensemble.output_table.names) == NAMES
    assert ensemble.output_table.units == ("gC m-2 d-1", "W m-2")
    assert ensemble.prior.names == ("flnr.tree", "q10_hr")
    assert ensemble.parameter_long_names == ("Rubisco", "warmth")
    np.testing.assert_array_equal(ensemble.prior.high, HIGH)
    assert ensemble.failed == (7,) and ensemble.n_ok == 39 and ensemble.held_out.sum() == 5
    assert ensemble.model == "embedded 1" and ensemble.title == "two towers"


def test_the_observation_comes_with_its_errors(client: ServiceClient, store: ArtifactStore) -> None:
    statistics = put_statistics(store)
    request = {"ensemble": imported(store, statistics), "statistics": statistics}
    found = client.call("ReadObservation", request)
    assert list(found.observation.values) == [3.0, 0.0]
    assert list(found.observation.error_sd) == [0.5, 1.5]
    assert found.observation.site == "US-MMS, US-NR1" and not found.observation.synthetic
    assert not found.HasField("withheld") and not found.observation.observed


def test_statistics_of_another_ensemble_do_not_fit(
    client: ServiceClient, store: ArtifactStore
) -> None:
    other = put_statistics(store, "b", statistic=["NEE_US-MMS_08", NAMES[1]])
    request = {"ensemble": imported(store, put_statistics(store)), "statistics": other}
    with pytest.raises(InvalidData) as caught:
        client.call("ReadObservation", request)
    assert caught.value.violations[0].field == "ensemble"


def test_there_is_one_source_with_what_belongs_to_it() -> None:
    def refused(query: Any, **request: Any) -> set[str]:
        with pytest.raises(InvalidRequest) as caught:
            query.from_plain(request)
        return {each.field for each in caught.value.violations}

    ref = {"uri": "imports/" + "1" * 64, "digest": "sha256:" + "1" * 64}
    statistics, dataset = {**ref, "kind": "statistics"}, {**ref, "kind": "dataset"}
    ensemble = {**ref, "kind": "ensemble"}
    both = {"ensemble": ensemble, "statistics": statistics, "dataset": dataset}
    assert "dataset" in refused(ReadObservationQuery, **both, variables=[GPP])
    assert refused(ReadObservationQuery, ensemble=ensemble) == {"dataset"}
    assert refused(ReadObservationQuery, ensemble=ensemble, dataset=dataset) == {"variables"}
    given = {"ensemble": ensemble, "statistics": statistics, "start": "2001-01-01"}
    assert refused(ReadObservationQuery, **given) == {"start"}
    source = {"statistics": {"statistics": statistics}, "generated": {"runs": 50}}
    assert refused(ImportEnsembleQuery, **source) == {"source"}
    assert refused(
        ImportEnsembleQuery, statistics={"statistics": statistics}, outputs=[{"name": "a"}]
    ) == {"outputs"}
