"""Thousands of requests that nobody should send: a service answers each with the right kind of
error, and is as it was afterwards."""

from __future__ import annotations

import math
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.message import Message
from support.servers import Running, serving, wait_until

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.calibrator.jobs import import_ensemble
from catena.calibrator.queries import ImportEnsembleQuery
from catena.calibrator.server import add_services
from catena.explainer.server import add_services as add_explainer
from catena.forecaster.server import add_services as add_forecaster
from catena.orbit_trainer.server import add_services as add_orbit_trainer
from catena.shared import contracts
from catena.shared.requests import request_from_dict
from catena.shared.testing import run_job

REQUESTS = 10_000
AT_ONCE = 16
LEAKS = re.compile(r'Traceback|File "|\.py\b|site-packages|/root|/home|/tmp|0x[0-9a-f]{6}')
MIB = 1024 * 1024

# What a wrong request may be answered with. INTERNAL and UNKNOWN would be a defect of ours.
ALLOWED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}

ODD_NUMBERS = (0, -1, 1, 2, 7, -(2**31), 2**31 - 1, 2**63 - 1, -(2**63), 10**6, 99)
ODD_FLOATS = (math.nan, math.inf, -math.inf, -1.0, 0.0, -0.0, 5e-324, 1.8e308, 1e-300, 0.5)
ODD_TEXTS = (
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://bucket/x",
    "jobs/../../x",
    "a\x00b",
    "a\nb",
    "\u202e\U0001f600",
    "x" * 5000,
    "%s%n{0}{{}}",
    "'; DROP TABLE jobs; --",
    "sha256:" + "f" * 64,
    "sha256:" + "F" * 64,
    "ensemble",
    "<script>",
    "$(id)",
)


