"""``python -m catena.data_ingest``: serve data-ingest."""

from __future__ import annotations

from catena.data_ingest.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("data-ingest", add_services)
