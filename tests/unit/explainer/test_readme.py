"""What the README shows works."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import get_args

import yaml

from catena.api.explainer.v1 import explainer_pb2
from catena.explainer import vocabulary
from catena.explainer.queries import ExplainForecastQuery
from catena.flows.explanations import Explanations
from catena.shared.requests import request_from_dict

README = Path(__file__).parents[3] / "services" / "explainer" / "README.md"
TEXT = README.read_text(encoding="utf-8")
SHOWN = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_session_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 5
    assert failed == 0


def test_every_rpc_is_listed() -> None:
    service = explainer_pb2.DESCRIPTOR.services_by_name["ExplainerService"]
    for method in service.methods:
        words = re.findall("[A-Z][a-z]+", method.name)
        assert f"| {'_'.join(words).upper()} |" in TEXT, method.name


def test_every_method_is_listed() -> None:
    for name in (*get_args(vocabulary.Method), *get_args(vocabulary.ParameterMethod)):
        assert f"`{name}`" in TEXT, name


def test_the_request_that_is_shown_is_sound() -> None:
    text = SHOWN[0]
    for kind in ("forecaster", "flow_samples"):
        ref = f"{{uri: jobs/x, digest: 'sha256:{'1' * 64}', kind: {kind}}}"
        text = re.sub(f"<ref of (a )?{kind}>", ref, text)
    message = request_from_dict("explainer", "ExplainForecast", yaml.safe_load(text))
    query = ExplainForecastQuery.from_message(message)
    assert query.flow is not None and query.flow.leads == (1, 7, 30)


def test_the_section_that_is_shown_is_sound() -> None:
    section = Explanations.model_validate(yaml.safe_load(SHOWN[1])["explain"])
    assert list(section.models) == ["tst", "interpretable_lstm"]
    assert set(section.request) == {"methods"}
