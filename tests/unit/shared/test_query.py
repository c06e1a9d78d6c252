from __future__ import annotations

import math
from typing import Annotated, Literal

import pytest
from pydantic import Field

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.query import Query, QueryModel, RefQuery, kind_is, plain

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64


class Draw(QueryModel):
    values: tuple[float, ...] = ()
    error_sd: tuple[float, ...] = ()

    def violations(self) -> list[FieldViolation]:
        return [
            FieldViolation(f"error_sd[{i}]", f"got {x}, wanted > 0")
            for i, x in enumerate(self.error_sd)
            if x <= 0
        ]


class McmcQuery(Query):
    surrogate: Annotated[RefQuery, kind_is("surrogate")]
    observation: Draw
    method: Literal["ensemble", "nuts"] = "nuts"
    chains: Annotated[int, Field(ge=1, le=64)] = 4
    draws: int = 1000
    seed: int = 0


def request(**changes: object) -> pb.RunMcmcRequest:
    message = pb.RunMcmcRequest(
        surrogate=ArtifactRef(uri="jobs/x", digest=A, kind="surrogate"),
        observation=pb.Observation(values=[1.0, 2.0], error_sd=[0.1, 0.2]),
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def fields(message: pb.RunMcmcRequest) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        McmcQuery.from_message(message)
    return {violation.field: violation.description for violation in caught.value.violations}


def name(query: Query) -> str:
    return query.digest("calibrator", "RunMcmc", 1)


def test_a_sound_message_becomes_a_query_with_defaults() -> None:
    query = McmcQuery.from_message(request())
    assert (query.method, query.chains, query.draws) == ("nuts", 4, 1000)
    assert query.observation.values == (1.0, 2.0)


def test_all_violations_are_reported_at_once_under_their_paths() -> None:
    message = request(chains=99)
    message.surrogate.uri = "../../etc/passwd"
    message.surrogate.digest = "abc"
    message.observation.error_sd[:] = [-0.1, -1.0]
    found = fields(message)
    assert set(found) == {
        "chains",
        "surrogate.uri",
        "surrogate.digest",
        "observation.error_sd[0]",
        "observation.error_sd[1]",
    }
    assert "99" in found["chains"]


def test_a_reference_to_another_kind_of_artifact_is_refused() -> None:
    message = request()
    message.surrogate.kind = "ensemble"
    assert "ensemble" in fields(message)["surrogate"]


def test_rules_across_fields_name_the_element() -> None:
    message = request()
    message.observation.error_sd[:] = [0.0, 0.2]
    assert fields(message) == {"observation.error_sd[0]": "got 0.0, wanted > 0"}


def test_what_is_missing_is_named() -> None:
    assert set(fields(pb.RunMcmcRequest())) == {"surrogate", "observation"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    message = request()
    message.observation.values[0] = value
    assert set(fields(message)) == {"observation.values[0]"}


def test_enums_are_short_names_and_unknown_numbers_are_refused() -> None:
    assert McmcQuery.from_message(request(method=pb.MCMC_METHOD_ENSEMBLE)).method == "ensemble"
    assert "77" in fields(request(method=77))["method"]


def test_a_field_that_the_query_lacks_is_refused_and_not_ignored() -> None:
    assert "warmup" in fields(request(warmup=3))


@pytest.mark.parametrize(
    "digest", ["", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 64, "a" * 64]
)
def test_digests_have_one_form(digest: str) -> None:
    message = request()
    message.surrogate.digest = digest
    assert set(fields(message)) == {"surrogate.digest"}


@pytest.mark.parametrize("uri", ["", "/etc/passwd", "a/../b", "..", "a//b", "file:///x", "a\x00b"])
def test_references_stay_inside_the_store(uri: str) -> None:
    message = request()
    message.surrogate.uri = uri
    assert set(fields(message)) == {"surrogate.uri"}


def test_a_plain_dictionary_is_checked_in_the_same_way() -> None:
    section = {
        "surrogate": {"uri": "jobs/x", "digest": A, "kind": "surrogate"},
        "observation": {"values": [1.0, 2.0], "error_sd": [0.1, 0.2]},
    }
    assert McmcQuery.from_plain(section) == McmcQuery.from_message(request())
    with pytest.raises(InvalidRequest) as caught:
        McmcQuery.from_plain(section | {"chain": 3})
    assert [violation.field for violation in caught.value.violations] == ["chain"]


def test_the_name_of_a_request_is_golden() -> None:
    # A change here renames every job in every store: results would be computed again.
    assert McmcQuery.from_message(request()).canonical() == {
        "surrogate": A,
        "observation": {"values": [1.0, 2.0], "error_sd": [0.1, 0.2]},
    }
    assert name(McmcQuery.from_message(request())) == (
        "759822dec6551824b0a1b4fa1ae03e4ea9cfa5afc5218d52df9dbfc6a5100460"
    )


def test_defaults_spelled_out_are_the_same_request() -> None:
    assert name(McmcQuery.from_message(request(chains=4, draws=1000))) == name(
        McmcQuery.from_message(request())
    )


def test_where_an_input_lies_does_not_matter_but_what_it_holds_does() -> None:
    here, elsewhere, other = request(), request(), request()
    elsewhere.surrogate.uri = "imports/y"
    other.surrogate.digest = B
    names = [name(McmcQuery.from_message(message)) for message in (here, elsewhere, other)]
    assert names[0] == names[1] != names[2]


def test_validate_only_is_no_part_of_the_name() -> None:
    asked = McmcQuery.from_message(request(validate_only=True))
    assert asked.validate_only
    assert name(asked) == name(McmcQuery.from_message(request()))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"chains": 5}, {"method": 1}])
def test_what_changes_the_result_changes_the_name(changes: dict[str, object]) -> None:
    assert name(McmcQuery.from_message(request(**changes))) != name(
        McmcQuery.from_message(request())
    )


def test_service_method_and_version_are_part_of_the_name() -> None:
    query = McmcQuery.from_message(request())
    assert (
        len(
            {
                query.digest("calibrator", "RunMcmc", 1),
                query.digest("calibrator", "RunMcmc", 2),
                query.digest("calibrator", "Other", 1),
                query.digest("forecaster", "RunMcmc", 1),
            }
        )
        == 4
    )


def test_the_last_bit_of_a_number_counts() -> None:
    message = request()
    message.observation.values[0] = math.nextafter(1.0, 2.0)
    assert name(McmcQuery.from_message(message)) != name(McmcQuery.from_message(request()))


def test_references_are_found_with_their_paths() -> None:
    class Two(Query):
        one: RefQuery
        many: tuple[RefQuery, ...] = ()

    ref = {"uri": "jobs/x", "digest": A, "kind": "files"}
    query = Two.from_plain({"one": ref, "many": [ref, ref | {"digest": B}]})
    assert [(path, item.digest) for path, item in query.refs()] == [
        ("one", A),
        ("many[0]", A),
        ("many[1]", B),
    ]


def test_plain_keeps_presence() -> None:
    assert plain(pb.Observation(run=0)) == {"run": 0}
    assert plain(pb.Observation()) == {}
