"""The examples in the docstrings run as they stand."""

from __future__ import annotations

import doctest

import pytest

from catena.shared import artifacts
from catena.shared.artifacts import ArtifactStore
from catena.shared.testing import FakeClock, FaultyStore


@pytest.mark.parametrize("thing", [artifacts, ArtifactStore, FaultyStore, FakeClock])
def test_examples_run(thing: object) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    (examples,) = doctest.DocTestFinder(recurse=False).find(thing, thing.__name__, globs={})
    runner.run(examples)
    assert runner.summarize(verbose=False).attempted >= 2
    assert not runner.summarize(verbose=False).failed
