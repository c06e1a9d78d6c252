"""One process of a training, whoever started it.

::

    python -m catena.orbit_trainer.training.worker --task task.json
    torchrun --nproc-per-node 8 -m catena.orbit_trainer.training.worker --task task.json
    deepspeed --module catena.orbit_trainer.training.worker --task task.json

On a machine without GPUs the last is told ``DS_ACCELERATOR=cpu deepspeed --num_accelerators 8``.
Launchers say in the environment which process this is (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
MASTER_PORT). All processes read the same file, and see the same folder of checkpoints; what was
trained lies there in the end. A training that was killed goes on when it is started again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.distributed.rendezvous import rendezvous

from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.loop import Trained
from catena.orbit_trainer.training.task import read_task
from catena.orbit_trainer.trainings import run
from catena.shared import errors
from catena.shared.errors import CatenaError, FailedPrecondition

__all__ = ["Progress", "forget", "joined", "read_failure", "read_trained", "seen", "work"]

_WEIGHTS, _HISTORY = "trained.safetensors", "history.json"
_PROGRESS, _FAILURE = "progress.json", "failure.json"
_EVERY_S = 1.0
PATIENCE = timedelta(minutes=30)
"""Longest wait of a process for the others: the first batches and compilations take a while."""


def work(task: Path, device: str = "cpu", *, say: bool = False) -> None:
    """Do this process's part of a training, and leave what was trained in its folder.

    Parameters
    ----------
    task : Path
        See :mod:`catena.orbit_trainer.training.task`.
    device : {"cpu", "cuda"}
    say : bool
        Print how far it is, where this is the first process.

    Raises
    ------
    CatenaError
        What the training raises; it is written down in the folder as well.
    """
    training, folder = read_task(task)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with joined(device) as place:
            first = not dist.is_initialized() or dist.get_rank() == 0
            if dist.is_initialized():
                _begin_together(folder)
            progress = Progress(folder, say) if first else _silent
            trained = run(training, folder, progress, device=place)
            if first:
                _write_trained(folder, trained)
    except CatenaError as error:
        # A disk that is full has no place for this either; then the launcher hears of it.
        with suppress(OSError):
            _write(folder / _FAILURE, {"kind": type(error).__name__, "message": str(error)})
        raise


@contextmanager
def joined(device: str = "cpu") -> Iterator[torch.device]:
    """The device of this process, with the group of all of them if there are several.

    One process alone has no group and needs no network.

    Raises
    ------
    FailedPrecondition
        When there is no GPU.
    """
    size, local = (int(os.environ.get(name, one)) for name, one in _ALONE)
    place = torch.device(device)
    if place.type == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise FailedPrecondition("device cuda: this process sees no GPU; set device to cpu")
        place = torch.device("cuda", local if local < count else 0)
        torch.cuda.set_device(place)
    if size == 1 or dist.is_initialized():
        yield place
        return
    store, rank, size = _meeting()
    dist.init_process_group(
        "nccl" if place.type == "cuda" else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    yield place
    # Not where something was raised: others may not get here, and would be waited for.
    dist.destroy_process_group()


_ALONE = (("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def _meeting() -> tuple[Any, int, int]:
    """Where the processes tell each other their addresses; which this is, of how many.

    torchrun has one such place for all its restarts, and the addresses of dead processes stay in
    it. Each start gets a part of its own, by the number of restarts, which is known on one machine
    only: another machine's torchrun counts its own.
    """
    said = os.environ.get
    shared = said("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if (
        shared
        and int(said("GROUP_WORLD_SIZE", "1")) > 1
        and said("TORCHELASTIC_MAX_RESTARTS") != "0"
    ):
        raise FailedPrecondition(
            "torchrun on several machines would start processes again that meet dead ones; set "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun, or --max-restarts=0"
        )
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    store.set_timeout(PATIENCE)
    start = said("TORCHELASTIC_RESTART_COUNT", "0")
    part = dist.PrefixStore(f"start-{start}", store)  # type: ignore[attr-defined]
    return part, rank, size


class Progress:
    """How far a training is, written down for whoever looks.

    Parameters
    ----------
    folder : Path
    say : bool
        Print it too.
    """

    def __init__(self, folder: Path, say: bool = False) -> None:
        self._path, self._say, self._last = folder / _PROGRESS, say, 0.0

    def __call__(self, fraction: float, message: str) -> None:
        """As the loop calls it."""
        if fraction < 1.0 and time.monotonic() - self._last < _EVERY_S:
            return
        self._last = time.monotonic()
        with suppress(OSError):  # a full disk ends a training when something is lost by it
            _write(self._path, {"fraction": fraction, "message": message})
        if self._say:
            sys.stdout.write(f"{message}\n")
            sys.stdout.flush()

    @staticmethod
    def read(folder: Path) -> tuple[float, str]:
        """What was written last."""
        try:
            said = json.loads((folder / _PROGRESS).read_text())
        except (OSError, ValueError):
            return 0.0, "starting processes"
        return float(said["fraction"]), str(said["message"])


def read_trained(folder: Path) -> Trained:
    """What :func:`work` left.

    Raises
    ------
    FailedPrecondition
        When it has not come to its end.
    """
    try:
        history = History.from_dict(json.loads((folder / _HISTORY).read_text()))
        return Trained(load_file(folder / _WEIGHTS), history)
    except (OSError, ValueError, SafetensorError) as error:
        raise FailedPrecondition(
            f"the training has left no weights ({type(error).__name__}); start it again, it goes "
            "on from its last checkpoint"
        ) from None


def read_failure(folder: Path) -> CatenaError | None:
    """What a process raised, if it raised an error of catena's."""
    try:
        said = json.loads((folder / _FAILURE).read_text())
    except (OSError, ValueError):
        return None
    kind = getattr(errors, str(said["kind"]), errors.InternalError)
    error: CatenaError = kind(said["message"])
    return error


