"""What a spin-up's artifact holds, and its blocks of sites, which are found again.

============  =====================================================================================
kind          files
============  =====================================================================================
spin_up       ``spin_up.json``; ``states.safetensors``: the state of each site, out of accelerated
              decomposition, with its cell and parameters, and whether it is an equilibrium;
              ``result.safetensors``: pools, years, NEE before and after by site;
              ``restart_<set>.nc`` of sites at equilibrium, where few parameter sets were run;
              ``sites.safetensors`` and ``about.json``: what can be learned from a native one;
              ``costs.json``, ``report.html``
comparison    ``report.html``, ``comparison.json``, ``<method>.safetensors``
============  =====================================================================================
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.version import model_version
from catena.ensemble_runner.blocks import Span, block_digest, run_digest
from catena.ensemble_runner.fanout import run_parts
from catena.ensemble_runner.spin_block import SpinUpBlock, SpinUpWork
from catena.ensemble_runner.spin_result import SpunUpSites, joined
from catena.ensemble_runner.spin_sites import SpinUpSites
from catena.ensemble_runner.storage import SERVICE, BlockStore
from catena.shared.artifacts import Artifact

Array = NDArray[np.float64]

RESULT = "result.safetensors"
COSTS = "costs.json"
"""CPU seconds: of the clock, and so no part of what is the same for the same request."""
BLOCK_SITES = 32
"""Sites that are spun up together: some seconds of native spin-up."""


class SpinUpBlocks(BlockStore):
    """Finished blocks of sites by their digest."""

    folder = f"jobs/{SERVICE}/SpinUpBlock"

    def keep(self, digest: str, block: SpinUpBlock, described: Mapping[str, Any]) -> Artifact:
        """Keep a block; one that is there already stays."""
        writer = self._writer(digest)
        writer.write_arrays(RESULT, {**block.made.arrays(), "state": block.state})
        about = block.made.about()
        writer.write_json(COSTS, about.pop("cpu_s"))
        writer.write_json("block.json", about)
        return self._committed(writer, described, timed=(COSTS,))

    def read(self, digest: str) -> SpinUpBlock:
        """A finished block; errors as in :meth:`ArtifactStore.open`."""
        artifact = self.open(digest)
        arrays = artifact.read_arrays(RESULT)
        about = {**artifact.read_json("block.json"), "cpu_s": artifact.read_json(COSTS)}
        made = SpunUpSites.of(arrays, about)
        return SpinUpBlock(made, arrays["state"])


@dataclass(frozen=True, eq=False)
class SpunUp:
    """All sites of a spin-up.

    Parameters
    ----------
    made : SpunUpSites
    state : float64 (site, number)
    found, run : int
        Sites that were spun up before, and now.
    """

    made: SpunUpSites
    state: Array
    found: int
    run: int


def run_sites(
    work: SpinUpWork,
    sites: SpinUpSites,
    store: SpinUpBlocks,
    *,
    progress: Callable[[float, str], None],
    saved: Callable[[int], None],
) -> SpunUp:
    """Spin up the sites that nobody has spun up yet, block by block.

    Parameters
    ----------
    work : SpinUpWork
    sites : SpinUpSites
        Those of its case.
    store : SpinUpBlocks
    progress : callable
        Hears of the fraction of sites that are there.
    saved : callable
        Called with the number of sites that are there, after each block that was kept.

    Raises
    ------
    CatenaError
        Whatever the method raises, and what stops a job.
    """
    described = {
        "model": work.case.model,
        "version": model_version(),
        "methods": methods_version(),
        "sites": sites.described(),
        "method": work.method.described(),
        "check": work.check.model_dump(mode="json"),
        "free_cycles": work.free_cycles,
        "layout": work.case.layout.names,
    }
    common = run_digest(described)
    parameters, cell = sites.parameters, sites.cell
    spans = [
        Span(first, min(BLOCK_SITES, sites.count - first))
        for first in range(0, sites.count, BLOCK_SITES)
    ]

    def digest(span: Span) -> str:
        rows = span.rows
        own = [cell[rows, None], parameters.scalars[rows], parameters.pfts[rows]]
        return block_digest(
            common, np.concatenate([each.reshape(span.count, -1) for each in own], axis=1)
        )

    blocks = {span: store.read(digest(span)) for span in spans if store.has(digest(span))}
    found = done = sum(span.count for span in blocks)
    todo = [
        (span, f"sites {span.first} to {span.stop - 1}", np.arange(span.first, span.stop))
        for span in spans
        if span not in blocks
    ]
    for span, block in run_parts(work, todo):
        own = {**described, "first": span.first, "count": span.count}
        store.keep(digest(span), block, own)
        blocks[span] = block
        done += span.count
        saved(done)
        progress(done / sites.count, f"{done} of {sites.count} sites")
    return _whole(blocks, sites.count, found)


@cache
def methods_version() -> str:
    """Digest of the code of spin-ups and their check: blocks of another one are not reused."""
    names = [file.name for file in files("catena.coupler.spin_up").iterdir()]
    modules = [
        *(f"catena.coupler.spin_up.{name[:-3]}" for name in names if name.endswith(".py")),
        "catena.ensemble_runner.spin_block",
        "catena.ensemble_runner.spin_methods",
        *_emulator_modules(),
    ]
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(module.encode() + b"\0" + _source(module))
    return digest.hexdigest()[:16]


def _emulator_modules() -> set[str]:
    """The emulator's module, and all of its package that it imports in turn."""
    found: set[str] = set()
    todo = ["catena.models.spin_up_emulator"]
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            nodes = ast.walk(ast.parse(_source(module)))
            imported = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
            todo += [name for name in imported if name.startswith("catena.models.")]
    return found


def _source(module: str) -> bytes:
    package, _, name = module.rpartition(".")
    return (files(package) / f"{name}.py").read_bytes()


def _whole(blocks: Mapping[Span, SpinUpBlock], sites: int, found: int) -> SpunUp:
    ordered: Sequence[Span] = sorted(blocks)
    parts = [(np.arange(span.first, span.stop), blocks[span].made) for span in ordered]
    state = np.concatenate([blocks[span].state for span in ordered])
    return SpunUp(joined(parts, sites), state, found, sites - found)
