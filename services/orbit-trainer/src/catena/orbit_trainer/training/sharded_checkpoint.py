"""Checkpoints that each process writes its part of, and that any other mesh can read.

They are written by torch.distributed.checkpoint, with one difference: which part of which tensor
lies where is said in JSON (``tensors.json``). Torch says it in a pickle, and to read a pickle is to
run whatever its writer wanted. Parts of tensors have their checksums there, and are read with
``weights_only``, which refuses everything but numbers.

A checkpoint is written under another name, in the background, and renamed when all of it is on
disk (:func:`.checkpoint_folder.seal`): a kill or a full disk leaves the one before.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import warnings
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePath
from typing import IO, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import (
    FileSystemReader,
    FileSystemWriter,
    _StorageInfo,
)
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, SavePlan, SavePlanner
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from catena.orbit_trainer.training.checkpoint_folder import read_meta, seal, unfinished
from catena.shared.errors import FailedPrecondition

__all__ = ["CheckpointWriter", "load_checkpoint"]

_TENSORS = "tensors.json"
_FORMAT = "catena sharded tensors 1"
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float32, torch.float64, torch.bfloat16)
}


class CheckpointWriter:
    """Writes checkpoints in the background, one at a time.

    Parameters
    ----------
    group : ProcessGroup or None
        All processes, for this alone: they talk while others of their groups train. None for one.
    """

    def __init__(self, group: dist.ProcessGroup | None) -> None:
        self._group = group
        # Copies are made while the training waits; a device's go to the host.
        self._stager = DefaultStager(StagingOptions(False, False, False, False))
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def save(self, folder: Path, state: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Copy tensors, and begin to write them; `folder` appears when all is written.

        Raises
        ------
        FailedPrecondition
            When the checkpoint before could not be written.
        """
        self.wait()
        staged = self._stager.stage(dict(state))
        self._thread = threading.Thread(
            target=self._write, args=(folder, staged, dict(meta)), name="checkpoint", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when the last checkpoint is written.

        Raises
        ------
        FailedPrecondition
            On all processes, when one could not write its part.
        RuntimeError
            When a process was lost meanwhile: who has started them starts them again.
        """
        if self._thread is not None:
            self._thread.join()
        self._thread, failure, self._failure = None, self._failure, None
        if failure is not None:
            raise failure

    def _write(self, folder: Path, state: dict[str, Tensor], meta: dict[str, Any]) -> None:
        try:
            with _quiet():
                save(
                    state,
                    storage_writer=_Writer(folder, meta),
                    process_group=self._group,
                    no_dist=self._group is None,
                )
        # Anything, a lost process too: what is not raised here would pass for written.
        except (CheckpointException, Exception) as error:
            if self._group is not None and isinstance(error, RuntimeError):
                self._failure = error  # of the exchange itself; what a part raises comes wrapped
                return
            cause = _cause(error)
            self._failure = FailedPrecondition(
                f"checkpoint {folder.name} could not be written ({type(cause).__name__}: {cause}); "
                "the one before is kept: make space, or mend what is said, then start again"
            )
            if _rank(self._group) == 0:
                shutil.rmtree(unfinished(folder), ignore_errors=True)


def load_checkpoint(
    folder: Path, state: Mapping[str, Tensor], group: dist.ProcessGroup | None
) -> dict[str, Any]:
    """Read this process's part of a checkpoint into tensors; returns what was saved as `meta`.

    Parameters
    ----------
    folder : Path
    state : mapping of str to Tensor
        Tensors to be filled, by name, distributed in any way; those of all processes together
        must be those that were saved.
    group : ProcessGroup or None
        All processes.

    Raises
    ------
    FailedPrecondition
        On all processes, when the checkpoint is not whole, of another kind or of another model.
        No tensor has changed then, unless numbers on the disk are damaged.
    """
    found: list[Any] = [None]
    if _rank(group) == 0:
        try:
            found = [(read_meta(folder), _read_tensors(folder))]
        except FailedPrecondition as error:
            found = [error.message]
    if group is not None:
        dist.broadcast_object_list(found, src=0, group=group)
    if isinstance(found[0], str):
        raise FailedPrecondition(found[0])
    meta, metadata = found[0]
    try:
        with _quiet():
            load(
                dict(state),
                storage_reader=_Reader(folder, metadata),
                planner=_AllOrNothing(),
                process_group=group,
                no_dist=group is None,
            )
    except CheckpointException as error:
        raise FailedPrecondition(
            f"{folder.name} cannot be read into this model: {_cause(error)}; go on from another "
            "checkpoint, or with the model that wrote it"
        ) from None
    return dict(meta)


@dataclass
class _Place(_StorageInfo):
    """Where a part of a tensor lies, with the checksum of its bytes (CRC-32)."""

    checksum: int = 0


class _Writer(FileSystemWriter):
    """Says in JSON what is where, then gives the checkpoint its name."""

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        super().__init__(unfinished(folder))
        self._folder, self._meta = folder, meta

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        # Torch's makes the folder on each process: while the first one removes what was left there.
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        # On the first process alone, while all others wait for it; its errors reach all of them.
        part = unfinished(self._folder)
        shutil.rmtree(part, ignore_errors=True)  # what a killed process left
        part.mkdir(parents=True)
        return super().prepare_global_plan(plans)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        results = super().write_data(plan, planner).value()
        checked: Future[list[WriteResult]] = Future()
        checked.set_result([self._checked(result) for result in results])
        return checked

    def _checked(self, result: WriteResult) -> WriteResult:
        place = result.storage_data
        with (unfinished(self._folder) / place.relative_path).open("rb") as file:
            file.seek(place.offset)
            checksum = zlib.crc32(file.read(place.length))
        found = _Place(place.relative_path, place.offset, place.length, checksum=checksum)
        return replace(result, storage_data=found)

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        where = {
            (result.index.fqn, tuple(result.index.offset or ())): result.storage_data
            for part in results
            for result in part
        }
        tensors = {}
        for name, tensor in metadata.state_dict_metadata.items():
            assert isinstance(tensor, TensorStorageMetadata)
            chunks = []
            for chunk in tensor.chunks:
                place = where[name, tuple(chunk.offsets)]
                chunks.append(
                    {
                        "at": list(chunk.offsets),
                        "shape": list(chunk.sizes),
                        "file": place.relative_path,
                        "offset": place.offset,
                        "bytes": place.length,
                        "crc32": place.checksum,
                    }
                )
            dtype = str(tensor.properties.dtype).removeprefix("torch.")
            tensors[name] = {"dtype": dtype, "shape": list(tensor.size), "parts": chunks}
        with (unfinished(self._folder) / _TENSORS).open("w") as file:
            json.dump({"format": _FORMAT, "tensors": tensors}, file)
            file.flush()
            os.fsync(file.fileno())
        seal(self._folder, self._meta)


class _Reader(FileSystemReader):
    """Knows beforehand what is where."""

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(folder)
        self._metadata = metadata

    def read_metadata(self) -> Metadata:
        return self._metadata

    def _slice_file(self, file: IO[bytes], sinfo: _Place) -> IO[bytes]:  # type: ignore[override]
        file.seek(sinfo.offset)
        content = file.read(sinfo.length)
        if zlib.crc32(content) != sinfo.checksum:
            raise ValueError(f"{sinfo.relative_path} is damaged at byte {sinfo.offset} or after")
        return BytesIO(content)


class _AllOrNothing(DefaultLoadPlanner):
    """Refuses a checkpoint that has more than what all processes ask for."""

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        asked = {item.dest_index.fqn for plan in global_plan for item in plan.items}
        assert self.metadata is not None
        more = sorted(set(self.metadata.state_dict_metadata) - asked)
        if more:
            raise ValueError(f"it has {len(more)} tensors that the model lacks, e.g. {more[0]}")
        return super().create_global_plan(global_plan)


def _read_tensors(folder: Path) -> Metadata:
    try:
        said = json.loads((folder / _TENSORS).read_text())
        if said["format"] != _FORMAT:
            raise ValueError(f"format {said['format']!r}")
        tensors: dict[str, Any] = {}
        places: dict[MetadataIndex, _Place] = {}
        for name, tensor in said["tensors"].items():
            chunks = []
            for part in tensor["parts"]:
                if PurePath(part["file"]).name != part["file"]:
                    raise ValueError(f"{name} lies outside, in {part['file']}")
                at = torch.Size(part["at"])
                chunks.append(ChunkStorageMetadata(at, torch.Size(part["shape"])))
                places[MetadataIndex(name, at)] = _Place(
                    part["file"],
                    int(part["offset"]),
                    int(part["bytes"]),
                    checksum=int(part["crc32"]),
                )
            properties = TensorProperties(_DTYPES[tensor["dtype"]])
            tensors[name] = TensorStorageMetadata(properties, torch.Size(tensor["shape"]), chunks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FailedPrecondition(
            f"{folder.name} is no checkpoint of this engine: its {_TENSORS} is missing or damaged "
            f"({type(error).__name__}: {error}); it may be of another engine or program"
        ) from None
    return Metadata(tensors, storage_data=places)


def _rank(group: dist.ProcessGroup | None) -> int:
    return 0 if group is None else dist.get_rank(group)


def _cause(error: BaseException) -> BaseException:
    """What went wrong first, of what all processes report."""
    if isinstance(error, CheckpointException) and error.failures:
        return error.failures[min(error.failures)][0]
    return error


@contextmanager
def _quiet() -> Any:
    """Without the warning that one process alone is one process alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
