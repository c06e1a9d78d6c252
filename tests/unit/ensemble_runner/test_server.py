"""The ensemble runner over gRPC: quick rpcs answer, long ones give jobs, bad requests are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import ensembles
from support.bucket_model import GRASS, TREES
from support.servers import Running

from catena.ensemble_runner.designs import unit_rows
from catena.ensemble_runner.server import add_services
from catena.shared.artifacts import ArtifactStore
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidRequest, NotFound
from catena.shared.testing import LocalJobs


@pytest.fixture
def client(serve: Callable[..., Running], store: ArtifactStore) -> ServiceClient:
    return serve(
        add_services,
        service="ensemble-runner",
        jobs=LocalJobs,
        store=store.url,
        patience_s=1.0,
        deadline_s=60.0,
    ).client()


def request(weather: dict[str, str], **changes: Any) -> dict[str, Any]:
    made = {"model": "bucket", "setup": ensembles.setup(weather), "draw": ensembles.draw(20)}
    return {name: value for name, value in (made | changes).items() if value is not None}


def violations(call: Callable[[], Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        call()
    return {each.field: each.description for each in caught.value.violations}


def test_a_model_is_described(client: ServiceClient) -> None:
    found = client.call("DescribeModel", {"model": "bucket"})
    known = {one.name: one for one in found.parameters}
    assert list(found.pfts) == [TREES, GRASS]
    capacity = known["capacity"]
    assert (capacity.units, capacity.per_pft) == ("kg m-2", True)
    assert (capacity.low, capacity.high) == (50, 300)
    assert (capacity.lowest, capacity.highest) == (1, 1000)
    assert list(capacity.defaults) == [150, 100]
    assert not known["flag"].HasField("low")
    assert [(one.name, one.units) for one in found.outputs[:1]] == [("WATER", "kg m-2")]
    assert len(found.stages) == 2 and "bucket" in found.models


def test_an_unknown_model_is_refused_with_those_that_there_are(client: ServiceClient) -> None:
    told = violations(lambda: client.call("DescribeModel", {"model": "jules"}))
    assert "'jules'" in told["model"] and "bucket" in told["model"]


@pytest.mark.parametrize("design", ["sobol", "latin_hypercube"])
def test_parameters_are_drawn_inline(client: ServiceClient, design: str) -> None:
    asked = {"model": "bucket", "draw": ensembles.draw(100, design=design)}
    found = client.call("DrawParameters", asked)
    rows = np.array(found.table.values).reshape(100, 2)
    assert [(one.name, one.pft) for one in found.table.columns] == [("capacity", TREES),
                                                                    ("rate", "")]  # fmt: skip
    assert list(found.units) == ["kg m-2", "d-1"]
    assert list(found.low) == [50, 0.01] and list(found.high) == [300, 0.2]
    assert np.array_equal(rows, [50, 0.01] + unit_rows(design, 100, 2, seed=3) * [250, 0.19])
    assert client.call("DrawParameters", asked) == found


def test_given_ranges_come_before_the_models(client: ServiceClient) -> None:
    ranges = [{"name": "rate", "low": 0.3, "high": 0.4}, {"name": "flag", "low": 0, "high": 1}]
    asked = {"model": "bucket", "draw": ensembles.draw(50, parameters=ranges)}
    rows = np.array(client.call("DrawParameters", asked).table.values).reshape(50, 2)
    assert ((rows[:, 0] >= 0.3) & (rows[:, 0] <= 0.4)).all()


@pytest.mark.parametrize(
    ("parameter", "field", "text"),
    [
        ({"name": "capacitty"}, "name", "did you mean capacity?"),
        ({"name": "xyz"}, "name", "DescribeModel"),
        ({"name": "capacity", "pft": "c4_gras"}, "pft", "did you mean c4_grass?"),
        ({"name": "rate", "pft": GRASS}, "pft", "one number for all plants"),
        ({"name": "rate", "low": 0.5, "high": 1.5}, "high", "got 1.5, wanted 0 to 1 d-1"),
        ({"name": "capacity", "low": -5, "high": 3}, "low", "got -5, wanted 1 to 1000 kg m-2"),
        ({"name": "flag"}, "low", "no usual range"),
    ],
)
@pytest.mark.parametrize("method", ["DrawParameters", "RunEnsemble"])
def test_parameters_that_the_model_does_not_have(
    client: ServiceClient,
    weather: dict[str, str],
    method: str,
    parameter: dict[str, Any],
    field: str,
    text: str,
) -> None:
    design = ensembles.draw(10, parameters=[parameter])
    asked = {"model": "bucket", "draw": design}
    if method == "RunEnsemble":
        told = violations(lambda: client.validate(method, request(weather, draw=design)))
    else:
        told = violations(lambda: client.call(method, asked))
    assert list(told) == [f"draw.parameters[0].{field}"]
    assert text in told[f"draw.parameters[0].{field}"]


def test_an_ensemble_and_a_case_are_jobs_that_are_found_again(
    client: ServiceClient, weather: dict[str, str]
) -> None:
    job = client.submit("RunEnsemble", request(weather))
    assert job.result().kind == "runs"
    assert client.submit("RunEnsemble", request(weather)).reused
    case = client.submit("RunCase", request(weather, draw=None))
    assert case.result().kind == "case"


def test_validation_runs_nothing(
    client: ServiceClient, weather: dict[str, str], store: ArtifactStore
) -> None:
    client.validate("RunEnsemble", request(weather))
    assert [artifact.kind for artifact in store.list()] == ["dataset"]


def test_a_run_that_does_not_fit_is_refused_with_every_field(
    client: ServiceClient, weather: dict[str, str]
) -> None:
    setup = ensembles.setup(
        weather,
        stages=[{"kind": "ad_spinup", "years": 10}],
        surfaces=[{**ensembles.SURFACE, "pfts": [{"name": "oak", "fraction": 1.0}]}],
        fixed=[{"name": "flag", "value": 7}, {"name": "speed", "value": 1}],
    )
    told = violations(
        lambda: client.validate("RunEnsemble", request(weather, setup=setup, outputs=["WATR"]))
    )
    assert set(told) == {
        "setup.stages[0].kind",
        "setup.surfaces[0].pfts[0].name",
        "setup.fixed[0].value",
        "setup.fixed[1].name",
        "outputs[0]",
    }
    assert "did you mean WATER?" in told["outputs[0]"]


def test_values_of_a_table_out_of_range_are_named_by_member(
    client: ServiceClient, weather: dict[str, str]
) -> None:
    table = {"columns": [{"name": "rate"}, {"name": "capacity", "pft": GRASS}],
             "values": [0.1, 100, 0.1, 2000, -1, 100]}  # fmt: skip
    with pytest.raises(InvalidRequest) as caught:
        client.validate("RunEnsemble", request(weather, draw=None, table=table))
    told = [each.description for each in caught.value.violations]
    assert told == [
        "member 2, rate: got -1, wanted 0 to 1 d-1",
        f"member 1, capacity.{GRASS}: got 2000, wanted 1 to 1000 kg m-2",
    ]


def test_forcing_that_is_not_there_is_refused(
    client: ServiceClient, weather: dict[str, str], store: ArtifactStore
) -> None:
    lost = {**weather, "uri": "jobs/data-ingest/IngestDataset/" + "0" * 64}
    with pytest.raises(NotFound, match="no artifact"):
        client.validate("RunEnsemble", request(lost))
    keyed = {"dataset": weather, "key": "boreal"}
    told = violations(
        lambda: client.validate(
            "RunEnsemble", request(weather, setup=ensembles.setup(weather, forcing=keyed))
        )
    )
    assert "'boreal'; the artifact holds mediterranean" in told["setup.forcing.key"]
    several = ensembles.weather(store, sites=2, climates=["boreal", "mediterranean"])
    told = violations(lambda: client.validate("RunEnsemble", request(several)))
    assert "name one" in told["setup.forcing.key"]
