"""Prefect tasks and artifacts that all flows share; it imports Prefect, hence after `prepare`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from catena.flows.rpc import Ref
from catena.shared.client import JobInterrupted, Unavailable


async def _again(task: Any, run: Any, state: Any) -> bool:
    # Only what passes by itself: the server or the Ray cluster was away for longer than the
    # client's own patience. A wrong request or a failed job would fail again.
    try:
        await state.aresult(raise_on_failure=True)
    except (JobInterrupted, Unavailable):
        return True
    except Exception:
        return False
    return False


# The store caches results, under names that know the content; Prefect must not do it as well.
RPC: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_condition_fn": _again,
}
"""Settings of a task that is one rpc."""


def publish(name: str, title: str, prefix: str, path: Path, made: dict[str, Ref]) -> None:
    """Leave the report's link and a table of the artifacts in Prefect.

    Parameters
    ----------
    name, title : str
        Of the run; the name becomes part of the keys.
    prefix : str
        Kind of run, e.g. ``calibration``.
    path : Path
        Of the report.
    made : dict
        Artifact of each step.
    """
    # Keys of Prefect's artifacts have lower-case letters, digits and dashes only.
    key = "".join(c if c.isalnum() else "-" for c in name.lower())
    create_link_artifact(link=path.as_uri(), link_text=path.name, key=f"report-{key}")
    rows = "\n".join(f"| {step} | `{ref['uri']}` |" for step, ref in made.items())
    create_markdown_artifact(
        f"# {title or name}\n\nReport: [{path}]({path.as_uri()})\n\n"
        f"| step | artifact |\n|---|---|\n{rows}\n",
        key=f"{prefix}-{key}",
    )


def scheduled_day() -> str:
    """Day for which the present flow run was scheduled, ISO 8601: archives are read as of then."""
    moment = flow_run.scheduled_start_time or datetime.now(UTC)
    return str(moment.date().isoformat())
