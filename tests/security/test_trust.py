"""Who gets in: every way to hold a certificate times every way to hold a token."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.certificates import expired_ca, expired_leaf, write_ca, write_leaf
from support.checked import only
from support.servers import Running

from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.shared.client import connect
from catena.shared.credentials import check_token
from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidRequest,
    Unauthenticated,
    Unavailable,
)
from catena.shared.settings import Settings

Serve = Callable[..., Running]
TOKEN = "right-token"
METHOD = "/catena.api.calibrator.v1.CalibratorService/DrawObservation"


@dataclass
class Party:
    """What one side has: settings for TLS."""

    server: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs, old = trustme.CA(), trustme.CA(), expired_ca()
    ca = write_ca(ours, folder, "ours")
    other_ca = write_ca(theirs, folder, "theirs")
    old_ca = write_ca(old, folder, "old")

    def leaf(name: str, made: trustme.LeafCert) -> dict[str, Path]:
        return write_leaf(made, folder, name)

    server = leaf("server", ours.issue_cert("localhost"))
    client = leaf("client", ours.issue_cert("me@example.org"))
    both = server | ca | {"tls_client_required": True}
    return {
        # TLS: the client looks at the server
        "tls right": Party(server, ca),
        "tls client without tls": Party(server, {}),
        "tls client trusts another ca": Party(server, other_ca),
        "tls server of another ca": Party(leaf("s1", theirs.issue_cert("localhost")), ca),
        "tls server expired": Party(leaf("s2", expired_leaf(ours, "localhost")), ca),
        "tls server of an expired ca": Party(leaf("s3", old.issue_cert("localhost")), old_ca),
        "tls server of another host": Party(leaf("s4", ours.issue_cert("elsewhere.org")), ca),
        # mTLS: the server looks at the client as well
        "mtls right": Party(both, ca | client),
        "mtls client without certificate": Party(both, ca),
        "mtls client without tls": Party(both, {}),
        "mtls client of another ca": Party(both, ca | leaf("c1", theirs.issue_cert("me@x.org"))),
        "mtls client expired": Party(both, ca | leaf("c2", expired_leaf(ours, "me@x.org"))),
        "mtls client of an expired ca": Party(
            server | old_ca | {"tls_client_required": True},
            ca | leaf("c3", old.issue_cert("me@x.org")),
        ),
        # what is between the two
        "plain": Party(),
        "plain server, tls client": Party({}, ca),
    }


GOOD = ("tls right", "mtls right", "plain")
BAD = (
    "tls client without tls",
    "tls client trusts another ca",
    "tls server of another ca",
    "tls server expired",
    "tls server of an expired ca",
    "tls server of another host",
    "mtls client without certificate",
    "mtls client without tls",
    "mtls client of another ca",
    "mtls client expired",
    "mtls client of an expired ca",
    "plain server, tls client",
)
TOKENS = {"none": "", "wrong": "wrong-token", "prefix": TOKEN[:-1], "right": TOKEN}


def draws() -> tuple[Callable[..., None], list[Any]]:
    calls: list[Any] = []

    def draw(request: Any, context: Any) -> Any:
        calls.append(request)
        return pb.DrawObservationResponse()

    return only(DrawObservation=draw), calls


def caller(running: Running, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    port = running.address.rpartition(":")[2]
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", f"localhost:{port}")
    return connect("calibrator", Settings(patience_s=0, deadline_s=5, **settings))


def test_the_table_is_complete(parties: dict[str, Party]) -> None:
    assert set(parties) == {*GOOD, *BAD}


@pytest.mark.parametrize(("way", "token"), itertools.product((*GOOD, *BAD), TOKENS))
def test_only_the_right_certificate_with_the_right_token_gets_in(
    serve: Serve,
    parties: dict[str, Party],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    token: str,
) -> None:
    add, calls = draws()
    party = parties[way]
    running = serve(add, listen="localhost:0", token=TOKEN, **party.server)
    client = caller(running, monkeypatch, token=TOKENS[token], **party.client)
    if way in GOOD and token == "right":
        client.call("DrawObservation")
        assert len(calls) == 1
        return
    with pytest.raises((Unauthenticated, Unavailable)) as caught:
        client.call("DrawObservation")
    assert calls == []
    assert TOKEN not in str(caught.value) and "wrong-token" not in str(caught.value)
    if way in GOOD:
        assert isinstance(caught.value, Unauthenticated)


def test_a_certificate_that_does_not_fit_is_not_waited_for(
    serve: Serve, parties: dict[str, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, _ = draws()
    party = parties["tls client trusts another ca"]
    running = serve(add, listen="localhost:0", **party.server)
    client = caller(running, monkeypatch, **party.client)
    client.settings = client.settings.model_copy(update={"patience_s": 600.0})
    with pytest.raises(Unauthenticated, match="CATENA_TLS_CA"):
        client.call("DrawObservation")


def test_a_token_works_on_a_unix_socket(serve: Serve) -> None:
    add, calls = draws()
    running = serve(add, token=TOKEN)
    running.client().call("DrawObservation")
    with pytest.raises(Unauthenticated):
        connect("calibrator", Settings(run_dir=running.settings.run_dir)).call("DrawObservation")
    assert len(calls) == 1


def test_health_is_open_and_reflection_is_not(serve: Serve) -> None:
    add, _ = draws()
    running = serve(add, token=TOKEN)
    with grpc.insecure_channel(running.address) as channel:
        request = health_pb2.HealthCheckRequest()
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflect = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )
        with pytest.raises(grpc.RpcError) as caught:
            list(reflect(iter([b"\x3a\x01*"]), timeout=5))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_jobs_want_the_token_too(serve: Serve) -> None:
    add, _ = draws()
    running = serve(add, token=TOKEN)
    with grpc.insecure_channel(running.address) as channel:
        for method in ("GetJob", "ListJobs", "CancelJob"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/catena.api.jobs.v1.JobService/{method}")(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream("/catena.api.jobs.v1.JobService/WatchJob")(b"", timeout=5))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_without_a_token_not_even_the_names_of_methods_are_told(serve: Serve) -> None:
    add, _ = draws()
    running = serve(add, token=TOKEN)
    with grpc.insecure_channel(running.address) as channel:
        for method in (METHOD, "/catena.api.calibrator.v1.CalibratorService/Secret", "/x/y"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [("authorization", "")],
        [("authorization", TOKEN)],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", f"Basic {TOKEN}")],
        [("authorization", f"Bearer  {TOKEN}")],
        [("authorization", f"Bearer {TOKEN} ")],
        [("authorization", f"Bearer {TOKEN.upper()}")],
        [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")],
        [("authorization", b"Bearer \xff\xfe")],
        [("authorization-bin", f"Bearer {TOKEN}")],
        [("token", TOKEN)],
    ],
)
def test_a_token_in_another_form_is_no_token(sent: list[tuple[str, str | bytes]]) -> None:
    with pytest.raises(Unauthenticated):
        check_token(sent, TOKEN)
    check_token([("authorization", f"bearer {TOKEN}")], TOKEN)


def test_a_token_is_not_sent_in_the_clear_beyond_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", "dns:///calibrator.example.org:50051")
    with pytest.raises(FailedPrecondition, match="in the clear"):
        connect("calibrator", Settings(token=TOKEN))
    connect("calibrator", Settings(token=TOKEN, allow_insecure=True)).close()


@pytest.mark.parametrize("setting", ["tls_cert", "tls_key", "tls_ca"])
def test_a_certificate_that_cannot_be_read_is_named_by_its_setting(
    serve: Serve, parties: dict[str, Party], tmp_path: Path, setting: str
) -> None:
    add, _ = draws()
    settings = parties["mtls right"].server | {setting: tmp_path / "missing.pem"}
    with pytest.raises(InvalidRequest, match=f"CATENA_{setting.upper()}"):
        serve(add, listen="localhost:0", **settings)


def test_a_broken_certificate_is_refused_at_the_start(
    serve: Serve, parties: dict[str, Party], tmp_path: Path
) -> None:
    add, _ = draws()
    (tmp_path / "junk.pem").write_text("junk")
    settings = parties["tls right"].server | {"tls_cert": tmp_path / "junk.pem"}
    with pytest.raises(CatenaError):
        serve(add, listen="localhost:0", **settings)
