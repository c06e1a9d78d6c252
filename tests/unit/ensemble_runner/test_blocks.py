"""Every member is in exactly one block; what was run before is found, and nothing else is run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.ensemble_runner.blocks import (
    Planned,
    Span,
    block_digest,
    block_size,
    plan_blocks,
    run_digest,
)


def nothing(span: Span) -> bool:
    return False


def run(plan: list[Planned]) -> int:
    """Members that are run."""
    return sum(part.span.count for part in plan if not part.found)


def covered(plan: list[Planned]) -> list[int]:
    return [member for part in plan for member in range(part.span.first, part.span.stop)]


def test_a_fresh_ensemble_ends_in_smaller_blocks() -> None:
    plan = plan_blocks(1000, 64, nothing)
    assert [part.span.count for part in plan] == [64] * 15 + [32, 8]
    assert covered(plan) == list(range(1000))


@pytest.mark.parametrize(("before", "after"), [(1000, 1500), (1, 2), (7, 8), (100, 101)])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_an_extension_runs_only_the_new_members(before: int, after: int, size: int) -> None:
    done = {part.span for part in plan_blocks(before, size, nothing)}
    plan = plan_blocks(after, size, done.__contains__)
    assert run(plan) == after - before
    assert covered(plan) == list(range(after))


def test_blocks_of_another_size_are_found() -> None:
    for first, then in ((16, 64), (64, 16)):
        done = {part.span for part in plan_blocks(200, first, nothing)}
        assert run(plan_blocks(200, then, done.__contains__)) == 0


@given(
    members=st.integers(1, 300),
    exponent=st.integers(0, 7),
    seeds=st.lists(st.integers(0, 2**20), max_size=12),
)
def test_whatever_is_known_each_member_is_in_one_block(
    members: int, exponent: int, seeds: list[int]
) -> None:
    size = 1 << exponent
    known = {Span((seed % 300) >> level << level, 1 << level)
             for seed in seeds for level in [seed % 7]}  # fmt: skip
    plan = plan_blocks(members, size, known.__contains__)
    assert covered(plan) == list(range(members))
    for part in plan:
        assert part.span.count & (part.span.count - 1) == 0
        assert part.span.first % part.span.count == 0
        assert part.found == (part.span in known)
        assert part.found or part.span.count <= size


def test_sizes_follow_the_cost_of_a_member() -> None:
    assert block_size(0.006, 2.0) == 256
    assert block_size(1.5, 2.0) == 1
    assert block_size(30.0, 2.0) == 1
    assert block_size(0.0, 2.0) == 1024


def test_impossible_plans_are_refused() -> None:
    for members, size in ((0, 8), (10, 0), (10, 12)):
        with pytest.raises(ValueError, match="power of two"):
            plan_blocks(members, size, nothing)


def test_a_block_is_known_by_all_that_decides_its_result() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    one = run_digest({"model": "embedded", "version": "a", "stages": [["final", 10]]})
    same = run_digest({"stages": [["final", 10]], "version": "a", "model": "embedded"})
    other = run_digest({"model": "embedded", "version": "b", "stages": [["final", 10]]})
    digest = block_digest(one, rows)
    assert digest == block_digest(same, rows.copy(order="F"))
    assert digest != block_digest(other, rows)
    assert digest != block_digest(one, rows + 1e-12)
    assert digest != block_digest(one, rows[:3])
    assert digest != block_digest(one, rows.reshape(3, 4))