def forget(folder: Path) -> None:
    """Remove what processes said before, so that what is read is news."""
    for name in (_PROGRESS, _FAILURE, _HISTORY, _WEIGHTS):
        (folder / name).unlink(missing_ok=True)


def _begin_together(folder: Path) -> None:
    """Return when all processes see the checkpoint that the first one will go on from."""
    found = CheckpointFolder(folder).newest()
    told = [found[0].name if found else ""]
    dist.broadcast_object_list(told, src=0)
    seen(folder, told[0])


def seen(folder: Path, name: str, timeout_s: float = 60.0) -> None:
    """Return when the newest whole checkpoint has this name; "" is none.

    File systems that machines share may show late what another machine wrote.

    Raises
    ------
    FailedPrecondition
        When it has not after `timeout_s`: it is another folder, for one.
    """
    ends = time.monotonic() + timeout_s
    while True:
        found = CheckpointFolder(folder).newest()
        newest = found[0].name if found else ""
        if newest == name:
            return
        if time.monotonic() >= ends:
            raise FailedPrecondition(
                f"the first process goes on from {name or 'the beginning'}, this one sees "
                f"{newest or 'no checkpoint'}; put checkpoints where all processes see them"
            )
        time.sleep(0.1)


def _write_trained(folder: Path, trained: Trained) -> None:
    new = folder / f"{_WEIGHTS}.new"
    try:
        save_file(trained.weights, new)
        new.replace(folder / _WEIGHTS)
        _write(folder / _HISTORY, trained.history.to_dict())
    except (OSError, SafetensorError) as error:
        new.unlink(missing_ok=True)
        raise FailedPrecondition(
            f"what was trained could not be written ({error}); free some space and start again, it "
            "goes on from its last checkpoint"
        ) from error


def _write(path: Path, value: Any) -> None:
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        new.write_text(json.dumps(value))
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _silent(fraction: float, message: str) -> None:
    """Progress of all processes but the first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m catena.orbit_trainer.training.worker",
        description="One process of a training of ORBIT; start it with torchrun or deepspeed to "
        "have several. Started again, it goes on from its last checkpoint.",
    )
    parser.add_argument("--task", type=Path, required=True, help="JSON file that says what to do")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    # What the deepspeed launcher adds; LOCAL_RANK says the same.
    parser.add_argument("--local_rank", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        work(given.task, given.device, say=True)
    except CatenaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
