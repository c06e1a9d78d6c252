"""``python -m catena.calibrator``: serve the calibrator."""

from __future__ import annotations

from catena.calibrator.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("calibrator", add_services)
