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
from pathlib import Path, PurePosixPath
from typing import Any

from catena.data_ingest import downloads
from catena.data_ingest.sources.era5_cds import Cds, Progress
from catena.shared.errors import InternalError, InvalidData, InvalidRequest, NotFound


def retrieve(
    cds: Cds,
    dataset: str,
    request: dict[str, Any],
    folder: Path,
    *,
    name: str = "",
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
        Where results and the notes of accepted jobs are kept.
    name : str
        What to call the file, without its suffix and without dots; it must stand for the request.
        Default: ``<dataset>-<digest of the request>``.
    progress : callable, optional
        Gets a line whenever something changes.

    Returns
    -------
    Path
        A whole file; a folder of files where the store packed several (it does so when instants
        and accumulations are asked for together).
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = name or f"{dataset}-{digest(dataset, request)}"
    if (done := kept(folder, name)) is not None:
        return done
    note = folder / f"{name}.job.json"
    tell = progress or (lambda _: None)
    # A job that the store has forgotten is asked for anew, once.
    for last in (False, True):
        job = accept(cds, dataset, request, folder, name=name, progress=tell)
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


def accept(
    cds: Cds,
    dataset: str,
    request: dict[str, Any],
    folder: Path,
    *,
    name: str,
    progress: Progress,
) -> str:
    """Queue a request at the store, unless an earlier call did; its job.

    Several can be queued before the first is waited for with :func:`retrieve`. One of several
    processes does it while the others wait. Parameters are those of :func:`retrieve`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{name}.job.json"
    with downloads.locked(note.with_suffix(".lock"), lambda: None):
        if job := _accepted(note):
            progress(f"Climate Data Store: waiting again for job {job}")
            return job
        job = cds.submit(dataset, request)
        _write(note, {"job": job, "dataset": dataset, "request": request})
    progress(f"Climate Data Store: job {job} is accepted")
    return job


def kept(folder: Path, name: str) -> Path | None:
    """What an earlier :func:`retrieve` brought; None if that is not here."""
    if (folder / name).is_dir():
        return folder / name
    for done in sorted(folder.glob(f"{name}.*")):
        if done.suffix in (".nc", ".grib", ".zip"):
            return _unpacked(done)
    return None


def digest(dataset: str, request: dict[str, Any]) -> str:
    """Sixteen letters that stand for a request, whatever the order of its fields."""
    text = json.dumps([dataset, request], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unpacked(path: Path) -> Path:
    """The folder of a packed result's files; any other result as it is."""
    folder = path.with_suffix("")
    with downloads.locked(path.with_suffix(".lock"), lambda: None):
        if not folder.is_dir() and zipfile.is_zipfile(path):
            _unpack(path, folder)
        if folder.is_dir():
            path.unlink(missing_ok=True)
            return folder
    return path


def _unpack(path: Path, folder: Path) -> None:
    half = path.with_suffix(f".{os.getpid()}.half")
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
