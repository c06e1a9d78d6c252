"""What is explained of a forecast of fields: means over boxes of the globe, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.prediction import Groups
from catena.explainer.orbit.geometry import central_angle
from catena.explainer.orbit.loading import ForecastModel
from catena.models.orbit_forecast import forecast_fields
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.latitudes import latitude_weights
from catena.shared.plot_style import degrees

__all__ = ["FieldPrediction", "Target", "flat", "variable_groups"]


@dataclass(frozen=True)
class Target:
    """Mean of a forecast field over a box of the globe; a point where the box has no size.

    Parameters
    ----------
    variable : str
        One that the model predicts.
    south, north : float
        Degrees north.
    west, east : float
        Degrees east, going eastward from the first to the second; a box may go over any meridian.
    """

    variable: str
    south: float = -90.0
    north: float = 90.0
    west: float = 0.0
    east: float = 360.0

    @classmethod
    def point(cls, variable: str, lat: float, lon: float) -> Target:
        """The cell that is nearest to a point."""
        return cls(variable, lat, lat, lon, lon)

    @property
    def label(self) -> str:
        """``tas 40°N-50°N 10°W-5°E``."""
        north_south = _range(self.south, self.north, "N", "S")
        if self.east - self.west >= 360.0:
            globe = self.south <= -90.0 and self.north >= 90.0
            return f"{self.variable} global" if globe else f"{self.variable} {north_south}"
        return f"{self.variable} {north_south} {_range(self.west, self.east, 'E', 'W')}"

    def cells(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of each cell in the mean, (H, W): its area over that of all in the box.

        Raises
        ------
        InvalidData
            When no centre of a cell lies in the box.
        """
        areas = np.repeat(latitude_weights(lat)[:, None], len(lon), 1)
        if self.south == self.north and self.west == self.east:
            away = central_angle(lat[:, None], lon[None], self.south, self.west)
            inside = np.zeros(away.shape, bool)
            inside.flat[away.argmin()] = True
        else:
            rows = (lat >= self.south) & (lat <= self.north)
            across = self.east - self.west
            eastward = np.mod(lon - self.west, 360.0)
            columns = eastward <= (across if across >= 360.0 else np.mod(across, 360.0))
            inside = rows[:, None] & columns[None]
        if not inside.any():
            raise InvalidData(
                f"no centre of a cell lies in the box of {self.label}; the grid has {len(lat)} x "
                f"{len(lon)} cells: make the box larger, or give a point"
            )
        weights = np.where(inside, areas, 0.0)
        return np.asarray(weights / weights.sum())


class FieldPrediction:
    """Targets at leads as a function of flat fields; a `Predict` of :mod:`..attribution`.

    Rows are fields in their own units, variable by variable and row by row of the grid, (B, D)
    with D = V H W; NaN where missing. Predictions are (B, K), in the units of the targets'
    variables; K counts leads first, then targets.

    Parameters
    ----------
    forecast : ForecastModel
    targets : sequence of Target
    leads_h : sequence of float
        Of those that the model was trained on.

    Raises
    ------
    InvalidRequest
        When there is no target or no lead, or the model does not have them.
    InvalidData
        When no cell lies in the box of a target.
    """

    def __init__(
        self, forecast: ForecastModel, targets: Sequence[Target], leads_h: Sequence[float]
    ) -> None:
        about = forecast.about
        if not targets or not leads_h:
            raise InvalidRequest(
                f"{len(targets)} targets at {len(leads_h)} leads came; one of each is wanted"
            )
        outputs = about.fields.outputs
        for target in targets:
            if target.variable not in outputs:
                raise InvalidRequest(
                    f"the target {target.label} is of {target.variable}; the model forecasts "
                    f"{', '.join(outputs)}"
                )
        unknown = [lead for lead in leads_h if not np.isclose(about.leads_h, lead, rtol=1e-5).any()]
        if unknown:
            raise InvalidRequest(
                f"a lead of {unknown[0]:g} h was asked for; the model was trained on "
                f"{', '.join(f'{lead:g}' for lead in about.leads_h)} h"
            )
        self.forecast, self.targets, self.leads_h = forecast, tuple(targets), tuple(leads_h)
        self.shape = (len(about.fields.variables), *about.fields.grid)
        lat, lon = np.array(about.lat), np.array(about.lon)
        self.cells = np.stack([target.cells(lat, lon) for target in targets])
        self._rows = [outputs.index(target.variable) for target in targets]
        self._weights = torch.from_numpy(self.cells)

    @property
    def columns(self) -> int:
        """D."""
        return int(np.prod(self.shape))

    @property
    def units(self) -> tuple[str, ...]:
        """Of each target."""
        units = self.forecast.units
        return tuple(units[target.variable] for target in self.targets)

    def at_lead(self, lead_h: float) -> FieldPrediction:
        """The same targets at one lead."""
        return FieldPrediction(self.forecast, self.targets, (lead_h,))

    def means(self, fields: NDArray[Any]) -> NDArray[np.float64]:
        """Targets (..., T) of fields of the outputs (..., V_out, H, W); NaN where a cell lacks."""
        chosen = np.asarray(fields, np.float64)[..., self._rows, :, :]
        # A cell outside a box may lack.
        weighed = np.where(self.cells > 0, chosen, 0.0) * self.cells
        return np.asarray(weighed.sum((-2, -1)))

    def __call__(self, rows: Tensor) -> Tensor:
        """Predictions (B, K) of rows (B, D).

        Raises
        ------
        InvalidData
            When the rows have another length.
        """
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            count, height, width = self.shape
            raise InvalidData(
                f"fields of shape {tuple(rows.shape)} came; (rows, {self.columns}) is wanted: "
                f"{count} variables on {height} x {width} cells"
            )
        about = self.forecast.about
        fields = rows.reshape(len(rows), *self.shape)
        weights = self._weights.to(rows)
        made = []
        for lead in self.leads_h:
            leads = rows.new_full((len(rows),), lead)
            ahead = forecast_fields(
                self.forecast.model, about.statistics, fields, leads, residual=about.residual
            )
            made.append((ahead[:, self._rows] * weights).sum((-2, -1)))
        return torch.cat(made, 1)


def flat(values: NDArray[Any]) -> Tensor:
    """Fields (N, V, H, W) as rows (N, V H W), float64."""
    return torch.from_numpy(np.array(values, np.float64)).flatten(1)


def variable_groups(forecast: ForecastModel) -> Groups:
    """The columns of each variable together."""
    names = forecast.about.fields.variables
    height, width = forecast.about.fields.grid
    return Groups(names, torch.arange(len(names)).repeat_interleave(height * width))


def _range(low: float, high: float, positive: str, negative: str) -> str:
    first, last = degrees(low, positive, negative), degrees(high, positive, negative)
    return first if low == high else f"{first}-{last}"
