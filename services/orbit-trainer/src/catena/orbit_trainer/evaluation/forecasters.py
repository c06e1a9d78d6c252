"""What is evaluated: a model that goes straight to a lead, one that steps there, an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.baselines import channel_numbers
from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period
from catena.shared.shuffle import Order

__all__ = [
    "Direct",
    "Ensemble",
    "Forecaster",
    "RollOut",
    "Trajectory",
    "random_field_perturbations",
]

Fields = NDArray[Any]
Leads = NDArray[np.float32]


class Forecaster(Protocol):
    """One call of a model."""

    def forecast(self, fields: Fields, lead_hours: Leads) -> Fields:
        """Fields at the end of a lead.

        Parameters
        ----------
        fields : array of float32, (B, V, H, W)
            In the channels' units; NaN where unknown.
        lead_hours : array of float32, (B,)

        Returns
        -------
        array, (B, V_out, H, W)
            In the channels' units.
        """
        ...


class Trajectory(Protocol):
    """Forecasts from the same initial fields to several leads."""

    def run(self, fields: Fields, leads_h: Sequence[float]) -> Iterator[Fields]:
        """Members of the forecast at each lead in turn, (M, B, V_out, H, W); one if no ensemble.

        Parameters
        ----------
        fields : array, (B, V, H, W)
        leads_h : sequence of float
            Hours, ascending.
        """
        ...


@dataclass(frozen=True)
class Direct:
    """A model that is told the lead and goes there in one call."""

    forecaster: Forecaster

    def run(self, fields: Fields, leads_h: Sequence[float]) -> Iterator[Fields]:
        """See :class:`Trajectory`."""
        for lead in leads_h:
            yield _called(self.forecaster, fields, lead)[None]


@dataclass(frozen=True)
class RollOut:
    """A model that gets its own forecast as its next input.

    Parameters
    ----------
    forecaster : Forecaster
    step_h : float
        Hours of one call; leads are whole numbers of it.
    places : sequence of int, optional
        Which of the inputs the outputs are, in the outputs' order; by default all of them. Other
        inputs, e.g. heights of land, stay as they are.
    """

    forecaster: Forecaster
    step_h: float
    places: Sequence[int] | None = None

    def run(self, fields: Fields, leads_h: Sequence[float]) -> Iterator[Fields]:
        """See :class:`Trajectory`.

        Raises
        ------
        InvalidRequest
            When a lead is no whole number of steps.
        """
        counts = [round(lead / self.step_h) for lead in leads_h]
        for lead, count in zip(leads_h, counts, strict=True):
            if count < 1 or not np.isclose(count * self.step_h, lead):
                raise InvalidRequest(
                    f"lead of {lead:g} h by steps of {self.step_h:g} h; wanted a whole number of "
                    "steps"
                )
        state, done = fields.copy(), 0
        for count in counts:
            for _ in range(count - done):
                made = _called(self.forecaster, state, self.step_h)
                state[:, self._places()] = made
            done = count
            yield state[:, self._places()][None].copy()  # the state goes on

    def _places(self) -> Sequence[int] | slice:
        return slice(None) if self.places is None else list(self.places)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Several trajectories together: checkpoints, perturbed initial fields, or both.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        E.g. of several checkpoints.
    perturbations : array, (N, V, H, W), optional
        Added to the initial fields, one for each member; every trajectory runs with each. From
        :func:`random_field_perturbations`.
    """

    trajectories: Sequence[Trajectory]
    perturbations: Fields | None = None

    def run(self, fields: Fields, leads_h: Sequence[float]) -> Iterator[Fields]:
        """See :class:`Trajectory`."""
        added: Sequence[Any] = (0.0,) if self.perturbations is None else tuple(self.perturbations)
        runs = [
            one.run((fields + change).astype(fields.dtype), leads_h)
            for one in self.trajectories
            for change in added
        ]
        for members in zip(*runs, strict=True):
            yield np.concatenate(members)


def random_field_perturbations(
    cache: HotCache,
    labels: Sequence[str],
    period: Period,
    *,
    pairs: int,
    scale: float = 0.1,
    seed: int = 0,
) -> Fields:
    """Differences between fields of random times, made small; each with its negative.

    Balanced and as smooth as real fields, unlike noise in every cell (Magnusson, Nycander and
    Kallen 2009, Tellus A 61, 194-209).

    Parameters
    ----------
    labels : sequence of str
        Inputs of the model.
    period : Period
        Of training.
    pairs : int
        Half as many as there will be members.
    scale : float
        Factor of the differences.
    seed : int

    Returns
    -------
    array of float32, (2 * pairs, V, H, W)
        In the channels' units; zero where a field is missing.

    Raises
    ------
    InvalidRequest
        When the period has too few steps.
    """
    chosen = channel_numbers(cache, labels)
    start, stop = period.steps(cache)
    if pairs < 1 or 2 * pairs > stop - start:
        raise InvalidRequest(
            f"{pairs} pairs of times wanted of {stop - start} steps; give 1 or more, and two "
            "steps for each"
        )
    steps = start + Order(stop - start, seed, 0).at(np.arange(2 * pairs))
    fields = cache.physical(cache.gather(steps))[:, chosen]
    change = np.nan_to_num(scale * (fields[:pairs] - fields[pairs:]))
    return np.concatenate([change, -change])


def _called(forecaster: Forecaster, fields: Fields, lead: float) -> Fields:
    return forecaster.forecast(fields, np.full(len(fields), lead, np.float32))
