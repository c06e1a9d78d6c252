"""Quantiles for any point forecast, from its past errors at each lead and level of flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.process.baselines import LEVELS, Forecaster
from catena.forecaster.process.mos import at_leads
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Index = NDArray[np.int64]

BINS = 8
"""Classes of flow, each with as many past forecasts as the others."""
LEAST = 30
"""Past forecasts that a class needs; with fewer there are fewer classes, or none."""


@dataclass(frozen=True, eq=False)
class Dressing:
    """Quantiles of past errors of the root of flow, by basin, lead and class of forecast.

    The root makes errors of low and high flow alike; what is left of the difference the classes
    take. Between the middles of classes quantiles change along straight lines.

    Parameters
    ----------
    levels : Array, (level,)
    nodes : Array, (basin, lead, class)
        Mean root of the forecasts in a class, ascending.
    errors : Array, (basin, lead, class, level)
        Quantiles of observed minus forecast root; NaN where too little was seen.
    """

    levels: Array
    nodes: Array
    errors: Array

    @classmethod
    def fit(cls, forecast: Array, observed: Array, levels: Sequence[float] = LEVELS) -> Dressing:
        """From past forecasts and what came, (basin, issue, lead) each; NaN takes its pair out.

        Raises
        ------
        InvalidData
            Shapes that differ, levels that are none.
        """
        p = np.asarray(levels, float)
        if forecast.shape != observed.shape or forecast.ndim != 3:
            raise InvalidData(
                f"forecasts of shape {forecast.shape} and observations of {observed.shape} came; "
                "want (basin, issue, lead) for both"
            )
        if not ((p > 0.0) & (p < 1.0)).all() or (np.diff(p) <= 0.0).any():
            raise InvalidData(f"levels {p.tolist()} came; want ascending fractions in (0, 1)")
        basins, _, leads = forecast.shape
        nodes = np.zeros((basins, leads, BINS))
        errors = np.full((basins, leads, BINS, len(p)), np.nan)
        for b in range(basins):
            for h in range(leads):
                known = np.isfinite(forecast[b, :, h]) & np.isfinite(observed[b, :, h])
                root = np.sqrt(np.maximum(forecast[b, known, h], 0.0))
                error = np.sqrt(observed[b, known, h]) - root
                nodes[b, h], errors[b, h] = _by_class(root, error, p)
        return cls(p, nodes, errors)

    def quantiles(self, forecast: Array) -> Array:
        """Quantiles, mm d-1: (basin, issue, lead) -> (basin, issue, lead, level)."""
        basins, issues, leads = forecast.shape
        if basins != len(self.nodes) or leads > self.nodes.shape[1]:
            raise InvalidData(
                f"forecasts of {basins} basins and {leads} leads came; errors are known of "
                f"{self.nodes.shape[0]} and {self.nodes.shape[1]}"
            )
        result = np.empty((basins, issues, leads, len(self.levels)))
        for b in range(basins):
            for h in range(leads):
                root = np.sqrt(np.maximum(forecast[b, :, h], 0.0))
                result[b, :, h] = root[:, None] + self._interpolated(b, h, root)
        # classes differ, so that quantiles between them might cross
        return np.sort(np.maximum(result, 0.0), axis=-1) ** 2

    def _interpolated(self, basin: int, lead: int, root: Array) -> Array:
        nodes, errors = self.nodes[basin, lead], self.errors[basin, lead]
        after = np.clip(np.searchsorted(nodes, root, side="right"), 1, len(nodes) - 1)
        width = nodes[after] - nodes[after - 1]
        part = np.where(width > 0.0, (root - nodes[after - 1]) / np.where(width > 0, width, 1), 0.0)
        part = np.clip(part, 0.0, 1.0)[:, None]
        return np.asarray(errors[after - 1] * (1.0 - part) + errors[after] * part)


def _by_class(root: Array, error: Array, levels: Array) -> tuple[Array, Array]:
    """Nodes and quantiles of errors of the classes; where there are fewer the last is repeated."""
    classes = min(BINS, len(root) // LEAST)
    if classes == 0:
        return np.zeros(BINS), np.full((BINS, len(levels)), np.nan)
    parts = np.array_split(np.argsort(root, kind="stable"), classes)
    nodes = np.array([root[part].mean() for part in parts])
    # (n + 1) in the place of n: few past errors do not show the largest one to come
    quantiles = np.array([np.quantile(error[part], levels, method="weibull") for part in parts])
    place = np.minimum(np.arange(BINS), classes - 1)
    return nodes[place], quantiles[place]


@dataclass(frozen=True, eq=False)
class Dressed:
    """A forecaster with quantiles around it."""

    forecaster: Forecaster
    dressing: Dressing

    @property
    def levels(self) -> Array:
        """Levels of the quantiles."""
        return self.dressing.levels

    def forecast(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """The point forecast; see :class:`baselines.Forecaster`."""
        return self.forecaster.forecast(records, issues, leads, weather)

    def quantiles(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Quantiles at `levels`, mm d-1, (basin, issue, lead, level)."""
        return self.dressing.quantiles(self.forecast(records, issues, leads, weather))


def dress(
    forecaster: Forecaster,
    records: BasinRecords,
    issues: Index,
    leads: int,
    weather: Array | None = None,
    levels: Sequence[float] = LEVELS,
) -> Dressed:
    """Give a forecaster the errors that it made on these issue times.

    Years that it was not calibrated on show its errors as they will be; on training years they are
    too small.
    """
    made = forecaster.forecast(records, issues, leads, weather)
    came = at_leads(records.flow.astype(float), issues, leads)
    return Dressed(forecaster, Dressing.fit(made, came, levels))
