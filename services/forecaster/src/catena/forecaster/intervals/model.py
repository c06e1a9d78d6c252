"""What every method of intervals offers: one interface, whichever way the bounds are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from catena.forecaster.intervals.order_statistics import check_levels
from catena.forecaster.intervals.tracking import QuantileTracker
from catena.shared.errors import InvalidData

REFERENCE_LEVEL = 0.9
"""Level of the widths that confidence compares."""
FALSE_ALARMS = 0.01
"""Share of the training rows that count as out of distribution."""

Levels = Sequence[float] | np.ndarray


class IntervalModel(ABC):
    """Prediction intervals of `k` outputs at any level; made by one of the ``fit_`` functions.

    Notes
    -----
    Intervals of one fit are nested: a higher level never gives a narrower interval. A fitted model
    is saved by :meth:`to_arrays` (arrays for safetensors, a dictionary for JSON) and rebuilt by
    :func:`catena.forecaster.intervals.storage.from_arrays`.
    """

    method: ClassVar[str]

    inputs: int
    outputs: int
    tracker: QuantileTracker | None = None
    _reference: np.ndarray
    _limit: float

    @abstractmethod
    def centre(self, x: np.ndarray) -> np.ndarray:
        """Median or mean of each output, (n, outputs)."""

    @abstractmethod
    def _bounds(self, x: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds as fitted, (n, outputs, levels)."""

    @abstractmethod
    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What :meth:`to_arrays` keeps beside the common part."""

    def needed(self, level: float) -> int:
        """Rows with a target that a finite bound of this level takes; 0 where it is a formula."""
        return 0

    def rows(self) -> np.ndarray:
        """Rows with a target behind each output's bounds, (outputs,)."""
        return np.zeros(self.outputs, dtype=np.int64)

    def predict(self, x: np.ndarray, levels: Levels) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of every output at every level.

        Parameters
        ----------
        x : ndarray, (n, d)
            Inputs, as in the fit.
        levels : sequence of float
            Fractions between 0 and 1, e.g. 0.9.

        Returns
        -------
        lower, upper : ndarray, (n, outputs, levels)
            In units of the targets; infinite where there were too few rows for a level
            (:meth:`notes` says so).

        Raises
        ------
        InvalidData
            Wrong shape, numbers that are not finite, or a level that is no fraction.
        """
        x, asked = self._checked(x), check_levels(levels)
        lower, upper = self._bounds(x, asked)
        if self.tracker is not None:
            centre = self.centre(x)
            grid = self._bounds(x, self.tracker.levels)
            lower, upper = self.tracker.apply(centre, lower, upper, asked, grid)
        return lower, upper

    def update(self, y: np.ndarray, x: np.ndarray) -> None:
        """Move the bounds after observations, oldest first.

        Parameters
        ----------
        y : ndarray, (n,) or (n, outputs)
            What was observed; NaN where nothing was.
        x : ndarray, (n, d)
            The inputs that the predictions were made from.
        """
        x = self._checked(x)
        y = as_targets(y, len(x))
        if y.shape[1] != self.outputs:
            raise InvalidData(f"observations of {y.shape[1]} outputs; the model has {self.outputs}")
        self.tracker = self.tracker or QuantileTracker.start(self.outputs)
        lower, upper = self._bounds(x, self.tracker.levels)
        centre = self.centre(x)
        for i in range(len(x)):
            self.tracker.learn(y[i], centre[i], lower[i], upper[i])

    def width(self, x: np.ndarray) -> np.ndarray:
        """Width of each output's interval at the reference level, untracked, (n, outputs)."""
        lower, upper = self._bounds(self._checked(x), np.array([REFERENCE_LEVEL]))
        return np.asarray(upper - lower)[..., 0]

    def confidence(self, x: np.ndarray) -> np.ndarray:
        """Mean training width over the width here, at most 1 (PI3NN, section 3.3), (n, outputs)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self._reference / self.width(x)
        return np.asarray(np.minimum(np.where(np.isnan(share), 1.0, share), 1.0))

    def novelty(self, x: np.ndarray) -> np.ndarray:
        """How far each row is from what was trained on, (n,): here, its width relative to it."""
        confidence = self.confidence(x)
        return np.asarray(1.0 / np.maximum(confidence.min(axis=1), 1e-12))

    def is_out_of_distribution(self, x: np.ndarray) -> np.ndarray:
        """Rows more novel than all but one in a hundred training rows, (n,) bool."""
        return self.novelty(x) > self._limit

    def notes(self, levels: Levels) -> list[str]:
        """What the user should know about these levels; empty when all is well."""
        said = []
        for level in check_levels(levels):
            needed = self.needed(level)
            short = np.flatnonzero(self.rows() < needed)
            if needed and len(short):
                said.append(
                    f"level {level:g}: the bounds of output {', '.join(map(str, short))} are "
                    f"infinite, {int(self.rows()[short].min())} rows with a target are too few; "
                    f"it takes {needed}: ask for a lower level or give more data"
                )
        return said

    def _remember_training(self, x: np.ndarray) -> None:
        """Keep what :meth:`confidence` and :meth:`is_out_of_distribution` compare with."""
        self._limit = np.inf
        width = self.width(x)
        self._reference = width.mean(axis=0)
        # in single precision a row must not be beyond itself
        self._limit = float(np.quantile(self.novelty(x), 1.0 - FALSE_ALARMS)) * (1.0 + 1e-6)

    def _checked(self, x: np.ndarray) -> np.ndarray:
        return as_inputs(x, self.inputs)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON-able numbers from which the model can be rebuilt."""
        arrays, meta = self._state()
        arrays = {**arrays, "reference": self._reference}
        if self.tracker is not None:
            arrays |= {f"tracker.{k}": v for k, v in self.tracker.to_arrays().items()}
        meta = {
            **meta,
            "method": self.method,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "novelty_limit": self._limit if np.isfinite(self._limit) else None,
        }
        return {k: np.ascontiguousarray(v) for k, v in arrays.items()}, meta

    def _restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Set the common part from :meth:`to_arrays`."""
        self.inputs, self.outputs = int(meta["inputs"]), int(meta["outputs"])
        self._reference = np.asarray(arrays["reference"])
        limit = meta["novelty_limit"]
        self._limit = np.inf if limit is None else float(limit)
        tracker = group(arrays, "tracker")
        self.tracker = QuantileTracker.from_arrays(tracker) if tracker else None


def group(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays whose names start with ``name.``, without that start."""
    start = name + "."
    return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}


