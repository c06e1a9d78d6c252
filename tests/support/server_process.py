"""The server of the calibrator as a process, without Ray: ``python -m support.server_process``.

Whatever a test wants of it stands in the environment: FAKE_WORK_S (how long DrawObservation takes),
FAKE_LOSE_FILE (Ray is lost as soon as this file exists), FAKE_NO_RAY (it was never there).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from support.checked import only
from support.servers import FakeJobs

from catena.api.calibrator.v1 import calibrator_pb2
from catena.shared import server
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import Unavailable
from catena.shared.settings import Settings


class LosableJobs(FakeJobs):
    """Jobs whose Ray is lost when a file appears."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost

    def start(self) -> None:
        if os.environ.get("FAKE_NO_RAY"):
            raise Unavailable("Ray is not there")
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        path = Path(os.environ.get("FAKE_LOSE_FILE", "/nonexistent"))
        while not path.exists():
            time.sleep(0.02)
        self._on_lost()

    def close(self) -> None:
        print("jobs closed", file=sys.stderr, flush=True)


def draw(request: Any, context: Any) -> Any:
    print("work begins", file=sys.stderr, flush=True)
    time.sleep(float(os.environ.get("FAKE_WORK_S", "0")))
    return calibrator_pb2.DrawObservationResponse(
        observation=calibrator_pb2.Observation(site=request.site)
    )


def _open(settings: Settings, on_lost: Callable[[], None]) -> server.Runtime:
    return server.Runtime(ArtifactStore(settings.store), LosableJobs(on_lost), settings)


if __name__ == "__main__":
    with mock.patch.object(server.Runtime, "open", _open):
        server.main("calibrator", only(DrawObservation=draw))
