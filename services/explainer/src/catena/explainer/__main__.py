"""``python -m catena.explainer``: serve the explainer."""

from __future__ import annotations

from catena.explainer.server import add_services
from catena.shared.server import main

if __name__ == "__main__":
    main("explainer", add_services)
