"""What the README shows works."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

from catena.api.calibrator.v1 import calibrator_pb2
from catena.calibrator import queries

README = Path(__file__).parents[3] / "services" / "calibrator" / "README.md"


def test_the_notebook_sessions_run() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_the_session_on_the_front_page_runs() -> None:
    text = (README.parents[2] / "README.md").read_text(encoding="utf-8")
    session = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert session is not None
    said: dict[str, Any] = {}
    exec(session[1], said)
    values = said["draws"].values[0]  # of the one site
    assert values.shape == (1000, 2)
    assert said["prior"].contains(values).all()


def test_every_rpc_is_listed() -> None:
    text = README.read_text(encoding="utf-8")
    service = calibrator_pb2.DESCRIPTOR.services_by_name["CalibratorService"]
    for method in service.methods:
        long = any(field.name == "job" for field in method.output_type.fields)
        words = re.findall("[A-Z][a-z]+", method.name)
        shown = "_".join(words).upper() if long else method.name
        assert f"| {shown} |" in text, method.name


def test_limits_are_the_real_ones() -> None:
    from catena.calibrator.sites import MOST_NUMBERS

    text = README.read_text(encoding="utf-8")
    assert f"{queries.INLINE_NUMBERS:,} numbers" in text
    assert f"{MOST_NUMBERS // 10**6} million" in text
