"""What runs, as the supervisor writes it down for ``catena up``, ``status`` and ``down``."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from catena.shared.supervisor.layout import Layout
from catena.shared.supervisor.processes import ProcessRecord, read_plain, write_plain

STARTING = "starting"
HEALTHY = "healthy"
WAITING = "waiting"
FAILED = "failed"


@dataclass
class PartState:
    """One part of the system: Ray or a server.

    Attributes
    ----------
    name : str
    process : ProcessRecord, optional
        None while it does not run.
    state : str
        starting, healthy, waiting (for its next start), failed (starting it again does not help).
    starts : int
        How often this supervisor has started it; 0 for an adopted Ray.
    address : str
    detail : str
        What happened last, in words.
    """

    name: str
    process: ProcessRecord | None = None
    state: str = STARTING
    starts: int = 0
    address: str = ""
    detail: str = ""


@dataclass
class SystemState:
    """The whole, with the settings that it was started with.

    Attributes
    ----------
    supervisor : ProcessRecord
    settings : dict
        What must be equal for a second ``catena up`` to mean the same system.
    parts : list of PartState
    time : float
        When this was written, seconds since the epoch; for people.
    """

    supervisor: ProcessRecord
    settings: dict[str, Any]
    parts: list[PartState] = field(default_factory=list)
    time: float = 0.0

    def write(self, layout: Layout) -> None:
        """Replace the file."""
        self.time = time.time()
        write_plain(layout.state, asdict(self))

    @classmethod
    def read(cls, layout: Layout) -> SystemState | None:
        """What was written last; None if nothing, or if it cannot be read."""
        data = read_plain(layout.state)
        supervisor = ProcessRecord.from_plain(data.get("supervisor"))
        if supervisor is None:
            return None
        parts = [
            PartState(**{**part, "process": ProcessRecord.from_plain(part.get("process"))})
            for part in data.get("parts", ())
        ]
        return cls(supervisor, dict(data.get("settings", {})), parts, float(data.get("time", 0)))

    @property
    def running(self) -> bool:
        """Whether the supervisor that wrote it still lives."""
        return self.supervisor.alive()

    @property
    def healthy(self) -> bool:
        """Whether every part was healthy."""
        return bool(self.parts) and all(part.state == HEALTHY for part in self.parts)
