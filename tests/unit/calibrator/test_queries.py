"""Each request is checked once, names every field at fault, and has one digest per meaning."""

from __future__ import annotations

import math

import pytest

from catena.api.artifacts.v1 import artifacts_pb2
from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.calibrator import queries as q
from catena.shared.errors import InvalidRequest

NAN = math.nan


def ref(kind: str, content: str = "a") -> artifacts_pb2.ArtifactRef:
    digest = "sha256:" + content * 64
    return artifacts_pb2.ArtifactRef(uri=f"jobs/x/Y/{content}", digest=digest, kind=kind)


def fields(query: type, message) -> set[str]:
    with pytest.raises(InvalidRequest) as caught:
        query.from_message(message)
    return {violation.field for violation in caught.value.violations}


def mcmc(**observation) -> pb.RunMcmcRequest:
    return pb.RunMcmcRequest(surrogate=ref("surrogate"), observation=pb.Observation(**observation))


def test_what_stands_under_the_mask_does_not_change_the_request():
    masked = [
        mcmc(values=[1, x], error_sd=[1, sd], observed=[True, False])
        for x, sd in [(NAN, 0.0), (5.0, NAN), (0.0, -1.0), (math.inf, 2.0)]
    ]
    digests = {q.RunMcmcQuery.from_message(m).digest("calibrator", "RunMcmc", 1) for m in masked}
    assert len(digests) == 1


def test_a_mask_of_all_ones_is_no_mask():
    a = q.RunMcmcQuery.from_message(mcmc(values=[1, 2], error_sd=[1, 1]))
    b = q.RunMcmcQuery.from_message(mcmc(values=[1, 2], error_sd=[1, 1], observed=[True, True]))
    assert a == b


def test_another_observation_is_another_request():
    a = q.RunMcmcQuery.from_message(mcmc(values=[1, 2], error_sd=[1, 1]))
    b = q.RunMcmcQuery.from_message(mcmc(values=[1, 2.0000000001], error_sd=[1, 1]))
    assert a.digest("s", "m", 1) != b.digest("s", "m", 1)


def test_masked_errors_do_not_reach_the_science_as_zero():
    query = q.RunMcmcQuery.from_message(
        mcmc(values=[1, NAN], error_sd=[0.5, 0], observed=[True, False])
    )
    values, sd, mask = query.observation.arrays()
    assert values.tolist() == [1, 0]
    assert sd.tolist() == [0.5, 1]
    assert mask.tolist() == [True, False]


@pytest.mark.parametrize(
    ("observation", "wanted"),
    [
        ({"values": [1, NAN], "error_sd": [1, 1]}, {"observation.values[1]"}),
        ({"values": [1, math.inf], "error_sd": [1, 1]}, {"observation.values[1]"}),
        ({"values": [1, 2], "error_sd": [1, 0]}, {"observation.error_sd[1]"}),
        ({"values": [1, 2], "error_sd": [NAN, 1]}, {"observation.error_sd[0]"}),
        ({"values": [1, 2], "error_sd": [1]}, {"observation.error_sd"}),
        ({"values": [1, 2], "error_sd": [1, 1], "observed": [True]}, {"observation.observed"}),
        ({"values": [1], "error_sd": [1], "observed": [False]}, {"observation.observed"}),
        ({}, {"observation.values", "observation.error_sd"}),
        ({"values": [1], "error_sd": [1], "run": -1}, {"observation.run"}),
    ],
)
def test_observation_names_the_number_at_fault(observation, wanted):
    assert fields(q.RunMcmcQuery, mcmc(**observation)) == wanted


def test_all_violations_come_at_once():
    message = pb.TrainSurrogateRequest(ensemble=ref("posterior"), method=99, seed=-1, folds=1)
    assert fields(q.TrainSurrogateQuery, message) == {"ensemble", "method", "seed", "folds"}


def test_a_missing_reference_is_named():
    assert fields(q.TrainSurrogateQuery, pb.TrainSurrogateRequest()) == {"ensemble"}


@pytest.mark.parametrize("uri", ["../../etc/passwd", "/etc/passwd", "jobs/../../x", "a//b", ""])
def test_no_reference_leaves_the_store(uri):
    bad = ref("ensemble")
    bad.uri = uri
    assert fields(q.TrainSurrogateQuery, pb.TrainSurrogateRequest(ensemble=bad)) == {"ensemble.uri"}


