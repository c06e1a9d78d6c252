"""Records of one fold, scaled by its training basins and days alone; sequences cut from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.forecaster.data.calendar import season_code
from catena.forecaster.data.records import Array32, BasinRecords, Index, Mask, refuse
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import Fold, issues_within
from catena.forecaster.process.pet import oudin_pet
from catena.forecaster.ungauged.chips import Chips
from catena.models.ungauged_lstm import BasinSequences
from catena.shared.errors import InvalidData
from catena.shared.shuffle import Order

PET = "evspsblpot"
"""Potential evapotranspiration by its name in the lexicon; like all water here in mm d-1."""


def with_pet(records: BasinRecords) -> BasinRecords:
    """The same records with potential evapotranspiration, mm d-1, after Oudin et al. (2005).

    It brings the latitude, and with it the length of the day, into the weather.
    """
    warmth = records.weather[:, :, records.column("tas")].astype(np.float64)
    pet = oudin_pet(warmth, records.latitude, records.days).astype(np.float32)
    return replace(
        records,
        weather=np.concatenate([records.weather, pet[..., None]], axis=2),
        weather_names=(*records.weather_names, PET),
    )


@dataclass(frozen=True, eq=False)
class FoldTables:
    """Everything scaled for one fold, as float32.

    Parameters
    ----------
    basins : tuple of str
    weather : (N, T, F) array
        The two columns of the season last.
    flow : (N, T) array
        Over the mean precipitation of the basin on training days.
    flow_scale : (N,) array, mm d-1
    flow_sd : (N,) array
        Of scaled flow on training days; NaN for basins that are not trained on.
    attributes : (N, S) array
    chips : (N, 7, 64, 64) array, optional
    donor_flow : (N, T, K) array, optional
        Simulated with the parameters of other basins, scaled like the flow.
    donor_error : (N,) array, optional
        Root of the mean square error of the first of them on training days, scaled alike; NaN for
        basins that are not trained on.
    """

    basins: tuple[str, ...]
    weather: Array32
    flow: Array32
    flow_scale: NDArray[np.float64]
    flow_sd: Array32
    attributes: Array32
    chips: Array32 | None = None
    donor_flow: Array32 | None = None
    donor_error: Array32 | None = None

    @classmethod
    def of(
        cls,
        records: BasinRecords,
        fold: Fold,
        chips: Chips | None = None,
        donor_flow: NDArray[np.float64] | None = None,
    ) -> FoldTables:
        """Scale records for a fold.

        Parameters
        ----------
        records : BasinRecords
            Of the fold's basins, of both kinds.
        fold : Fold
        chips : Chips, optional
            One for each basin of the records.
        donor_flow : (N, T, K) array, mm d-1, optional
            From :meth:`catena.forecaster.ungauged.donor_flow.DonorFlows.all`.

        Raises
        ------
        InvalidData
            When the fold names basins that are not here, or knows other days.
        """
        records.rows([*fold.train_basins, *fold.test_basins])
        scalers = Scalers.fit(
            records,
            fold.train_days,
            basins=fold.train_basins,
            flow_by="precipitation",
            memory_days=(1,),  # sums of rain are not used: the recurrence has a memory of its own
        )
        season = season_code(records.days)
        n, t, f = records.weather.shape
        scaled = scalers.flow(records.flow, records.basins)
        weather = np.empty((n, t, f + 2), np.float32)
        weather[:, :, f:] = season
        for row in range(n):  # one by one: the arithmetic is in doubles
            weather[row, :, :f] = scalers.weather(records.weather[row])
        lent, error = None, None
        if donor_flow is not None:
            lent = (donor_flow / scalers.flow_scale[:, None, None]).astype(np.float32)
            error = np.full(n, np.nan, np.float32)
            learned = records.rows(fold.train_basins)
            wrong = lent[learned, :, 0] - scaled[learned]
            error[learned] = np.sqrt(np.nanmean(wrong[:, fold.train_days] ** 2, axis=1))
        return cls(
            basins=records.basins,
            weather=weather,
            flow=scaled,
            flow_scale=scalers.flow_scale,
            flow_sd=(scalers.flow_sd / scalers.flow_scale).astype(np.float32),
            attributes=scalers.attributes(records.attributes),
            chips=None if chips is None else chips.select(records.basins).scaled(fold.train_basins),
            donor_flow=lent,
            donor_error=error,
        )

    def rows(self, basins: Sequence[str]) -> Index:
        """Places of basins."""
        places = {basin: row for row, basin in enumerate(self.basins)}
        refuse({basin: "is not in the tables" for basin in basins if basin not in places})
        return np.array([places[basin] for basin in basins], np.int64)


class Sequences:
    """Sequences of weather with the flow of their last days; a source of batches for training.

    Parameters
    ----------
    tables : FoldTables
    basins : sequence of str
    days : (T,) boolean array
        Days whose flow is learned from.
    warm_up, scored : int
        Days of weather before, and days with flow.
    within : bool
        Whether the days of the warm-up too have to lie in `days`.
    attribute_noise : float
        Standard deviation of noise that is added to scaled attributes, drawn anew for each batch:
        a few dozen basins must not be told apart by the fourth digit of an attribute. Chips are
        turned and mirrored instead where it is above 0.

    Raises
    ------
    InvalidData
        When no sequence fits in.
    """

    def __init__(
        self,
        tables: FoldTables,
        basins: Sequence[str],
        days: Mask,
        *,
        warm_up: int,
        scored: int,
        within: bool = True,
        attribute_noise: float = 0.0,
    ) -> None:
        self.tables, self.warm_up, self.scored = tables, warm_up, scored
        self.attribute_noise = attribute_noise
        last = issues_within(days, leads=scored, past=warm_up if within else 0)
        last = last[last >= warm_up - 1]
        rows = tables.rows(basins)
        seen = np.pad(np.cumsum(~np.isnan(tables.flow[rows]), axis=1), ((0, 0), (1, 0)))
        some = seen[:, last + 1 + scored] > seen[:, last + 1]
        if not some.any():
            raise InvalidData(
                f"no sequence of {warm_up} + {scored} days with any flow fits into the "
                f"{int(days.sum())} days of {len(rows)} basins; shorten it, or give longer records"
            )
        basin, end = np.nonzero(some)
        self.basin, self.last = rows[basin], last[end]

    def __len__(self) -> int:
        return len(self.basin)

    def batch(self, rows: Index, *, epoch: int = 0) -> tuple[BasinSequences, Tensor]:
        """Inputs, and scaled flow (B, scored) with NaN where it is missing."""
        tables, basin, last = self.tables, self.basin[rows], self.last[rows]
        span = np.arange(-self.warm_up + 1, self.scored + 1)
        at = basin[:, None], last[:, None] + span
        here, place = np.unique(basin, return_inverse=True)
        attributes = tables.attributes[here]
        chips = None if tables.chips is None else tables.chips[here]
        if self.attribute_noise:
            rng = np.random.default_rng([epoch, *map(int, rows)])
            attributes = attributes + rng.normal(
                0.0, self.attribute_noise, attributes.shape
            ).astype(np.float32)
            chips = None if chips is None else turned(chips, rng)
        inputs = BasinSequences(
            weather=torch.from_numpy(tables.weather[at]),
            scored=self.scored,
            basin=torch.from_numpy(place.astype(np.int64)),
            attributes=torch.from_numpy(attributes),
            chips=None if chips is None else torch.from_numpy(np.ascontiguousarray(chips)),
            donor_flow=None
            if tables.donor_flow is None
            else torch.from_numpy(tables.donor_flow[at]),
        )
        return inputs, torch.from_numpy(tables.flow[at][:, self.warm_up :])

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, first: int = 0
    ) -> Iterator[Index]:
        """Rows of one epoch from batch `first` on, shuffled by seed and epoch."""
        order = None if seed is None else Order(len(self), seed, epoch)
        for start in range(first * size, len(self), size):
            rows = np.arange(start, min(start + size, len(self)), dtype=np.int64)
            yield rows if order is None else order.at(rows)

    def scaled_sd(self, rows: Index) -> Array32:
        """What errors in each row's basin are measured by, (B,).

        The standard deviation of its scaled flow; where donors are looked at together with their
        error, so that the few basins that no donor fits do not rule the loss.
        """
        tables, basin = self.tables, self.basin[rows]
        if tables.donor_error is None:
            return tables.flow_sd[basin]
        return np.hypot(tables.flow_sd[basin], tables.donor_error[basin])


def turned(chips: Array32, rng: np.random.Generator) -> Array32:
    """Each chip turned by a random multiple of 90 degrees, every other one mirrored."""
    made = [
        np.rot90(chip[:, :, ::-1] if mirror else chip, k, axes=(1, 2))
        for chip, k, mirror in zip(
            chips, rng.integers(4, size=len(chips)), rng.integers(2, size=len(chips)), strict=True
        )
    ]
    return np.stack(made)