def as_inputs(x: np.ndarray, width: int | None = None) -> np.ndarray:
    """Inputs as float64 (n, d).

    Raises
    ------
    InvalidData
        Wrong shape or numbers that are not finite.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or (width is not None and x.shape[1] != width):
        raise InvalidData(f"inputs of shape {x.shape}; want (n, {width or 'd'})")
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise InvalidData(
            f"input {column} of row {row} is {x[row, column]}; want finite numbers: fill or drop it"
        )
    return x


def as_targets(y: np.ndarray, n: int) -> np.ndarray:
    """Targets as float64 (n, k); NaN is a target that is missing.

    Raises
    ------
    InvalidData
        Wrong shape, or infinite numbers.
    """
    y = np.asarray(y, dtype=np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != n or not y.shape[1]:
        raise InvalidData(f"targets of shape {y.shape} for {n} rows of inputs; want ({n}, outputs)")
    if np.isinf(y).any():
        raise InvalidData("a target is infinite; want numbers, or NaN where one is missing")
    return y


def check_training(x: np.ndarray, y: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Checked inputs and targets of a fit.

    Raises
    ------
    InvalidData
        See :func:`as_inputs` and :func:`as_targets`; or an output with fewer than `least` targets.
    """
    x = as_inputs(x)
    y = as_targets(y, len(x))
    there = np.isfinite(y).sum(axis=0)
    if (there < least).any():
        j = int(np.argmin(there))
        raise InvalidData(
            f"output {j} has {there[j]} targets; a fit takes at least {least}: give more rows"
        )
    return x, y
