"""A program that ends in the middle, as when its node goes down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from catena.coupler.fake_cime.faults import fault


def perhaps_killed(cime: Path, program: str, folder: Path) -> None:
    """End this program by SIGKILL where the fault ``kill_driver`` names it."""
    if fault(cime, "kill_driver", folder / program) is not None:
        os.kill(os.getpid(), signal.SIGKILL)
