"""What the hot cache's folder says about itself: channels, times, statistics, digests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from catena.shared.errors import FailedPrecondition

METADATA = "hot_cache.json"
SCHEMA = 1


def block_name(number: int) -> str:
    """File of one block."""
    return f"block-{number:05d}.npy"


@dataclass(frozen=True)
class Channel:
    """One variable on one level.

    Parameters
    ----------
    name, units : str
        Canonical.
    level : float, optional
        Pressure in Pa; None for a field without levels.
    mean, std, low, high : float
        Over time and grid, in `units`, of the steps that the statistics were taken over.
    count, missing : int
        Values that entered, and values that were NaN.
    differences : dict
        Lead in seconds (text: JSON has no other keys) -> (mean, std) of x(t + lead) - x(t).
    offset, scale : float
        What lies in the blocks is ``(value - offset) / scale``.
    """

    name: str
    units: str
    level: float | None
    mean: float
    std: float
    low: float
    high: float
    count: int
    missing: int
    differences: dict[str, tuple[float, float]] = field(default_factory=dict)
    offset: float = 0.0
    scale: float = 1.0

    @property
    def label(self) -> str:
        """Name with level, e.g. ``ua_85000``."""
        return self.name if self.level is None else f"{self.name}_{self.level:g}"


@dataclass(frozen=True)
class Run:
    """Steps that follow each other without a gap: the first's index, its time, how many."""

    first: int
    time_s: int
    count: int


@dataclass(frozen=True)
class Metadata:
    """All about a cache but its values.

    Parameters
    ----------
    channels : tuple of Channel
    lat, lon : tuple of float
        Degrees north, east.
    calendar : str
    step_s : int
        Seconds between steps within a run.
    runs : tuple of Run
        Times, as seconds since 1970-01-01 in the calendar.
    block_steps : int
        Steps in each block; the last may hold fewer.
    dtype : str
        Of the blocks: ``float16`` or ``float32``.
    digests : tuple of str
        SHA-256 of each block's file.
    generated : bool
        Whether the fields were made by a formula.
    attributes : dict
        Of the dataset that was written.
    """

    channels: tuple[Channel, ...]
    lat: tuple[float, ...]
    lon: tuple[float, ...]
    calendar: str
    step_s: int
    runs: tuple[Run, ...]
    block_steps: int
    dtype: str
    digests: tuple[str, ...]
    generated: bool = False
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Number of samples."""
        return sum(run.count for run in self.runs)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """(V, H, W)."""
        return len(self.channels), len(self.lat), len(self.lon)

    def to_json(self) -> str:
        """JSON form."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of :meth:`to_json`; FailedPrecondition for another schema."""
        plain: dict[str, Any] = json.loads(text)
        schema = plain.pop("schema", None)
        if schema != SCHEMA:
            raise FailedPrecondition(
                f"hot cache: {METADATA} has schema {schema}, this code reads {SCHEMA}; "
                "write the cache again"
            )
        for name in ("lat", "lon", "digests"):
            plain[name] = tuple(plain[name])
        plain["runs"] = tuple(Run(**run) for run in plain["runs"])
        plain["channels"] = tuple(
            Channel(
                **{
                    **channel,
                    "differences": {
                        lead: (float(mean), float(std))
                        for lead, (mean, std) in channel["differences"].items()
                    },
                }
            )
            for channel in plain["channels"]
        )
        return cls(**plain)
