"""Intervals of series of forecasts that follow the observations, each as late as its lead."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from catena.forecaster.intervals.model import Levels, group
from catena.forecaster.intervals.order_statistics import check_levels
from catena.forecaster.intervals.tracking import GRID, QuantileTracker, TrackerConfig
from catena.shared.errors import FailedPrecondition, InvalidData


@dataclass(frozen=True)
class OnlineConfig:
    """How the intervals of a series follow it; one set of defaults for all sites.

    Parameters
    ----------
    tracker : TrackerConfig
        How bounds follow the errors of the forecasts.
    power : float
        Work with ``y**power`` of a flow: errors of high flows are larger, as a rule. Not a
        logarithm: its tracked intervals explode. 1: no transform, and values may be negative.
    constant : float
        Share of a width that is the same at all times, in transformed units, mixed with the
        fitted one: at low flow fitted widths can be next to nothing.
    correct : bool
        Add the last known error, times its autocorrelation (AR(1)), to the forecast, at leads
        where that has paid so far.
    memory : float
        Half-life, in steps, of that autocorrelation and of the constant width.
    cap : float
        Finite bounds stay below this many times the largest value seen; not used at power 1.
    """

    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    power: float = 0.5
    constant: float = 0.8
    correct: bool = True
    memory: float = 365.0
    cap: float = 2.0


WAITING = ("raw", "corrected", "middle", "distance", "known")
"""What is kept of a forecast until it can be judged."""


class OnlineIntervals:
    """Forecasts of several series go in, tracked intervals come out, observations follow.

    One step of time is one :meth:`issue` (forecasts for leads 1 to H, from the end of step t) and
    one :meth:`observe` (what happened in step t + 1). A forecast for lead h is judged by the
    observation h steps after it was issued; until then it waits here, and nothing is known of it.

    Parameters
    ----------
    series, leads : int
        Number of series (basins), and of leads.
    config : OnlineConfig, optional

    Raises
    ------
    InvalidData
        No series, no lead, or settings that make no sense.
    """

    def __init__(self, series: int, leads: int, config: OnlineConfig | None = None) -> None:
        self.config = config or OnlineConfig()
        if series < 1 or leads < 1:
            raise InvalidData(f"{series} series and {leads} leads; want at least one of each")
        if not 0 < self.config.power <= 1 or not 0 <= self.config.constant <= 1:
            raise InvalidData(
                f"power {self.config.power} and constant share {self.config.constant}; want a "
                "power in (0, 1] and a share in [0, 1]"
            )
        shape, g = (series, leads), len(GRID)
        self.tracker = QuantileTracker.start(shape, self.config.tracker)
        self._state: dict[str, np.ndarray] = {
            # what waits: forecasts of each lead, by the step of issue modulo the leads
            "raw": np.full((series, leads, leads), np.nan),
            "corrected": np.full((series, leads, leads), np.nan),
            "middle": np.full((series, leads, leads), np.nan),
            "distance": np.full((series, leads, leads, 2, g), np.nan),
            "known": np.full((series, leads, leads), np.nan),
            # the last error of a raw forecast of lead 1, and sums for the AR(1) of each lead
            "error": np.full(series, np.nan),
            "product": np.zeros(shape),
            "square": np.zeros(shape),
            # recent squared errors of the forecasts as they are, and corrected
            "loss": np.zeros((series, leads, 2)),
            "usual": np.full((*shape, 2, g), np.nan),
            "largest": np.full(series, np.nan),
        }
        self._step = 0
        self._waiting = False

    @property
    def autocorrelation(self) -> np.ndarray:
        """Share of the last known error by which each lead is corrected, (series, leads)."""
        product, square = self._state["product"], self._state["square"]
        return np.clip(product / np.where(square > 0, square, 1.0), 0.0, 1.0)

    def _corrects(self) -> np.ndarray:
        """Where the correction has made squared errors smaller, (series, leads) bool."""
        loss = self._state["loss"]
        return self.config.correct & (loss[..., 1] < loss[..., 0])

    def issue(
        self, centre: np.ndarray, lower: np.ndarray, upper: np.ndarray, levels: Levels
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tracked intervals of one step's forecasts.

        Parameters
        ----------
        centre : ndarray, (series, leads)
            Forecasts; NaN where there is none.
        lower, upper : ndarray, (series, leads, g)
            Fitted bounds at the tracked levels, :data:`catena.forecaster.intervals.tracking.GRID`.
        levels : sequence of float
            Levels that are wanted, at most the greatest tracked one.

        Returns
        -------
        centre : ndarray, (series, leads)
            Corrected forecasts.
        lower, upper : ndarray, (series, leads, levels)
            Nested.

        Raises
        ------
        InvalidData
            Wrong shapes or levels.
        FailedPrecondition
            The last step has not been observed.
        """
        asked = check_levels(levels)
        if asked.max() > GRID[-1]:
            raise InvalidData(f"level {asked.max():g}; levels up to {GRID[-1]:g} are tracked")
        centre, lower, upper = (np.asarray(v, dtype=np.float64) for v in (centre, lower, upper))
        shape = self.tracker.size.shape
        if centre.shape != shape or not lower.shape == upper.shape == (*shape, len(GRID)):
            raise InvalidData(
                f"forecasts {centre.shape} with bounds {lower.shape} and {upper.shape}; want "
                f"{shape} and {(*shape, len(GRID))}"
            )
        if self._waiting:
            raise FailedPrecondition(
                "forecasts were issued twice with no observation between: call observe() first, "
                "with NaN where nothing was observed"
            )
        raw = self._forward(centre)
        below, above = raw[..., None] - self._forward(lower), self._forward(upper) - raw[..., None]
        distance = self._blended(np.maximum(np.stack([below, above], axis=2), 0.0))
        known = np.repeat(self._state["error"][:, None], shape[1], axis=1)
        corrected = raw + np.nan_to_num(known) * self.autocorrelation
        middle = np.where(self._corrects(), corrected, raw)
        slot = self._step % shape[1]
        self._state["raw"][:, :, slot] = raw
        self._state["corrected"][:, :, slot] = corrected
        self._state["middle"][:, :, slot] = middle
        self._state["distance"][:, :, slot] = distance
        self._state["known"][:, :, slot] = known
        self._waiting = True
        tracked = self.tracker.distances(distance)
        low = middle[..., None] - at_levels(tracked[:, :, 0], asked)
        high = middle[..., None] + at_levels(tracked[:, :, 1], asked)
        return self._back(middle), self._back(low), self._back(high)

    def observe(self, y: np.ndarray) -> None:
        """Judge the forecasts for the step after the last issue, one of each lead.

        Parameters
        ----------
        y : ndarray, (series,)
            Observed; NaN where nothing was.

        Raises
        ------
        InvalidData
            Wrong shape or infinite numbers.
        FailedPrecondition
            No forecast was issued for this step.
        """
        y = np.asarray(y, dtype=np.float64)
        series, leads = self.tracker.size.shape
        if y.shape != (series,) or np.isinf(y).any():
            raise InvalidData(f"observations of shape {y.shape}; want ({series},), finite or NaN")
        if not self._waiting:
            raise FailedPrecondition("an observation came before its forecast: call issue() first")
        self._waiting = False
        self._step += 1
        lead = np.arange(leads)
        slot = (self._step - 1 - lead) % leads
        then = {name: self._state[name][:, lead, slot] for name in WAITING}
        observed = self._forward(y)[:, None]
        middle, distance = then["middle"], then["distance"]
        self.tracker.learn(
            np.broadcast_to(observed, middle.shape),
            middle,
            middle[..., None] - distance[:, :, 0],
            middle[..., None] + distance[:, :, 1],
        )
        self._learn_error(observed - then["raw"], then["known"])
        tries = np.stack([then["raw"], then["corrected"]], axis=-1)
        self._learn_gain((self._back(tries) - y[:, None, None]) ** 2)
        self._state["largest"] = np.fmax(self._state["largest"], np.abs(y))

    def _learn_error(self, error: np.ndarray, known: np.ndarray) -> None:
        """Update the last error, and how much of it a forecast's own error keeps."""
        keep = 0.5 ** (1.0 / self.config.memory)
        both = np.isfinite(error) & np.isfinite(known)
        for name, value in (("product", error * known), ("square", known * known)):
            old = self._state[name]
            self._state[name] = np.where(both, keep * old + np.where(both, value, 0.0), old)
        now = error[:, 0]
        self._state["error"] = np.where(np.isfinite(now), now, self._state["error"])

    def _learn_gain(self, loss: np.ndarray) -> None:
        """Recent squared errors, in squared units of the series, (series, leads, 2)."""
        keep = 0.5 ** (1.0 / self.config.memory)
        there = np.isfinite(loss)
        old = self._state["loss"]
        self._state["loss"] = np.where(there, keep * old + np.where(there, loss, 0.0), old)

    def _blended(self, distance: np.ndarray) -> np.ndarray:
        """Part of each distance replaced by its long-term mean."""
        keep = 0.5 ** (1.0 / self.config.memory)
        old = self._state["usual"]
        there = np.isfinite(distance)
        first = np.where(np.isfinite(old), keep * old + (1.0 - keep) * distance, distance)
        self._state["usual"] = np.where(there, first, old)
        share = self.config.constant
        mixed = (1.0 - share) * distance + share * self._state["usual"]
        return np.where(there, mixed, distance)

    def _forward(self, values: np.ndarray) -> np.ndarray:
        """Transformed values; flows below nought count as nought."""
        if self.config.power == 1.0:
            return values
        return np.asarray(np.maximum(values, 0.0) ** self.config.power)

    def _back(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the series; finite ones are capped."""
        if self.config.power == 1.0:
            return values
        found = np.maximum(values, 0.0) ** (1.0 / self.config.power)
        most = self.config.cap * self._state["largest"].reshape(-1, *[1] * (found.ndim - 1))
        return np.where(np.isfinite(found) & (found > most), most, found)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """State for safetensors and JSON: an online series goes on where it stopped."""
        arrays = {f"online.{k}": np.ascontiguousarray(v) for k, v in self._state.items()}
        arrays |= {f"tracker.{k}": v for k, v in self.tracker.to_arrays().items()}
        meta = {**asdict(self.config), "step": self._step, "waiting": self._waiting}
        if not np.isfinite(self.config.tracker.memory):
            meta["tracker"]["memory"] = None
        return arrays, meta

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> OnlineIntervals:
        """Inverse of :meth:`to_arrays`.

        Raises
        ------
        InvalidData
            Arrays that do not fit together.
        """
        try:
            settings = dict(meta)
            step, waiting = int(settings.pop("step")), bool(settings.pop("waiting"))
            tracker = dict(settings.pop("tracker"))
            if tracker["memory"] is None:
                tracker["memory"] = np.inf
            saved = {k: np.array(v) for k, v in group(arrays, "online").items()}
            series, leads = saved["product"].shape
            config = OnlineConfig(TrackerConfig(**tracker), **settings)
            restored = cls(series, leads, config)
            for name, value in restored._state.items():
                if saved[name].shape != value.shape:
                    raise ValueError(f"{name} has shape {saved[name].shape}, not {value.shape}")
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(f"saved online intervals do not fit together: {error}") from error
        restored._state = {name: saved[name] for name in restored._state}
        restored.tracker = QuantileTracker.from_arrays(group(arrays, "tracker"))
        restored._step, restored._waiting = step, waiting
        return restored


def at_levels(distance: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Distances (..., g) at the tracked levels -> (..., levels), linear between and down to 0."""
    known = np.concatenate([[0.0], GRID])
    at = np.interp(levels, known, np.arange(len(known)))
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(GRID))
    share = at - low
    padded = np.concatenate([np.zeros_like(distance[..., :1]), distance], axis=-1)
    with np.errstate(invalid="ignore"):
        mixed = padded[..., low] * (1.0 - share) + padded[..., high] * share
    return np.where(share > 0, mixed, padded[..., low])
