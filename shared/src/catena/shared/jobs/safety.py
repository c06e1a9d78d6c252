"""Switches that remove one safety each, so that a drill can show that it notices.

They are read from ``CATENA_SABOTAGE`` (names separated by commas). Production never sets it; only
the drills in ``tests/faults`` do.
"""

from __future__ import annotations

import os

VARIABLE = "CATENA_SABOTAGE"

SAFETIES = {
    "adopt": "a new supervisor adopts the Ray that outlived the last one",
    "attach": "a submit attaches to the running actor of the same name",
    "attempt_limit": "a job that keeps crashing ends as FAILED",
    "cancel_first": "CANCELLED is written before anything is killed",
    "cancel_kill": "a cancel ends the job's processes",
    "checkpoint": "a new attempt goes on from the checkpoint",
    "detached": "a job outlives the server that submitted it",
    "guard": "a commit asks whether this attempt may still write",
    "lifeline": "a server ends with its supervisor",
    "lease": "a cluster works only while it holds the store's lease",
    "places": "at most a set number of jobs run at once",
    "restart": "the supervisor starts again what has ended",
    "sweep": "a new attempt ends what an earlier one left running",
    "version": "a job starts only on the code that its submitter runs",
}


def removed(safety: str) -> bool:
    """Whether a drill has removed `safety` (a key of ``SAFETIES``)."""
    names = os.environ.get(VARIABLE, "")
    if not names:
        return False
    if safety not in SAFETIES:
        raise KeyError(safety)
    return safety in names.split(",")