class Fuzzer:
    """Wrong requests out of right ones, the same ones for the same seed.

    Parameters
    ----------
    right : dict
        A right request for each rpc.
    seed : int
        Of the random numbers.
    """

    def __init__(self, right: dict[str, Message], seed: int) -> None:
        self.right = right
        self.random = random.Random(seed)

    def requests(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Rpc and bytes of `count` requests."""
        ways = (self._odd_values, self._odd_values, self._odd_values, self._broken, self._noise)
        for _ in range(count):
            method = self.random.choice(sorted(self.right))
            yield method, self.random.choice(ways)(self.right[method])

    def _noise(self, right: Message) -> bytes:
        return self.random.randbytes(self.random.randint(0, 200))

    def _broken(self, right: Message) -> bytes:
        raw = bytearray(right.SerializeToString())
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(raw) + 1)
            match self.random.randrange(4):
                case 0 if place < len(raw):
                    raw[place] ^= 1 << self.random.randrange(8)
                case 1:
                    del raw[place : place + self.random.randint(1, 8)]
                case 2:
                    raw[place:place] = self.random.randbytes(self.random.randint(1, 8))
                case _:
                    raw += raw[: self.random.randrange(len(raw) + 1)]
        return bytes(raw)

    def _odd_values(self, right: Message) -> bytes:
        message = type(right)()
        message.CopyFrom(right)
        for _ in range(self.random.randint(1, 4)):
            self._change(message)
        return message.SerializeToString()

    def _change(self, message: Message) -> None:
        field = self.random.choice(list(message.DESCRIPTOR.fields))
        if self.random.random() < 0.2:
            message.ClearField(field.name)
        elif field.is_repeated:
            self._change_list(message, field)
        elif field.message_type is not None:
            self._change(getattr(message, field.name))
        else:
            setattr(message, field.name, self._odd(field))

    def _change_list(self, message: Message, field: Any) -> None:
        items = getattr(message, field.name)
        match self.random.randrange(3):
            case 0 if len(items) and field.message_type is not None:
                self._change(self.random.choice(items))
            case 1 if len(items):
                del items[self.random.randrange(len(items)) :]
            case _ if field.message_type is not None:
                self._change(items.add())
            case _:
                items.extend(self._odd(field) for _ in range(self.random.choice((1, 2, 300))))

    def _odd(self, field: Any) -> Any:
        if field.cpp_type == field.CPPTYPE_STRING:
            return self.random.choice(ODD_TEXTS)
        if field.cpp_type == field.CPPTYPE_BOOL:
            return self.random.random() < 0.5
        if field.cpp_type == field.CPPTYPE_DOUBLE:
            return self.random.choice(ODD_FLOATS)
        number = self.random.choice(ODD_NUMBERS)
        return (
            number
            if field.cpp_type == field.CPPTYPE_INT64
            else max(-(2**31), min(number, 2**31 - 1))
        )


@pytest.fixture
def calibrator() -> Iterator[Running]:
    with serving(add_services) as running:
        yield running


def right_requests(ensemble: ArtifactRef) -> dict[str, Message]:
    """A right request for each rpc; all but the ensemble are references to nothing."""

    def ref(kind: str) -> ArtifactRef:
        return ArtifactRef(uri=f"jobs/{kind}", digest="sha256:" + "0" * 64, kind=kind)

    seen = {"values": [50.0] * 5, "error_sd": [2.0] * 5, "site": "US-MOz"}
    plain: dict[str, dict[str, Any]] = {
        "ImportEnsemble": {"generated": {"runs": 100, "seed": 1}, "held_out_runs": 10},
        "TrainSurrogate": {"ensemble": ensemble, "method": "gp", "folds": 5},
        "TrainPosterior": {"surrogate": ref("surrogate"), "bank_size": 5000},
        "SamplePosterior": {"posterior": ref("posterior"), "observations": [seen], "draws": 10},
        "SampleSites": {
            "posterior": ref("posterior"),
            "observations": ref("files"),
            "observations_file": "sites.csv",
        },
        "RunMcmc": {"surrogate": ref("surrogate"), "observation": seen, "method": "nuts"},
        "CheckCalibration": {"posterior": ref("posterior"), "ensemble": ensemble},
        "WriteReport": {
            "title": "x",
            "ensemble": ensemble,
            "surrogate": ref("surrogate"),
            "posterior": ref("posterior"),
            "observation": seen,
        },
        "DrawObservation": {"ensemble": ensemble, "run": 3, "error_fraction": 0.3},
        "ReadObservation": {
            "ensemble": ensemble,
            "dataset": ref("dataset"),
            "variables": [{"name": "GPP", "relative_sd": 0.2, "absolute_sd": 1.0}],
            "end": "2012-12-31",
        },
    }
    return {name: request_from_dict("calibrator", name, data) for name, data in plain.items()}


def forecaster_requests() -> dict[str, Message]:
    """A right request for each rpc of the forecaster; all but training name what is not there."""

    def ref(kind: str) -> dict[str, str]:
        return {"uri": f"jobs/{kind}", "digest": "sha256:" + "0" * 64, "kind": kind}

    basins = {"generated": {"basins": 2, "years": 6, "seed": 1}, "names": ["generated-001"]}
    issues = {"start": "2005-01-01", "end": "2005-01-03"}
    known = {"forecaster": ref("forecaster"), "intervals": ref("intervals"), "basins": basins}
    plain: dict[str, dict[str, Any]] = {
        "Forecast": {
            "forecaster": ref("forecaster"),
            "records": [
                {
                    "basin": "a",
                    "start": "2005-01-01",
                    "precipitation": [1.0, 0.0],
                    "temperature": [3.0, 4.0],
                    "streamflow": [0.5, 0.4],
                }
            ],
            "levels": [0.5, 0.9],
        },
        "StreamForecasts": {**known, "issues": issues, "stride": 2},
        "TrainForecaster": {
            "basins": basins,
            "model": "tst",
            "training_days": {"start": "2001-01-01", "end": "2004-06-30"},
            "validation_days": {"start": "2004-07-01", "end": "2005-06-30"},
            "training": {"window": 60, "learning_rate": 0.001},
        },
        "ArchiveWeather": {"generated": {"basins": basins, "stride": 3, "members": 2}, "leads": 5},
        "FitIntervals": {
            "forecaster": ref("forecaster"),
            "basins": basins,
            "method": "pi3nn",
            "archive": ref("weather_archive"),
        },
        "UpdateIntervals": {**known, "end": "2005-01-01"},
        "IssueForecasts": {**known, "issues": issues, "states": ref("forecasts")},
        "EvaluateForecasts": {
            "forecasters": [ref("forecaster")],
            "basins": basins,
            "days": {"start": "2005-01-01", "end": "2006-01-01"},
            "stride": 3,
        },
        "DrawSamples": {
            "forecaster": ref("forecaster"),
            "basins": basins,
            "issues": issues,
            "count": 2,
            "archive": ref("weather_archive"),
        },
    }
    return {name: request_from_dict("forecaster", name, data) for name, data in plain.items()}


def orbit_requests() -> dict[str, Message]:
    """A right request for each rpc of the trainer; all but the plan name what is not there."""

    def ref(kind: str) -> dict[str, str]:
        return {"uri": f"jobs/{kind}", "digest": "sha256:" + "0" * 64, "kind": kind}

    days = {"start": "2005-01-01", "end": "2006-01-01"}
    training = {"steps": 10, "batch": 8, "mesh": {"fsdp": 2, "tp": 2}, "precision": "bf16"}
    plain: dict[str, dict[str, Any]] = {
        "ListCheckpoints": {"page_size": 5},
        "Predict": {
            "checkpoint": ref("checkpoint"),
            "fields": [{"name": "tas", "units": "K", "values": [280.0, 281.5]}],
            "lead_h": 6.0,
        },
        "Pretrain": {
            "caches": [ref("hot_cache")],
            "leads_h": [6.0, 12.0],
            "training_days": days,
            "shape": {"size": "115m", "width": 64, "heads": 4},
            "training": training,
        },
        "FineTune": {
            "checkpoint": ref("checkpoint"),
            "task": "downscale",
            "cache": ref("hot_cache"),
            "factor": 2,
            "training_days": days,
            "adapter": "lora",
            "training": training,
        },
        "EvaluateCheckpoint": {
            "checkpoint": ref("checkpoint"),
            "cache": ref("hot_cache"),
            "days": days,
            "leads_h": [6.0],
            "members": 2,
        },
        "PlanTraining": {
            "shape": {"size": "10b"},
            "cluster": {"preset": "h200", "gpus": 1024, "rings": True},
            "gpus": 512,
            "batch": 512,
        },
    }
    return {name: request_from_dict("orbit-trainer", name, data) for name, data in plain.items()}


def explainer_requests() -> dict[str, Message]:
    """A right request for each rpc of the explainer, of what is not there."""

    def ref(kind: str) -> dict[str, str]:
        return {"uri": f"jobs/{kind}", "digest": "sha256:" + "0" * 64, "kind": kind}

    plain: dict[str, dict[str, Any]] = {
        "ExplainForecast": {
            "flow": {
                "forecaster": ref("forecaster"),
                "samples": ref("flow_samples"),
                "leads": [1, 7],
            },
            "methods": ["expected_gradients", "permutation"],
            "baselines": 4,
        },
        "ExplainParameters": {
            "surrogate": ref("surrogate"),
            "outputs": ["gpp"],
            "methods": ["sobol"],
            "samples": 1024,
        },
    }
    return {name: request_from_dict("explainer", name, data) for name, data in plain.items()}


def rpcs(service: str) -> set[str]:
    """Names of a service's rpcs."""
    return {rpc.name for one in contracts.services(service) for rpc in one.methods}


def rss() -> int:
    return int(psutil.Process().memory_info().rss)


def answers(
    running: Running, fuzzer: Fuzzer, count: int, *, some_are_right: bool = True
) -> Counter[str]:
    """Send `count` requests, several at a time; the codes of the answers.

    Fails when an answer is none that a wrong request may get, or tells of the server's inside, or
    when threads or memory are lost.
    """
    codes: Counter[str] = Counter()
    wrong: list[str] = []
    settled = 0
    # Pools grow to their sizes in their own time: that of calls, and one thread for each stream.
    most_threads = threading.active_count() + running.settings.max_workers + AT_ONCE + 8
    [service] = contracts.services(running.service)
    with grpc.insecure_channel(running.address) as channel:
        send = {name: channel.unary_unary(f"/{service.full_name}/{name}") for name in fuzzer.right}
        waiting: list[tuple[str, bytes, Any]] = []

        def settle(keep: int) -> None:
            while len(waiting) > keep:
                method, raw, call = waiting.pop(0)
                code, text = call.code().name, call.details() or ""
                codes[code] += 1
                if code not in ALLOWED or LEAKS.search(text):
                    wrong.append(f"{method} {raw.hex()}: {code} {text}")

        for number, (method, raw) in enumerate(fuzzer.requests(count)):
            waiting.append((method, raw, send[method].future(raw, timeout=30)))
            settle(AT_ONCE)
            if number == count // 5:
                settled = rss()
        settle(0)
    assert not wrong, "\n".join(wrong[:5])
    assert sum(codes.values()) == count
    # The mix must reach every depth, or it shows nothing.
    assert codes["INVALID_ARGUMENT"] > count // 4
    assert codes["NOT_FOUND"] > count // 50
    assert codes["OK"] > count // 50 or not some_are_right
    assert running.client().health() == "SERVING"
    assert threading.active_count() <= most_threads
    assert rss() < settled + 32 * MIB
    return codes


def test_ten_thousand_wrong_requests_leave_the_server_as_it_was(calibrator: Running) -> None:
    query = ImportEnsembleQuery.from_message(
        pb.ImportEnsembleRequest(generated=pb.GeneratedEnsemble(runs=60, seed=1))
    )
    ensemble = run_job(import_ensemble, query, calibrator.store)
    begun = time.monotonic()
    codes = answers(calibrator, Fuzzer(right_requests(ensemble), seed=20261122), REQUESTS)
    right = pb.DrawObservationRequest(ensemble=ensemble, run=3, error_fraction=0.3)
    assert len(calibrator.client().call("DrawObservation", right).observation.values) == 5
    print(f"{REQUESTS} requests in {time.monotonic() - begun:.1f} s: {dict(codes)}")


def test_thousands_of_wrong_requests_leave_the_forecaster_as_it_was() -> None:
    with serving(add_forecaster, service="forecaster") as running:
        answers(running, Fuzzer(forecaster_requests(), seed=20261129), REQUESTS // 2)


def test_thousands_of_wrong_requests_leave_the_trainer_as_it_was() -> None:
    with serving(add_orbit_trainer, service="orbit-trainer") as running:
        answers(running, Fuzzer(orbit_requests(), seed=20261130), REQUESTS // 4)


def test_thousands_of_wrong_requests_leave_the_explainer_as_it_was() -> None:
    with serving(add_explainer, service="explainer") as running:
        answers(
            running,
            Fuzzer(explainer_requests(), seed=20261201),
            REQUESTS // 10,
            some_are_right=False,
        )


def test_connections_full_of_noise_leave_the_server_as_it_was(calibrator: Running) -> None:
    assert calibrator.client().health() == "SERVING"
    before = psutil.Process().num_fds()
    noise = random.Random(7)
    path = calibrator.address.removeprefix("unix:")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for number in range(300):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(5)
            raw.connect(path)
            try:
                raw.sendall(
                    (preface if number % 2 else b"") + noise.randbytes(noise.randint(1, 500))
                )
                if number % 3 == 0:
                    raw.recv(64)
            except OSError:
                continue  # it hung up: its right
    assert calibrator.client().health() == "SERVING"
    wait_until(lambda: psutil.Process().num_fds() < before + 20)


def test_the_same_seed_makes_the_same_requests() -> None:
    right = right_requests(ArtifactRef(uri="jobs/e", digest="sha256:" + "0" * 64, kind="ensemble"))
    assert set(right) == rpcs("calibrator")
    assert set(forecaster_requests()) == rpcs("forecaster")
    assert set(explainer_requests()) == rpcs("explainer")
    assert set(orbit_requests()) == rpcs("orbit-trainer")
    one, two = (list(Fuzzer(right, seed=3).requests(200)) for _ in range(2))
    assert one == two
    assert len({raw for _, raw in one}) > 150
