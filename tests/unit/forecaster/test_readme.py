"""What the README shows works."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import yaml

from catena.api.forecaster.v1 import forecaster_pb2
from catena.forecaster import queries

README = Path(__file__).parents[3] / "services" / "forecaster" / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_notebook_session_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_every_rpc_is_listed() -> None:
    service = forecaster_pb2.DESCRIPTOR.services_by_name["ForecasterService"]
    for method in service.methods:
        long = any(field.name == "job" for field in method.output_type.fields)
        words = re.findall("[A-Z][a-z]+", method.name)
        shown = "_".join(words).upper() if long else method.name
        assert f"| {shown} |" in TEXT, method.name


def test_the_request_that_is_shown_is_sound() -> None:
    session = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert session is not None
    ref = "{uri: jobs/x, digest: 'sha256:%s', kind: %s}"
    text = session[1].replace("<ref of data-ingest>", ref % ("1" * 64, "dataset"))
    plain = yaml.load(
        text.replace("<ref of a gr4j>", ref % ("2" * 64, "forecaster")), yaml.BaseLoader
    )
    plain["basins"]["spread"] = int(plain["basins"]["spread"])
    plain["training"] = {name: int(value) for name, value in plain["training"].items()}
    query = queries.TrainForecasterQuery.from_plain(plain)
    assert query.model == "tst" and query.process is not None


def test_limits_are_the_real_ones() -> None:
    assert f"{queries.INLINE_NUMBERS:,} numbers of {queries.MOST_INLINE} basins" in TEXT
    assert f"issue time, {queries.MOST_STREAMED:,} at most" in TEXT
