"""Requests to the Climate Data Store, each asked for once whatever is interrupted.

A job is written down as soon as it is accepted, so that a process that is started again waits for
the same job instead of queueing a second one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from catena.data_ingest.sources.era5_cds import Cds, Progress
from catena.shared.errors import InternalError, InvalidData, InvalidRequest, NotFound


def retrieve(
    cds: Cds,
    dataset: str,
    request: dict[str, Any],
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Path:
    """The file that answers a request; asked for once, whatever is interrupted.

    Parameters
    ----------
    cds : Cds
    dataset : str
        Name in the store, e.g. ``reanalysis-era5-single-levels``.
    request : dict
        As the store's page shows it.
    folder : Path
        Where results and the notes of accepted jobs are kept. The file is called
        ``<dataset>-<digest of the request>.<suffix>``.
    progress : callable, optional
        Gets a line whenever something changes.

    Returns
    -------
    Path
        A whole file; a folder of files where the store packed several (it does so when instants
        and accumulations are asked for together).
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([dataset, request], sort_keys=True, separators=(",", ":"))
    name = f"{dataset}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if (folder / name).is_dir():
        return folder / name
    for done in sorted(folder.glob(f"{name}.*")):
        if done.suffix in (".nc", ".grib", ".zip"):
            return _unpacked(done)
    note = folder / f"{name}.job.json"
    tell = progress or (lambda _: None)
    # A job that the store has forgotten is asked for anew, once.
    for last in (False, True):
        job = _accepted(note)
        if job:
            tell(f"Climate Data Store: waiting again for job {job}")
        else:
            job = cds.submit(dataset, request)
            _write(note, {"job": job, "dataset": dataset, "request": request})
            tell(f"Climate Data Store: job {job} is accepted")
        try:
            cds.wait(job, tell)
            asset = cds.asset(job)
        except InvalidRequest:
            note.unlink(missing_ok=True)
            raise
        except NotFound:
            note.unlink(missing_ok=True)
            if last:
                raise
            continue
        tell(f"Climate Data Store: downloading {asset.size or 'unknown'} bytes of job {job}")
        path = cds.fetch(asset, folder / f"{name}{asset.suffix or '.nc'}", tell)
        note.unlink(missing_ok=True)
        return _unpacked(path)
    raise InternalError("Climate Data Store: neither a result nor an error")


def monthly_requests(
    variables: list[str],
    start: tuple[int, int],
    end: tuple[int, int],
    **more: Any,
) -> Iterator[dict[str, Any]]:
    """Requests for hourly fields, one per month: what the store's limits allow and its tapes like.

    Parameters
    ----------
    variables : list of str
        Long names, e.g. ``2m_temperature``.
    start, end : tuple of int
        First and last (year, month), both included.
    **more
        Other fields of the request: ``area`` [north, west, south, east], ``pressure_level``, ...

    Raises
    ------
    InvalidRequest
        When the end lies before the start.
    """
    if end < start:
        raise InvalidRequest(f"ERA5 request: end {end} lies before start {start}; swap them")
    for month in range(12 * start[0] + start[1] - 1, 12 * end[0] + end[1]):
        yield {
            "product_type": ["reanalysis"],
            "variable": variables,
            "year": [f"{month // 12:04d}"],
            "month": [f"{month % 12 + 1:02d}"],
            "day": [f"{day:02d}" for day in range(1, 32)],
            "time": [f"{hour:02d}:00" for hour in range(24)],
            "data_format": "netcdf",
            "download_format": "unarchived",
            **more,
        }


def _unpacked(path: Path) -> Path:
    """The folder of a packed result's files; any other result as it is."""
    if not zipfile.is_zipfile(path):
        return path
    half, folder = path.with_suffix(f".{os.getpid()}.half"), path.with_suffix("")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    with zipfile.ZipFile(path) as packed:
        for member in packed.infolist():
            # Only the last part of its name: a packed file may not choose its folder.
            name = PurePosixPath(member.filename.replace("\\", "/")).name
            if member.is_dir() or not name:
                continue
            if (half / name).exists():
                raise InvalidData(f"file {path.name}: found two members named {name}, wanted one")
            with packed.open(member) as source, (half / name).open("wb") as target:
                shutil.copyfileobj(source, target)
    half.rename(folder)
    path.unlink()
    return folder


def _accepted(note: Path) -> str:
    """Job of an earlier, interrupted call."""
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["job"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def _write(path: Path, plain: dict[str, Any]) -> None:
    """All or nothing."""
    half = path.with_suffix(f".{os.getpid()}.half")
    half.write_text(json.dumps(plain, indent=1), encoding="utf-8")
    half.replace(path)
