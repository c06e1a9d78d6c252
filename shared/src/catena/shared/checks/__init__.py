"""Checks: every dataset that comes in is converted into one form or refused, never silently wrong.

``inspect`` finds, ``apply`` makes right (lazily), ``normalise`` does both, ``files_agree`` says why
two files cannot be one dataset.
"""

from __future__ import annotations

from catena.shared.checks.agreement import files_agree
from catena.shared.checks.findings import Finding, Fix, Inspection
from catena.shared.checks.fixes import apply
from catena.shared.checks.inspection import CHECKS, inspect, normalise

__all__ = [
    "CHECKS",
    "Finding",
    "Fix",
    "Inspection",
    "apply",
    "files_agree",
    "inspect",
    "normalise",
]
