"""Garbage collection: what nobody needs any more, why, and how many bytes.

Kept: what is pinned; jobs that are queued, running or may be resumed; what either was, or is
being, made from, all the way back; and whatever is younger than the grace period. Only ``jobs/``
and ``imports/`` are touched.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from catena.shared.artifacts.artifact import Artifact
from catena.shared.artifacts.manifest import MANIFEST
from catena.shared.errors import CatenaError, InvalidData, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts.store import ArtifactStore

log = logging.getLogger(__name__)

GRACE_S = 7 * 86_400.0
"""Seconds since the last change before anything is collected: time to pin a fresh result."""

_ACTIVE = ("QUEUED", "RUNNING")
_IN_USE = "queued, running or interrupted; cancel it to let it go"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class GcItem:
    """One folder: its name in the store, size in bytes, and why it goes or stays."""

    path: str
    size: int
    why: str


@dataclass(frozen=True)
class GcPlan:
    """What garbage collection does, or would do.

    Attributes
    ----------
    remove, keep : list of GcItem
    failed : list of GcItem
        What could not be removed, and why.
    dry_run : bool
        True: nothing was removed.
    """

    remove: list[GcItem]
    keep: list[GcItem]
    dry_run: bool
    failed: list[GcItem] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that are, or would be, freed."""
        lost = {item.path for item in self.failed}
        return sum(item.size for item in self.remove if item.path not in lost)


def collect(store: ArtifactStore, dry_run: bool, grace_s: float) -> GcPlan:
    """Plan, and unless `dry_run` remove.

    Parameters
    ----------
    store : ArtifactStore
    dry_run : bool
        Only say what would go.
    grace_s : float
        Seconds since the last change of a folder before it may go.

    Returns
    -------
    GcPlan

    Raises
    ------
    InvalidData
        For a negative grace period.
    """
    if not grace_s >= 0:
        raise InvalidData(f"grace period is {grace_s} s, wanted 0 or more")
    plan = _plan(store, dry_run, grace_s)
    if dry_run:
        return plan
    for item in plan.remove:
        try:
            # A job may have been asked for, or an artifact pinned, since the plan was made.
            folder = "/".join(item.path.split("/")[: 4 if item.path.startswith("jobs/") else 2])
            if item.path == folder and folder in store.pinned():
                raise InvalidData("it was pinned in the meantime")
            if _active(store, folder):
                raise InvalidData("it was asked for in the meantime")
            store.remove_tree(item.path)
        except CatenaError as error:
            log.warning("not collected: %s: %s", item.path, error.message)
            plan.failed.append(GcItem(item.path, item.size, error.message))
    return plan


def _plan(store: ArtifactStore, dry_run: bool, grace_s: float) -> GcPlan:
    # By the store's own times where it has them; a day of difference between clocks matters little
    # against a grace period of a week.
    now = time.time()
    plan = GcPlan([], [], dry_run)
    folders = {folder: store.find(folder) for folder in store.artifact_folders()}
    artifacts = _artifacts(store, folders)
    kept = dict.fromkeys(store.pinned(), "pinned")
    for folder, files in folders.items():
        age = now - max((file.modified_s for file in files), default=0.0)
        if _active(store, folder):
            kept.setdefault(folder, _IN_USE)
        elif age < grace_s:
            kept.setdefault(folder, f"changed {_hours(age)} ago, grace is {_hours(grace_s)}")
    _add_lineage(store, artifacts, kept)
    for folder, files in folders.items():
        size = sum(file.size for file in files)
        if folder in kept:
            plan.keep.append(GcItem(folder, size, kept[folder]))
            plan.remove.extend(_leftovers(artifacts.get(folder), kept[folder], files, now, grace_s))
        elif folder in artifacts:
            why = "not pinned, and nothing that is kept was made from it"
            plan.remove.append(GcItem(folder, size, why))
        else:
            plan.remove.append(GcItem(folder, size, "never became an artifact"))
    return plan


def _artifacts(store: ArtifactStore, folders: Iterable[str]) -> dict[str, Artifact]:
    found = {}
    for folder in folders:
        try:
            found[folder] = store.open(folder)
        except NotFound:
            continue
        except CatenaError as error:
            log.warning("unreadable, treated as not finished: %s", error.message)
    return found


def _add_lineage(
    store: ArtifactStore, artifacts: dict[str, Artifact], kept: dict[str, str]
) -> None:
    """Keep what the kept ones were, or are being, made from."""
    by_digest: dict[str, list[str]] = {}
    for uri, artifact in artifacts.items():
        by_digest.setdefault(artifact.manifest.digest, []).append(uri)
    queue = list(kept)
    while queue:
        child = queue.pop()
        wanted = _digests(store.read_json(f"{child}/request.json", default=None))
        if child in artifacts:
            lineage = artifacts[child].manifest.lineage
            wanted |= {item.digest for item in lineage.inputs} | _digests(lineage.request)
        for digest in sorted(wanted):
            for uri in by_digest.get(digest, ()):
                if uri not in kept:
                    kept[uri] = f"'{child}' was made from it"
                    queue.append(uri)


def _leftovers(
    artifact: Artifact | None, why_kept: str, files: Iterable[Any], now: float, grace_s: float
) -> list[GcItem]:
    """Attempts and checkpoints beside a finished artifact: nothing will read them."""
    if artifact is None or why_kept == _IN_USE:
        return []
    sizes: dict[str, int] = {}
    newest: dict[str, float] = {}
    root = artifact.manifest.root
    for file in files:
        parts = file.path.removeprefix(f"{artifact.uri}/").split("/")
        name = "/".join(parts[:2]) if parts[0] == "attempts" else parts[0]
        if name != root and parts[0] in ("attempts", "checkpoint") and len(parts) > 1:
            sizes[name] = sizes.get(name, 0) + file.size
            newest[name] = max(newest.get(name, 0.0), file.modified_s)
    return [
        GcItem(f"{artifact.uri}/{name}", size, "left over: the artifact is finished without it")
        for name, size in sorted(sizes.items())
        if now - newest[name] >= grace_s
    ]


def _active(store: ArtifactStore, folder: str) -> bool:
    """Whether a job folder without artifact is one that runs, waits, or may be resumed.

    Which of the three only its Ray cluster could tell; cancelling it lets it go in any case.
    """
    if not folder.startswith("jobs/") or store.exists(f"{folder}/{MANIFEST}"):
        return False
    try:
        status = store.read_json(f"{folder}/status.json", default={})
        wanted, after = str(status.get("state", "")), int(status.get("after", 0))
    except (CatenaError, AttributeError, TypeError, ValueError):
        return True  # Unreadable: better kept than lost.
    if not wanted.endswith(_ACTIVE):
        return False
    # The status is what was asked for last. An attempt made since then that has ended, ended it.
    newest = max((int(n) for n in store.ls(f"{folder}/attempts") if n.isdigit()), default=0)
    ended = store.exists(f"{folder}/attempts/{newest}/.job/end.json")
    return not (ended and newest > after)


def _digests(value: Any) -> set[str]:
    """Digests of artifacts anywhere in a request."""
    if isinstance(value, str):
        return {value} if _DIGEST.fullmatch(value) else set()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(_digests, value))
    return set()


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
