"""How a flow asks: one rpc, its progress for the user, its faults before anything runs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catena.shared.client import (
    ArtifactRef,
    FailedPrecondition,
    FieldViolation,
    InvalidRequest,
    NotFound,
    ServiceClient,
    connect,
    open_store,
)

Section = dict[str, Any]
"""Fields of one rpc's request; the service checks them, so flows do not list them again."""

Ref = dict[str, str]
"""An ArtifactRef as plain data, so that Prefect can keep it."""

Check = tuple[str, str, Callable[[], Section]]
"""Section of the flow's file, rpc, and what makes its request: checked before anything runs."""

REPORTS = Path("reports")

_PROGRESS_EVERY_S = 5.0
# Stands for what earlier steps will make while requests are checked before anything runs.
_LATER = "0" * 64


def say(message: str) -> None:
    """Tell the user; Prefect takes prints into its log where a deployment asks for that."""
    print(message, flush=True)  # noqa: T201


def plain_ref(ref: ArtifactRef) -> Ref:
    """Reference as plain data."""
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def later(kind: str) -> Ref:
    """Reference to what an earlier step will make, for checking requests before anything runs."""
    return {"uri": f"imports/{_LATER}", "digest": f"sha256:{_LATER}", "kind": kind}


def ask_job(service: str, step: str, method: str, request: Section) -> Ref:
    """Artifact that the long rpc `method` makes of `request`; says what was reused."""
    started = time.monotonic()
    shown = started

    def progress(job: Any) -> None:
        nonlocal shown
        if job.progress and time.monotonic() - shown > _PROGRESS_EVERY_S:
            shown = time.monotonic()
            say(f"{step:12} {100 * job.progress:3.0f} %  {job.message}")

    with connect(service) as client:
        job = client.submit(method, request)
        if job.reused:
            say(f"{step:12} was there already: {_short(job.name)}")
            return plain_ref(job.result())
        ref = job.result(on_change=progress)
    say(f"{step:12} {time.monotonic() - started:5.1f} s    {_short(job.name)}")
    return plain_ref(ref)


def faults(
    client: ServiceClient,
    section: str,
    method: str,
    make: Callable[[], Section],
    *,
    quick: bool = False,
) -> list[FieldViolation]:
    """What the service finds wrong with a request, under the names of the flow's file.

    Parameters
    ----------
    client : ServiceClient
    section : str
        Of the flow's file, e.g. ``surrogate``.
    method : str
        A long rpc.
    make : callable
        Makes the request; references to what earlier steps make are :func:`later`.
    quick : bool
        For an rpc that answers at once: it is asked, and ends where what is made later is missing.
    """
    try:
        (client.call if quick else client.validate)(method, make())
    except NotFound as error:
        # What earlier steps will make is missing by design; anything else is a fault.
        return [
            FieldViolation(f"{section}.{item.field}", item.description)
            for item in error.violations
            if not _made_later(item)
        ]
    except InvalidRequest as error:
        if not error.violations:
            return [FieldViolation(section, error.message)]
        return [
            FieldViolation(f"{section}.{item.field}", item.description)
            for item in error.violations
            if not _made_later(item)
        ]
    return []


def export_file(ref: Ref, file: str, target: Path) -> Path:
    """Copy one file of an artifact out of the store to where the user looks for it.

    It appears complete, or not at all; what was there is replaced.

    Raises
    ------
    FailedPrecondition
        When it cannot be written: a full disk, or a folder in its place.
    """
    content = open_store().open(ref["uri"]).read_bytes(file)
    path = target.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise FailedPrecondition(
            f"{path} cannot be written ({error.strerror}); make room for it and run the flow "
            "again: what was computed is kept"
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def where(ref: Ref, name: str) -> str:
    """Where a file or folder of an artifact lies, for the user's own tools."""
    store = open_store()
    return f"{store.url}/{store.open(ref['uri']).path(name)}"


def _short(name: str) -> str:
    return name[: name.rfind("/") + 13]


def _made_later(violation: FieldViolation) -> bool:
    return _LATER in violation.description
