"""Datasets that note each chunk that is read of them, and a store that keeps nothing large.

``python -m support.lazy_data <task> '<json>'`` runs one task in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from catena.data_ingest.copying import Copier
from catena.shared.artifacts import ArtifactStore, shards
from catena.shared.artifacts.folder import LocalFiles
from catena.shared.jobs.checkpoint import Checkpoint

NAME = "data-ingest/IngestDataset/0a1b"
SMALL_PARTS = {"SHARD_BYTES": 6 << 20, "CHUNK_BYTES": 256 << 10}
"""For `catena.shared.artifacts.shards`: an eighth, so that few bytes make several parts."""


def counted(
    log: Path, rows: int, *, chunk: int = 100, lat: int = 75, lon: int = 30, add: float = 0
) -> xr.Dataset:
    """`rows` maps of noise in chunks of `chunk`; each chunk that is made adds a line to `log`.

    `add` is added to all values of the noise. Two variables: `tas` is as large as it comes,
    `height` is a scalar.
    """

    def block(block_id: tuple[int, ...], size: int) -> np.ndarray:
        with log.open("a") as file:
            file.write(f"{block_id[0]}\n")
        rng = np.random.default_rng(block_id[0])
        return rng.integers(0, 99, (size, lat, lon)).astype("float32") + np.float32(add)

    sides = [min(chunk, rows - start) for start in range(0, rows, chunk)]
    blocks = [
        da.from_delayed(_delayed(block)((number,), side), shape=(side, lat, lon), dtype="float32")
        for number, side in enumerate(sides)
    ]
    return xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), da.concatenate(blocks), {"units": "K"}),
            "height": ((), 2.0),
        },
        coords={
            "time": xr.date_range("2000-01-01", periods=rows, calendar="noleap", use_cftime=True),
            "lat": np.linspace(-90, 90, lat),
        },
    )


def _delayed(function: Any) -> Any:
    from dask import delayed

    return delayed(function, pure=False)


def copier(store: ArtifactStore, attempt: int, name: str = NAME) -> tuple[Copier, Any]:
    """A copier, and the writer behind it, as a job's attempt has them."""
    writer = store.writer(name, attempt)
    return Copier(writer, Checkpoint(store, f"jobs/{name}/checkpoint", attempt)), writer


class DiscardingFiles(LocalFiles):
    """Bytes are counted; files above 0.1 MB are dropped, since nobody reads them again."""

    counted = 0

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        self.counted += len(data)
        if len(data) <= 100_000:
            super().write(path, data, durable=durable)


def copy_and_die(
    url: str,
    log: str,
    rows: int,
    attempt: int,
    die_after: int,
    version: str | None = "",
    add: float = 0,
) -> None:
    """Copy; SIGKILL in the middle of writing the part after `die_after` parts (never if < 0)."""
    vars(shards).update(SMALL_PARTS)
    store = ArtifactStore(url)
    copy, writer = copier(store, attempt)
    put, parts = writer.put_entry, 0

    def dying(name: str, data: bytes) -> None:
        nonlocal parts
        if "/tas/c/" in name:
            if parts == die_after:
                half = store.local(f"{writer.uri}/attempts/{attempt}/{name}")
                half.parent.mkdir(parents=True, exist_ok=True)
                half.with_name(".tmp-half").write_bytes(data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            parts += 1
        put(name, data)

    writer.put_entry = dying
    copied = copy.copy("data/a.zarr", counted(Path(log), rows, add=add), version=version)
    ref = writer.commit(kind="dataset")
    print(json.dumps({"digest": ref.digest, "written": copied.written, "adopted": copied.adopted}))


def _peak_mib() -> float:
    """Largest resident size of this process; ``getrusage`` would count the parent's, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the peak of memory")


def copy_virtual(url: str, gib: float, threads: int, noise: bool = False) -> None:
    """Copy `gib` GiB of generated maps into a store that drops them; tell the peak of memory.

    Plain maps compress 1,700 times, which is quick; noise does not, and needs the most memory.
    """
    lat, lon = 180, 360
    rows = int(gib * 2**30 / (4 * lat * lon))
    ramp = np.arange(lon, dtype="float32") + np.arange(lat, dtype="float32")[:, None]
    day = da.arange(rows, chunks=64, dtype="float32")[:, None, None]
    maps = day + ramp
    if noise:
        maps = da.random.default_rng(0).random(maps.shape, dtype="float32", chunks=maps.chunks)
    data = xr.Dataset({"tas": (("time", "lat", "lon"), maps)})
    store = ArtifactStore(url)
    store.files = DiscardingFiles(Path(url.removeprefix("file://")))
    writer = store.writer(NAME, 1)
    checkpoint = Checkpoint(store, f"jobs/{NAME}/checkpoint", 1)
    before = _peak_mib()
    copied = Copier(writer, checkpoint, threads=threads).copy("data/v.zarr", data)
    peak = _peak_mib()
    print(json.dumps({"bytes": copied.size, "parts": copied.written, "before_mib": before,
                      "peak_mib": peak, "stored": store.files.counted}))  # fmt: skip


if __name__ == "__main__":
    globals()[sys.argv[1]](**json.loads(sys.argv[2]))
