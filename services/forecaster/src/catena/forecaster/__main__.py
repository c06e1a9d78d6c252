"""``python -m catena.forecaster``: serve the forecaster."""

from __future__ import annotations

from catena.forecaster.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("forecaster", add_services)
