"""Inputs of a streamflow network as rows of named columns: variable and lag, or attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.prediction import Groups
from catena.models.flow_features import SEASON
from catena.models.flow_model import FlowModel
from catena.models.flow_samples import FlowSamples
from catena.models.forecast_inputs import ForecastInputs
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

DAY_OF_YEAR = "day_of_year"
"""Both columns of the season."""
STREAMFLOW = "streamflow"
NOISE = "forecast_noise"
PROCESS_FLOW = "process_flow"
ATTRIBUTES = "attributes"
"""Group of all attributes and long means of rain."""

YEAR_DAYS = 365.2425


@dataclass(frozen=True)
class LagBlock:
    """Days that are looked at together.

    Parameters
    ----------
    first, last : int
        Lags of the oldest and of the newest day: the first is not the smaller one. 0 is the day of
        issue; days ahead are negative.
    """

    first: int
    last: int


ALWAYS = 100_000
"""A lag beyond all records, for blocks without an end."""

LAG_BLOCKS = (
    LagBlock(ALWAYS, 30),
    LagBlock(29, 10),
    LagBlock(9, 3),
    LagBlock(2, 0),
    LagBlock(-1, -3),
    LagBlock(-4, -10),
    LagBlock(-11, -ALWAYS),
)
"""The last days, the rest of the week or so, the month, all before; and the same ahead."""


@dataclass(frozen=True)
class Feature:
    """A variable over some days, or all attributes.

    Parameters
    ----------
    variable : str
        Name of the variable, or :data:`ATTRIBUTES`.
    first_lag, last_lag : int
        Lags of its oldest and newest day; both 0 for attributes, which hold on the day of issue.
    """

    variable: str
    first_lag: int = 0
    last_lag: int = 0

    @property
    def name(self) -> str:
        """Name for a table, with days from the day of issue."""
        if self.variable == ATTRIBUTES:
            return self.variable
        return f"{self.variable}, day {-self.first_lag} to {-self.last_lag}"


@dataclass(frozen=True)
class FlowColumns:
    """What each column of the flat inputs of a streamflow network is.

    Past and forecast weather of a variable lie on one axis of lags: the days `L - 1` to 0 before
    the day of issue, then the days ahead as -1 to `-H`. All columns are scaled as the network takes
    them, without units. Rows keep the order of :class:`ForecastInputs`, so that its tensors are
    views of them: past weather, past flow, forecast weather, its noise, the process model's flow if
    there is one, attributes.

    Parameters
    ----------
    weather, statics : tuple of str
        Names of the weather variables, without those of the season, and of the attributes.
    past, leads : int
        Days `L` that the network looks back on, and `H` ahead.
    process : bool
        Whether there is a process model's flow.
    """

    weather: tuple[str, ...]
    statics: tuple[str, ...]
    past: int
    leads: int
    process: bool

    @classmethod
    def of(cls, samples: FlowSamples) -> Self:
        """Columns of some samples.

        Raises
        ------
        InvalidData
            When a weather variable has the name of another kind of variable.
        """
        process = samples.inputs.process_flow is not None
        made = cls(samples.weather, samples.statics, samples.past, samples.leads, process)
        own = {DAY_OF_YEAR, STREAMFLOW, NOISE, PROCESS_FLOW, ATTRIBUTES} & set(made.weather)
        if own:
            raise InvalidData(
                f"{', '.join(sorted(own))} came as the name of a weather variable, which stands "
                "for another input; give the variable another name"
            )
        return made

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables that have lags, `V`."""
        more = (PROCESS_FLOW,) if self.process else ()
        return (*self.weather, DAY_OF_YEAR, STREAMFLOW, NOISE, *more)

    @property
    def groups(self) -> tuple[str, ...]:
        """Variables, and the attributes if there are any: the names of :meth:`by_variable`."""
        return (*self.variables, *([ATTRIBUTES] if self.statics else []))

    @property
    def lags(self) -> NDArray[np.int64]:
        """The axis of lags in days, falling: `L - 1` to `-H`."""
        return np.arange(self.past - 1, -self.leads - 1, -1)

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """Place in :attr:`groups` of each column, (D,)."""
        place = {name: index for index, name in enumerate(self.groups)}
        of_weather = [place[name] for name in (*self.weather, *[DAY_OF_YEAR] * SEASON)]
        parts = [
            np.tile(of_weather, self.past),
            np.full(self.past, place[STREAMFLOW]),
            np.tile(of_weather, self.leads),
            np.full(self.leads, place[NOISE]),
        ]
        if self.process:
            parts.append(np.full(self.leads, place[PROCESS_FLOW]))
        parts.append(np.full(len(self.statics), place.get(ATTRIBUTES, -1)))
        return np.concatenate(parts).astype(np.int64)

    @cached_property
    def lag(self) -> NDArray[np.int64]:
        """Lag of each column in days, (D,); 0 for attributes."""
        known, ahead = self.lags[: self.past], self.lags[self.past :]
        columns = len(self.weather) + SEASON
        parts = [np.repeat(known, columns), known, np.repeat(ahead, columns), ahead]
        if self.process:
            parts.append(ahead)
        parts.append(np.zeros(len(self.statics), np.int64))
        return np.concatenate(parts).astype(np.int64)

    def __len__(self) -> int:
        return sum(self._sizes)

    @property
    def _sizes(self) -> list[int]:
        """Columns of each part of the inputs."""
        columns = len(self.weather) + SEASON
        process = self.leads if self.process else 0
        return [
            self.past * columns, self.past, self.leads * columns, self.leads, process,
            len(self.statics),
        ]  # fmt: skip

    def matrix(self, samples: FlowSamples) -> Tensor:
        """Inputs of samples as rows, (N, D), scaled; what is missing stays NaN.

        Raises
        ------
        InvalidData
            When the samples have other columns than these.
        """
        other = FlowColumns.of(samples)
        if other != self:
            raise InvalidData(
                f"samples with {other.words} do not fit columns of {self.words}; draw both from "
                "the same network"
            )
        x = samples.inputs
        parts = [x.past_weather, x.past_flow, x.future_weather, x.noise, x.process_flow, x.statics]
        return torch.cat([part.flatten(1) for part in parts if part is not None], 1)

    def inputs(self, rows: Tensor) -> ForecastInputs:
        """What a network takes, as views of rows (N, D): gradients flow back to them.

        Raises
        ------
        InvalidData
            When the rows have another number of columns.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self):
            raise InvalidData(
                f"rows of shape {tuple(rows.shape)} came; (any number, {len(self)}) wanted, as "
                "FlowColumns.matrix makes them"
            )
        columns = len(self.weather) + SEASON
        past, flow, ahead, noise, process, statics = torch.split(rows, self._sizes, 1)
        return ForecastInputs(
            past_weather=past.reshape(-1, self.past, columns),
            past_flow=flow,
            future_weather=ahead.reshape(-1, self.leads, columns),
            noise=noise,
            statics=statics,
            process_flow=process if self.process else None,
        )

    @property
    def words(self) -> str:
        """What they are, for messages."""
        process = "with" if self.process else "without"
        return (
            f"{self.past} days of {', '.join(self.weather)}, {self.leads} leads, "
            f"{len(self.statics)} attributes, {process} a process model's flow"
        )

    def check(self, network: FlowModel[Any]) -> None:
        """Refuse a network that takes other inputs.

        Raises
        ------
        InvalidData
            With what it takes, and what the columns are.
        """
        config = network.config()
        columns, statics = len(self.weather) + SEASON, len(self.statics)
        wanted = tuple(config[k] for k in ("past_variables", "future_variables", "statics"))
        if wanted != (columns, columns, statics) or self.leads > config.get("max_leads", ALWAYS):
            most = f", at most {config['max_leads']} leads" if "max_leads" in config else ""
            raise InvalidData(
                f"a network of {wanted[0]} columns of past weather, {wanted[1]} of forecast "
                f"weather (season included), {wanted[2]} attributes{most} cannot take "
                f"{self.words}; draw the samples from the forecaster that is explained"
            )

    # ------------------------------------------------------------------ groups

    def by_variable(self) -> Groups:
        """A group of each variable over all its lags, and one of the attributes."""
        return Groups(self.groups, torch.from_numpy(self.group))

    def features(self, blocks: Sequence[LagBlock] = LAG_BLOCKS) -> tuple[Feature, ...]:
        """The groups of :meth:`by_blocks`, in their order, with the days that they have."""
        return self._blocks(blocks)[0]

    def by_blocks(self, blocks: Sequence[LagBlock] = LAG_BLOCKS) -> Groups:
        """A group of each variable and block of lags in which it has a day, and the attributes.

        Raises
        ------
        InvalidData
            When a day is in no block, or in two.
        """
        features, index = self._blocks(blocks)
        return Groups(tuple(each.name for each in features), torch.from_numpy(index))

    def _blocks(self, blocks: Sequence[LagBlock]) -> tuple[tuple[Feature, ...], NDArray[np.int64]]:
        inside = np.array(
            [(self.lags <= block.first) & (self.lags >= block.last) for block in blocks]
        ).reshape(-1, len(self.lags))
        if not (inside.sum(0) == 1).all():
            wrong = self.lags[inside.sum(0) != 1]
            raise InvalidData(
                f"lag {wrong[0]} (of {len(wrong)}) is in no block of lags, or in several; wanted "
                f"blocks that cover lags {self.lags[0]} to {self.lags[-1]} once"
            )
        block_of = inside.argmax(0)[self.past - 1 - self.lag]
        index = np.full(len(self), -1, np.int64)
        features: list[Feature] = []
        for group, name in enumerate(self.groups):
            own = self.group == group
            if name == ATTRIBUTES:
                index[own] = len(features)
                features.append(Feature(name))
                continue
            for block in range(len(blocks)):
                here = own & (block_of == block)
                if here.any():
                    index[here] = len(features)
                    days = self.lag[here]
                    features.append(Feature(name, int(days.max()), int(days.min())))
        return tuple(features), index

    # ------------------------------------------------------------------ arrays

    def to_arrays(self, values: Tensor) -> tuple[Array, Array]:
        """Contributions of columns by variable and lag, and of attributes.

        Parameters
        ----------
        values : Tensor, (..., D)
            The two columns of the day of the year are summed.

        Returns
        -------
        contribution : (..., V, lags) array
            In the order of :attr:`variables` and :attr:`lags`; NaN where a variable has no such
            lag.
        attribute_contribution : (..., S) array
        """
        found = values.detach().double().cpu()
        days = len(self) - len(self.statics)
        places = self.group[:days] * len(self.lags) + (self.past - 1 - self.lag[:days])
        size = len(self.variables) * len(self.lags)
        total = found.new_zeros(*found.shape[:-1], size)
        total.index_add_(-1, torch.from_numpy(places), found[..., :days])
        never = np.ones(size, bool)
        never[places] = False
        made = total.numpy()
        made[..., never] = np.nan
        shape = (*found.shape[:-1], len(self.variables), len(self.lags))
        return made.reshape(shape), found[..., days:].numpy()

    def input_arrays(self, rows: Tensor) -> tuple[Array, Array]:
        """Inputs (N, D) by variable and lag, and attributes: what contributions are looked at with.

        Returns
        -------
        value : (N, V, lags) array
            Scaled, but for the day of the year, which is in days: 1.0 is the first of January. NaN
            where missing, and where a variable has no such lag.
        attribute_value : (N, S) array
            Scaled.
        """
        value, attributes = self.to_arrays(rows)
        inputs = self.inputs(rows.detach().double().cpu())
        season = torch.cat([inputs.past_weather, inputs.future_weather], 1)[..., -SEASON:]
        angle = torch.atan2(season[..., 0], season[..., 1]).remainder(2 * torch.pi)
        value[:, len(self.weather)] = (angle / (2 * torch.pi) * YEAR_DAYS + 1).numpy()
        return value, attributes
