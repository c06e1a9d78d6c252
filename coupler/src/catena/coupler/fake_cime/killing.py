"""A program that ends in the middle, as when its node goes down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from catena.coupler.fake_cime.faults import fault


def end_now() -> None:
    """End this program by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def perhaps_killed(cime: Path, program: str, folder: Path) -> None:
    """End this program where the fault ``kill_driver`` names it."""
    if fault(cime, "kill_driver", folder / program) is not None:
        end_now()