def import_request(**changes) -> pb.ImportEnsembleRequest:
    content = {
        "files": pb.EnsembleFiles(
            files=ref("files"), parameters_file="x.csv", outputs_file="y.csv"
        ),
        "parameters": [pb.Parameter(name="flnr", low=0.1, high=0.4)],
        "outputs": [pb.Output(name="LH", units="W m-2")],
    }
    return pb.ImportEnsembleRequest(**(content | changes))


def test_a_sound_import_passes():
    query = q.ImportEnsembleQuery.from_message(import_request())
    assert query.files is not None
    assert query.parameters[0].high == 0.4


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"files": None}, {"source"}),
        ({"files": None, "generated": pb.GeneratedEnsemble(runs=100)}, {"parameters", "outputs"}),
        ({"parameters": []}, {"parameters"}),
        ({"parameters": [], "outputs": []}, {"parameters", "outputs"}),
        ({"parameters": [pb.Parameter(name="a", low=2, high=1)]}, {"parameters[0].high"}),
        ({"parameters": [pb.Parameter(name="a", low=NAN, high=1)]}, {"parameters[0].low"}),
        ({"parameters": [pb.Parameter(name="a b", high=1)]}, {"parameters[0].name"}),
        ({"parameters": [pb.Parameter(name="a", high=1)] * 2}, {"parameters[1].name"}),
        ({"parameters": [pb.Parameter(name="LH", high=1)]}, {"outputs[0].name"}),
        ({"outputs": [pb.Output(name="a"), pb.Output(name="a")]}, {"outputs[1].name"}),
        ({"held_out_runs": -1}, {"held_out_runs"}),
    ],
)
def test_import_names_the_field_at_fault(changes, wanted):
    assert fields(q.ImportEnsembleQuery, import_request(**changes)) == wanted


@pytest.mark.parametrize("name", ["x.pkl", "x.npz", "../x.csv", "a/b.csv", ".csv", ""])
def test_import_reads_only_tables_that_run_no_code(name):
    files = pb.EnsembleFiles(files=ref("files"), parameters_file=name, outputs_file="y.csv")
    assert fields(q.ImportEnsembleQuery, import_request(files=files)) == {"files.parameters_file"}


def test_a_reply_stays_under_one_mebibyte():
    observation = pb.Observation(values=[1], error_sd=[1])
    message = pb.SamplePosteriorRequest(
        posterior=ref("posterior"), observations=[observation] * 100, draws=2000
    )
    with pytest.raises(InvalidRequest) as caught:
        q.SamplePosteriorQuery.from_message(message)
    (violation,) = caught.value.violations
    assert violation.field == "draws"
    assert "SampleSites" in violation.description
    assert q.too_many_draws(10, 1000, 8) is None
    assert q.too_many_draws(100, 1000, 8) is not None


def test_the_second_of_several_observations_is_named():
    good = pb.Observation(values=[1], error_sd=[1])
    bad = pb.Observation(values=[1], error_sd=[0])
    message = pb.SamplePosteriorRequest(posterior=ref("posterior"), observations=[good, bad])
    assert fields(q.SamplePosteriorQuery, message) == {"observations[1].error_sd[0]"}


def test_faithful_needs_the_raw_runs():
    message = pb.TrainPosteriorRequest(
        surrogate=ref("surrogate"), method=pb.POSTERIOR_METHOD_FAITHFUL
    )
    assert fields(q.TrainPosteriorQuery, message) == {"ensemble"}


def test_error_range_must_have_a_width():
    message = pb.TrainPosteriorRequest(
        surrogate=ref("surrogate"), min_error_fraction=1.0, max_error_fraction=0.5
    )
    assert fields(q.TrainPosteriorQuery, message) == {"max_error_fraction"}


def test_trials_without_a_search_are_a_mistake():
    message = pb.TrainSurrogateRequest(ensemble=ref("ensemble"), tune_trials=4)
    assert fields(q.TrainSurrogateQuery, message) == {"tune_trials"}


def test_validate_only_is_the_same_request():
    a = pb.TrainSurrogateRequest(ensemble=ref("ensemble"))
    b = pb.TrainSurrogateRequest(ensemble=ref("ensemble"), validate_only=True)
    digests = {
        q.TrainSurrogateQuery.from_message(m).digest("calibrator", "TrainSurrogate", 1)
        for m in (a, b)
    }
    assert len(digests) == 1


def test_queries_have_the_fields_of_their_messages():
    for name in dir(q):
        query = getattr(q, name)
        message = getattr(pb, name.removesuffix("Query") + "Request", None)
        if name.endswith("Query") and name != "Query" and message is not None:
            wanted = {field.name for field in message.DESCRIPTOR.fields}
            assert wanted - {"validate_only"} == set(query.model_fields) - {"validate_only"}, name
