from __future__ import annotations

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from catena.shared import errors
from catena.shared.errors import CatenaError, FieldViolation, JobFailed
from catena.shared.status import from_status, retry_delay_s, to_status


def tree(root: type[CatenaError] = CatenaError) -> list[type[CatenaError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in tree(child))]


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_an_error_comes_back_as_its_own_class(kind: type[CatenaError]) -> None:
    violations = [FieldViolation("a.b[2]", "got 1, wanted 2"), FieldViolation("c", "is missing")]
    back = from_status(to_status(kind("what happened", violations=violations)))
    assert type(back) is kind
    assert back.message == "what happened"
    assert back.violations == tuple(violations)


def test_reasons_are_unique_or_classes_would_be_mixed_up() -> None:
    reasons = [kind.reason for kind in tree()]
    assert sorted(reasons) == sorted(set(reasons))


def test_every_code_is_a_code_of_google_rpc() -> None:
    for kind in tree():
        assert code_pb2.Code.Value(kind.code) > 0


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.5, 30.0])
def test_the_time_to_come_again_survives(seconds: float) -> None:
    error = errors.Unavailable("busy", retry_after_s=seconds)
    assert from_status(to_status(error)).retry_after_s == pytest.approx(seconds)


def test_without_a_time_to_come_again_none_is_made_up() -> None:
    assert from_status(to_status(errors.Unavailable("busy"))).retry_after_s is None


def test_a_failed_job_says_what_failed() -> None:
    back = from_status(to_status(JobFailed("too few runs", cause_code="INVALID_ARGUMENT")))
    assert isinstance(back, JobFailed)
    assert back.cause_code == "INVALID_ARGUMENT"


def test_an_unknown_reason_becomes_the_class_of_its_code() -> None:
    status = status_pb2.Status(code=code_pb2.NOT_FOUND, message="gone")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NEWER", domain="catena"))
    assert type(from_status(status)) is errors.NotFound


def test_a_reason_of_another_domain_does_not_pass_for_ours() -> None:
    status = status_pb2.Status(code=code_pb2.UNAVAILABLE, message="proxy")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="JOB_FAILED", domain="x.org"))
    assert type(from_status(status)) is errors.Unavailable


def test_a_thousand_violations_fit_into_trailers_and_are_counted() -> None:
    many = [FieldViolation(f"observation.values[{i}]", "got nan " + "x" * i) for i in range(1000)]
    status = to_status(errors.InvalidRequest("m" * 5000, violations=many))
    assert status.ByteSize() < 5000
    back = from_status(status)
    assert 5 < len(back.violations) < 1000
    named = len(back.violations) - 1
    assert back.violations[:named] == tuple(many[:named])
    assert (
        back.violations[-1].description == f"this and {1000 - named - 1} more fields are at fault"
    )


def test_delays_grow_and_stay_bounded_and_the_servers_word_comes_first() -> None:
    plain = errors.Unavailable("x")
    assert [retry_delay_s(plain, n) for n in (0, 1, 2)] == [0.1, 0.2, 0.4]
    assert retry_delay_s(plain, 50) == 2.0
    assert retry_delay_s(errors.Unavailable("x", retry_after_s=7.0), 0) == 7.0
    assert retry_delay_s(errors.Unavailable("x", retry_after_s=1e9), 0) == 30.0
    assert retry_delay_s(errors.Unavailable("x", retry_after_s=float("nan")), 0) == 0.1
