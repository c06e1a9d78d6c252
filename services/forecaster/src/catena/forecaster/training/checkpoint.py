"""State of a training as arrays and JSON: a killed one goes on to the same weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save
from torch import Tensor

Arrays = dict[str, NDArray[Any]]


class Checkpoint(Protocol):
    """Storage of one state; a job's context has one, a notebook may use a file or none."""

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The last state saved, or None."""

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Replace the state."""


class FileCheckpoint:
    """A state in one safetensors file, with the JSON in its header; replaced as a whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The last state saved, or None."""
        if not self._path.exists():
            return None
        raw = self._path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        return load(raw), json.loads(header["__metadata__"]["meta"])

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Replace the state; a kill in between leaves the old one."""
        new = self._path.with_name(self._path.name + ".new")
        new.write_bytes(save(dict(arrays), {"meta": json.dumps(meta)}))
        new.replace(self._path)


class Part:
    """One part of a checkpoint: a job that does two things goes on with either.

    Parameters
    ----------
    whole : Checkpoint
    name : str
        Of the part, without a colon.
    """

    def __init__(self, whole: Checkpoint, name: str) -> None:
        self._whole, self._name, self._prefix = whole, name, f"{name}:"

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The last state saved of this part, or None."""
        arrays, meta = self._whole.load() or ({}, {})
        if self._name not in meta:
            return None
        own = {k.removeprefix(self._prefix): v for k, v in arrays.items() if self._mine(k)}
        return own, dict(meta[self._name])

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Replace the state of this part; the others stay."""
        others, about = self._whole.load() or ({}, {})
        kept = {key: value for key, value in others.items() if not self._mine(key)}
        own = {f"{self._prefix}{key}": value for key, value in arrays.items()}
        self._whole.save(kept | own, {**about, self._name: meta})

    def _mine(self, key: str) -> bool:
        return key.startswith(self._prefix)


def pack(groups: Mapping[str, Mapping[str, Tensor]]) -> Arrays:
    """Arrays named ``group/tensor``, copied: training goes on while they are written."""
    return {
        f"{group}/{name}": value.detach().cpu().numpy().copy()
        for group, tensors in groups.items()
        for name, value in tensors.items()
    }


def unpack(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Tensor]]:
    """Groups of tensors from :func:`pack`."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        group, name = key.split("/", 1)
        groups.setdefault(group, {})[name] = torch.as_tensor(np.array(value))
    return groups
