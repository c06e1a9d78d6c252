"""Requests from plain dictionaries: what YAML gives, with every mistake told at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.shared.errors import InvalidRequest
from catena.shared.requests import request_from_dict

REF = {"uri": "jobs/x", "digest": "sha256:" + "a" * 64, "kind": "surrogate"}


def mistakes(method: str, data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        request_from_dict("calibrator", method, data)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_a_yaml_section_is_a_request() -> None:
    section = yaml.safe_load(
        """
        surrogate: {uri: jobs/x, digest: "sha256:00", kind: surrogate}
        observation:
          values: [1, 2.5, .nan]
          error_sd: [0.1, 0.2, 0.3]
          observed: [true, true, false]
          site: US-MOz
          run: 0
        method: nuts
        chains: 4
        seed: 9007199254740993
        """
    )
    request = request_from_dict("calibrator", "RunMcmc", section)
    assert isinstance(request, pb.RunMcmcRequest)
    assert request.method == pb.MCMC_METHOD_NUTS
    assert request.seed == 9007199254740993  # not by way of a float
    assert list(request.observation.values[:2]) == [1.0, 2.5]
    assert request.observation.HasField("run") and request.observation.run == 0
    assert not request.validate_only


@pytest.mark.parametrize(
    "name", ["gp", "GP", "Gp", "SURROGATE_METHOD_GP", "surrogate_method_gp", pb.SURROGATE_METHOD_GP]
)
def test_enums_are_accepted_as_people_write_them(name: Any) -> None:
    request = request_from_dict("calibrator", "TrainSurrogate", {"method": name})
    assert request.method == pb.SURROGATE_METHOD_GP


def test_messages_and_numpy_go_in_as_they_are() -> None:
    request = request_from_dict(
        "calibrator",
        "RunMcmc",
        {
            "surrogate": ArtifactRef(**REF),
            "observation": {
                "values": np.array([1.0, 2.0], dtype=np.float32),
                "error_sd": (np.float64(0.1), 1),
                "observed": np.array([True, False]),
            },
            "draws": np.int32(5),
        },
    )
    assert request.surrogate.uri == "jobs/x"
    assert list(request.observation.observed) == [True, False]
    assert list(request.observation.error_sd) == [0.1, 1.0]
    assert request.draws == 5


def test_none_is_not_given() -> None:
    request = request_from_dict("calibrator", "TrainSurrogate", {"ensemble": None, "seed": None})
    assert not request.HasField("ensemble")


def test_an_empty_section_is_still_given() -> None:
    request = request_from_dict("calibrator", "ImportEnsemble", {"generated": {}})
    assert request.WhichOneof("source") == "generated"


def test_all_mistakes_are_told_at_once_under_their_paths() -> None:
    found = mistakes(
        "RunMcmc",
        {
            "surrogat": REF,
            "observation": {"values": [1, "2", True], "error_sd": 3, "sight": "x"},
            "chains": 1.5,
            "draws": 2**31,
            "seed": float("nan"),
            "method": "nutz",
        },
    )
    assert set(found) == {
        "surrogat",
        "observation.values[1]",
        "observation.values[2]",
        "observation.error_sd",
        "observation.sight",
        "chains",
        "draws",
        "seed",
        "method",
    }
    assert found["surrogat"].endswith("did you mean surrogate?")
    assert found["method"] == "got 'nutz', wanted one of ensemble, nuts; did you mean nuts?"
    assert "wanted a list" in found["observation.error_sd"]


@pytest.mark.parametrize(
    ("data", "field", "told"),
    [
        ({"validate_only": "yes"}, "validate_only", "wanted true or false"),
        ({"validate_only": 1}, "validate_only", "wanted true or false"),
        ({"seed": True}, "seed", "wanted a number"),
        ({"seed": "12"}, "seed", "write 12.0 without quotes"),
        ({"seed": float("inf")}, "seed", "wanted a whole number"),
        ({"seed": 2**63}, "seed", "whole number from"),
        ({"seed": -(2**63) - 1}, "seed", "whole number from"),
        ({"ensemble": "jobs/x"}, "ensemble", "wanted ArtifactRef with uri, digest, kind"),
        ({"ensemble": {"uri": 5}}, "ensemble.uri", "put it in quotes"),
        ({"ensemble": pb.Observation()}, "ensemble", "got the message Observation"),
        ({"method": 99}, "method", "wanted one of auto, mlp, gp"),
        ({"method": True}, "method", "wanted one of auto, mlp, gp"),
        ({"method": ["gp"]}, "method", "wanted one of auto, mlp, gp"),
        ({"zzz": 1}, "zzz", "it has ensemble, method"),
    ],
)
def test_each_mistake_says_what_was_wanted(data: dict[str, Any], field: str, told: str) -> None:
    found = mistakes("TrainSurrogate", data)
    assert set(found) == {field}
    assert told in found[field]


def test_yamls_trap_with_exponents_is_explained() -> None:
    section = yaml.safe_load("min_error_fraction: 1e-3")
    assert "write 0.001 without quotes" in mistakes("TrainPosterior", section)["min_error_fraction"]


def test_two_of_a_kind_are_refused_where_protobuf_would_keep_the_last() -> None:
    found = mistakes("ImportEnsemble", {"files": {}, "generated": {"runs": 5}})
    assert found == {"generated": "excludes files; give only one of the two"}


def test_elements_of_lists_are_named() -> None:
    found = mistakes("ImportEnsemble", {"parameters": [{"name": "a"}, {"nam": "b"}, 7]})
    assert set(found) == {"parameters[1].nam", "parameters[2]"}


def test_text_with_broken_characters_is_refused() -> None:
    assert "text" in mistakes("TrainSurrogate", {"ensemble": {"uri": "\ud800"}})["ensemble.uri"]
