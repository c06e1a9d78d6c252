"""``python -m catena.orbit_trainer``: serve the trainer."""

from __future__ import annotations

from catena.orbit_trainer.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("orbit-trainer", add_services)
