"""Blocks of members: what is run together, kept together, and found again.

The members 0, 1, 2, ... are the leaves of a binary tree. A block is a node of it: 2^k members that
begin at a multiple of 2^k. A block is known by the digest of what was run (model, version, forcing,
stages, ...) and of its own rows of parameters, so it is found by whoever asks for the same members
again: a job that was killed, and an ensemble that is extended.

An ensemble of 1,000 in blocks of 64 ends with one of 32 and one of 8. Extended to 1,500, its blocks
are found as they are, and the members 1,000 to 1,499 are cut into new ones: exactly 500 are run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Span:
    """Members `first`, ..., `first + count - 1`."""

    first: int
    count: int

    @property
    def stop(self) -> int:
        """The first member after it."""
        return self.first + self.count

    @property
    def rows(self) -> slice:
        """Its rows in a table of all members."""
        return slice(self.first, self.stop)


@dataclass(frozen=True)
class Planned:
    """A block of an ensemble; `found`: it was run before."""

    span: Span
    found: bool


def plan_blocks(members: int, size: int, known: Callable[[Span], bool]) -> list[Planned]:
    """Cut an ensemble into blocks.

    Parameters
    ----------
    members : int
        Of the ensemble.
    size : int
        Most members of a block that is to be run; a power of two.
    known : callable
        Whether a block was run before. Blocks of any size are looked for, the largest first.

    Returns
    -------
    list of Planned
        In the order of the members; each member is in one of them.
    """
    if members < 1 or size < 1 or size & (size - 1):
        raise ValueError(f"{members} members in blocks of {size}; wanted >= 1 and a power of two")
    root = Span(0, 1 << (members - 1).bit_length())
    return _cover(root, members, size, known)


def _cover(node: Span, members: int, size: int, known: Callable[[Span], bool]) -> list[Planned]:
    if node.first >= members:
        return []
    whole = node.stop <= members
    if whole and known(node):
        return [Planned(node, True)]
    if node.count == 1:
        return [Planned(node, False)]
    half = node.count // 2
    parts = [
        planned
        for child in (Span(node.first, half), Span(node.first + half, half))
        for planned in _cover(child, members, size, known)
    ]
    if whole and node.count <= size and not any(part.found for part in parts):
        return [Planned(node, False)]
    return parts


def block_size(member_s: float, task_s: float = 2.0, most: int = 1024) -> int:
    """Members of a block: the largest power of two that takes no longer than `task_s`.

    Parameters
    ----------
    member_s : float
        CPU seconds of one member.
    task_s : float
        Wanted seconds of a task: much longer than handing it out takes (some milliseconds), and
        short enough that the last ones do not keep the others waiting.
    most : int
        Power of two.
    """
    wanted = max(1, int(min(task_s / max(member_s, 1e-9), most)))
    return 1 << (wanted.bit_length() - 1)


def run_digest(described: Mapping[str, Any]) -> str:
    """Digest of what all members have in common, from its JSON form."""
    text = json.dumps(described, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def block_digest(run: str, rows: NDArray[np.float64]) -> str:
    """Digest of a block: what is run (:func:`run_digest`), with these rows of parameters."""
    digest = hashlib.sha256(f"{run} {rows.shape[0]} {rows.shape[1]} ".encode())
    digest.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
    return digest.hexdigest()
