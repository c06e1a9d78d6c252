"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from catena.data_ingest.sources import SOURCES
from catena.shared import contracts

README = Path(__file__).parents[3] / "services" / "data-ingest" / "README.md"


def test_the_examples_run() -> None:
    failed, tried = doctest.testfile(
        str(README),
        module_relative=False,
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert tried >= 8 and failed == 0


def test_every_source_and_every_rpc_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9_]+)` \| ", text, re.MULTILINE)) >= set(SOURCES)
    for service in contracts.services("data-ingest"):
        for rpc in service.methods:
            spelled = re.sub(r"(?<!^)(?=[A-Z])", "_", rpc.name).upper()
            assert f"| {rpc.name} |" in text or f"| {spelled} |" in text, rpc.name
