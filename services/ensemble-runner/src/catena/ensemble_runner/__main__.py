"""``python -m catena.ensemble_runner``: serve the ensemble runner."""

from __future__ import annotations

from catena.ensemble_runner.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("ensemble-runner", add_services)
