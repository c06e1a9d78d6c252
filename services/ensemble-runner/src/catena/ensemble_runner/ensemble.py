"""Runs of all members of an ensemble: what was run before is found, the rest is run in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from catena.ensemble_runner.blocks import (
    Planned,
    Span,
    block_digest,
    block_size,
    plan_blocks,
    run_digest,
)
from catena.ensemble_runner.fanout import Work, run_blocks
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import BlockRun, Failure, RunsItsOwnJobs, open_model
from catena.ensemble_runner.storage import BlockStore, block_failures
from catena.shared.artifacts import Artifact


@dataclass(frozen=True)
class Finished:
    """All blocks of an ensemble.

    Parameters
    ----------
    blocks : list of (Span, Artifact)
        In the order of the members.
    failures : list of Failure
        By number in the ensemble.
    found, run : int
        Members that were run before, and members that were run now.
    """

    blocks: list[tuple[Span, Artifact]]
    failures: list[Failure]
    found: int
    run: int


def run_members(
    work: Work,
    members: Members,
    store: BlockStore,
    *,
    progress: Callable[[float, str], None],
    saved: Callable[[int], None],
) -> Finished:
    """Run the members that nobody has run yet.

    Parameters
    ----------
    work : Work
    members : Members
    store : BlockStore
    progress : callable
        Hears of the fraction of members that are there, and of those that failed.
    saved : callable
        Called with the number of members that are there, after each block that was kept.

    Raises
    ------
    CatenaError
        Whatever the model raises, and what stops a job.
    """
    model = open_model(work.model)
    described = {
        "model": model.name,
        "version": model.version,
        "setup": work.setup.described(),
        "frequency": work.frequency,
        "columns": [column.label for column in work.columns],
    }
    common = run_digest(described)

    def digest(span: Span) -> str:
        return block_digest(common, members.rows[span.rows])

    total = len(members.rows)
    own_jobs = isinstance(model, RunsItsOwnJobs)
    size = 1 if own_jobs else block_size(model.member_s(work.setup))
    plan = plan_blocks(total, size, lambda span: store.has(digest(span)))
    blocks = {part.span: store.open(digest(part.span)) for part in plan if part.found}
    found = done = _count(plan, found=True)
    failed = sum(len(block_failures(block, span)) for span, block in blocks.items())
    todo = [part.span for part in plan if not part.found]
    for span, run in _runs(work, members, todo, digest):
        request = {**described, "first": span.first, "members": span.count}
        blocks[span] = store.put(digest(span), run, request)
        done += span.count
        failed += len(run.failures)
        saved(done)
        told = f", {failed} failed" if failed else ""
        progress(done / total, f"{done} of {total} members{told}")
    ordered = [(span, blocks[span]) for span in sorted(blocks)]
    failures = [each for span, block in ordered for each in block_failures(block, span)]
    return Finished(ordered, failures, found, total - found)


def _runs(
    work: Work, members: Members, spans: Sequence[Span], digest: Callable[[Span], str]
) -> Iterator[tuple[Span, BlockRun]]:
    """Blocks as they are done: by Ray or here, or by the model's own batch system."""
    model = open_model(work.model)
    if not isinstance(model, RunsItsOwnJobs):
        yield from run_blocks(work, members.rows, spans)
        return
    # Called by what is run, a member is found again on the machines where its files are.
    named = {digest(span)[:16]: span for span in spans}
    rows = {name: members.rows[span.first] for name, span in named.items()}
    for name, run in model.run_members(work.setup, work.columns, rows, work.frequency):
        yield named[name], run


def _count(plan: list[Planned], *, found: bool) -> int:
    return sum(part.span.count for part in plan if part.found == found)
