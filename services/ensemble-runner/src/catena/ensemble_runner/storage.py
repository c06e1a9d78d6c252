"""What the ensemble runner's artifacts hold.

============  =====================================================================================
kind          files
============  =====================================================================================
runs          ``runs.json``, ``runs.zarr`` (member, time, cell): a variable for each output, the
              parameters of all members, the table of those that failed
case          ``case.json``, ``history_<frequency>.zarr`` (time, cell), ``restart.nc``
block         ``block.json``, ``values.safetensors`` (member, time, cell), or a file for each output
spin_up       see :mod:`catena.ensemble_runner.spin_storage`
============  =====================================================================================

A block is a part of an ensemble that whoever asks for the same members finds again. Ensembles hold
copies, so blocks may be collected as garbage; then their members are run anew when an ensemble is
extended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.ensemble_runner.blocks import Span
from catena.ensemble_runner.models import BlockRun, Failure
from catena.shared.artifacts import Artifact, ArtifactStore, ArtifactWriter, Lineage
from catena.shared.errors import ArtifactCorrupt, NotFound
from catena.shared.jobs.safety import removed
from catena.shared.version import code_version

SERVICE = "ensemble-runner"
RUNS = "runs.zarr"
AXES = "axes.zarr"
TOGETHER = "values.safetensors"
TOGETHER_BYTES = 8 << 20
"""Up to this size all outputs of a block are one file: it is read again for each of them."""
MEMBER_CHUNK = 64
"""Members that are read at once when an ensemble is put together, whatever its blocks are."""


class BlockStore:
    """Finished blocks by their digest.

    Parameters
    ----------
    store : ArtifactStore
    """

    folder = f"jobs/{SERVICE}/RunBlock"

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._known = frozenset() if removed("checkpoint") else frozenset(store.ls(self.folder))

    def has(self, digest: str) -> bool:
        """Whether a block was finished before this object was made."""
        if digest not in self._known:
            return False
        try:
            self._store.open(f"{self.folder}/{digest}")
        except (NotFound, ArtifactCorrupt):
            return False
        return True

    def put(self, digest: str, run: BlockRun, described: Mapping[str, Any]) -> Artifact:
        """Keep a block; one that is there already stays."""
        writer = self._writer(digest)
        if sum(values.nbytes for values in run.values.values()) <= TOGETHER_BYTES:
            writer.write_arrays(TOGETHER, run.values)
        else:
            for name, values in run.values.items():
                writer.write_arrays(f"values/{name}.safetensors", {name: values})
        if run.axes is not None:
            writer.write_dataset(AXES, run.axes)
        writer.write_json("block.json", {"failures": [asdict(each) for each in run.failures]})
        return self._committed(writer, described)

    def _writer(self, digest: str) -> ArtifactWriter:
        # Two jobs may run the same block at once: each writes files of its own.
        name = f"{self.folder.removeprefix('jobs/')}/{digest}"
        return self._store.writer(name, attempt=secrets.randbelow(1 << 31))

    def _committed(
        self, writer: ArtifactWriter, described: Mapping[str, Any], timed: Sequence[str] = ()
    ) -> Artifact:
        ref = writer.commit(
            kind="block",
            timed_files=timed,
            lineage=Lineage(
                service=SERVICE,
                method=self.folder.rpartition("/")[2],
                request=dict(described),
                code_version=code_version(),
            ),
        )
        return self._store.open(ref)

    def open(self, digest: str) -> Artifact:
        """A finished block; errors as in :meth:`ArtifactStore.open`."""
        return self._store.open(f"{self.folder}/{digest}")


def block_failures(block: Artifact, span: Span) -> list[Failure]:
    """Members of a block that failed, by their number in the ensemble."""
    return [
        Failure(**{**row, "member": span.first + int(row["member"])})
        for row in block.read_json("block.json")["failures"]
    ]


def block_axes(blocks: Sequence[tuple[Span, Artifact]]) -> xr.Dataset | None:
    """Axes that the model's own files gave; None where they are those of the forcing."""
    for _, block in blocks:
        if f"{AXES}/zarr.json" in block.names:
            return block.open_dataset(AXES).load()
    return None


def joined(blocks: Sequence[tuple[Span, Artifact]], name: str, shape: tuple[int, int]) -> Any:
    """One output of all members, lazily.

    Parameters
    ----------
    blocks : sequence of (Span, Artifact)
        In the order of the members.
    name : str
    shape : (time, cell)

    Returns
    -------
    dask array (member, time, cell), float32
        Its chunks do not tell in which blocks it was run: an extended ensemble is, byte by byte,
        one that was run at once.
    """
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array
    read: Callable[..., Any] = delayed(_values, pure=True)
    parts = [
        da.from_delayed(
            read(block, name, (span.count, *shape)), (span.count, *shape), dtype=np.float32
        )
        for span, block in blocks
    ]
    return da.concatenate(parts, axis=0).rechunk((MEMBER_CHUNK, -1, -1))


def _values(block: Artifact, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    file = TOGETHER if TOGETHER in block.names else f"values/{name}.safetensors"
    values = block.read_arrays(file)
    return values[name] if name in values else np.full(shape, np.nan, dtype=np.float32)
