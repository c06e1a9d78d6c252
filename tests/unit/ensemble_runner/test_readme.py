"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import yaml

from catena.ensemble_runner.queries import RunEnsembleQuery
from catena.ensemble_runner.vocabulary import INLINE_NUMBERS
from catena.shared import contracts
from catena.shared.requests import request_from_dict

README = Path(__file__).parents[3] / "services" / "ensemble-runner" / "README.md"
REF = {"uri": "imports/x", "digest": f"sha256:{'1' * 64}", "kind": "files"}


def test_the_examples_run() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried >= 6 and failed == 0


def test_the_request_that_is_shown_is_one() -> None:
    shown = re.search(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    request = yaml.safe_load(shown[1])
    assert request["setup"]["forcing"].pop("files") == "<ref>"
    request["setup"]["forcing"]["files"] = REF
    query = RunEnsembleQuery.from_message(
        request_from_dict("ensemble-runner", "RunEnsemble", request)
    )
    assert query.draw is not None and query.draw.members == 1000


def test_every_rpc_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for service in contracts.services("ensemble-runner"):
        for rpc in service.methods:
            spelled = re.sub(r"(?<!^)(?=[A-Z])", "_", rpc.name).upper()
            assert f"| {rpc.name} |" in text or f"| {spelled} |" in text, rpc.name


def test_limits_are_the_real_ones() -> None:
    assert f"{INLINE_NUMBERS:,} numbers" in README.read_text(encoding="utf-8")
