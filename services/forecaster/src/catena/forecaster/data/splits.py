"""Which years and basins to learn from, to choose with, and to test on.

A target belongs to one period only: the days that a forecast is about lie all in it. What a
forecast looks back on may lie before a period of validation or test, as it will in operation; while
training it may not reach into days that are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from catena.forecaster.data.records import BasinRecords, Days, Index, Mask
from catena.shared.errors import InvalidData

Years = tuple[int, int]


def year_of(days: Days) -> Index:
    """Calendar year of each day."""
    return days.astype("datetime64[Y]").astype(np.int64) + 1970


def issues_within(days: Mask, *, leads: int, past: int = 0) -> Index:
    """Issue times whose targets, and the `past` days before, lie all inside `days`.

    Parameters
    ----------
    days : (T,) boolean array
        Days that may be used.
    leads : int
        Days ahead: targets of issue time `t` are the days `t + 1` to `t + leads`.
    past : int
        Days up to and with the issue time that have to be inside as well; 0 where forecasts may
        look back on anything.

    Returns
    -------
    array of int64
        Places of issue times, in order.
    """
    if leads < 1 or past < 0:
        raise InvalidData(f"{leads} leads and a past of {past} days came; >= 1 and >= 0 wanted")
    length = past + leads
    if len(days) < length + (past == 0):
        return np.empty(0, np.int64)
    inside = np.concatenate([[0], np.cumsum(days)])
    # The window that ends with the last target.
    full = np.flatnonzero(inside[length:] - inside[:-length] == length)
    issue = full + past - 1
    return issue[issue >= 0]


@dataclass(frozen=True)
class YearSplit:
    """Three periods of whole calendar years, first and last year of each.

    Parameters
    ----------
    train, validate, test : (int, int)

    Raises
    ------
    InvalidData
        When a period is empty or two overlap.
    """

    train: Years
    validate: Years
    test: Years

    def __post_init__(self) -> None:
        periods = {name: getattr(self, name) for name in ("train", "validate", "test")}
        for name, (first, last) in periods.items():
            if first > last:
                raise InvalidData(f"{name}: the years {first} to {last} came; first <= last wanted")
        for (one, a), (other, b) in combinations(periods.items(), 2):
            if a[0] <= b[1] and b[0] <= a[1]:
                raise InvalidData(
                    f"{one} {a[0]}-{a[1]} and {other} {b[0]}-{b[1]} overlap; no year may be in both"
                )

    def days(self, days: Days, part: str) -> Mask:
        """(T,) mask of the days of ``train``, ``validate`` or ``test``."""
        if part not in ("train", "validate", "test"):
            raise InvalidData(f"part '{part}' came; train, validate or test wanted")
        first, last = getattr(self, part)
        year = year_of(days)
        return np.asarray((year >= first) & (year <= last))

    def issues(self, days: Days, part: str, *, leads: int, past: int = 0) -> Index:
        """Issue times of a part: targets all inside it; while training, the past as well.

        Parameters
        ----------
        days : (T,) array
        part : {"train", "validate", "test"}
        leads, past : int
            `past` counts for training only: days that the window looks back on.
        """
        within = self.days(days, part)
        return issues_within(within, leads=leads, past=past if part == "train" else 0)


@dataclass(frozen=True, eq=False)
class Fold:
    """One split over basins and years: tested on basins AND years that were not trained on.

    Parameters
    ----------
    train_basins, test_basins : tuple of str
    train_days, test_days : (T,) boolean arrays
    validate_days : (T,) boolean array
        Held out of the training years, for stopping early on the training basins.
    """

    train_basins: tuple[str, ...]
    test_basins: tuple[str, ...]
    train_days: Mask
    validate_days: Mask
    test_days: Mask


def folds(
    basins: Sequence[str], days: Days, *, count: int = 3, validate_years: int = 2, seed: int = 0
) -> list[Fold]:
    """Folds of basins x blocks of years: group `k` of the basins is tested on block `k`.

    Each basin is tested once. Blocks are runs of whole years of nearly equal length; basins are
    dealt out at random.

    Parameters
    ----------
    basins : sequence of str
    days : (T,) array
    count : int
        Of folds, >= 2.
    validate_years : int
        Years next to the test block that are held out of training for validation.
    seed : int

    Raises
    ------
    InvalidData
        When there are too few basins or years.

    Notes
    -----
    The design of Tayal, Renganathan and Lu (2024), Environ. Res. Lett.: out of sample in space and
    time, three folds.
    """
    year = year_of(days)
    years = np.unique(year)
    if count < 2 or len(basins) < count or len(years) < count * (1 + validate_years):
        raise InvalidData(
            f"{count} folds of {len(basins)} basins and {len(years)} years with {validate_years} "
            "years for validation were asked for; wanted at least 2 folds, a basin per fold and "
            f"{count * (1 + validate_years)} years"
        )
    blocks = np.array_split(years, count)
    dealt = np.random.default_rng(seed).permutation(len(basins))
    made = []
    for k, block in enumerate(blocks):
        tested = np.sort(dealt[k::count])
        group = tuple(basins[row] for row in tested)
        rest = tuple(basin for row, basin in enumerate(basins) if row not in set(tested))
        # The years after the block; before it in the last fold.
        after = years[years > block[-1]][:validate_years]
        held = after if len(after) == validate_years else years[years < block[0]][-validate_years:]
        held = held[:validate_years] if validate_years else years[:0]
        test_days, validate_days = np.isin(year, block), np.isin(year, held)
        train_days = ~test_days & ~validate_days
        made.append(Fold(rest, group, train_days, validate_days, test_days))
    return made


def spread_basins(
    records: BasinRecords,
    count: int = 24,
    *,
    max_missing: float = 0.05,
    max_zero: float = 1.0,
    days: Mask | None = None,
) -> tuple[str, ...]:
    """Basins spread over the country by a rule that does not look at how well flow is forecast.

    Among basins with less than `max_missing` of their flow missing, at most `max_zero` of the rest
    zero, known position and aridity: the first is the one nearest to the middle (median latitude,
    longitude, log aridity, each over its standard deviation), every next the one farthest from all
    chosen so far.

    Parameters
    ----------
    records : BasinRecords
        With the attribute ``aridity`` (potential evaporation over precipitation, > 0).
    count : int
    max_missing, max_zero : float
        Shares of days. Streams that are dry on many days are kept unless `max_zero` is given.
    days : (T,) boolean array, optional
        Days that these shares are of, e.g. those of training; all of them if left out.

    Returns
    -------
    tuple of str, sorted

    Raises
    ------
    InvalidData
        When fewer than `count` basins qualify.

    Notes
    -----
    Farthest-point design: Gonzalez (1985), Theoretical Computer Science 38, 293-306.
    """
    aridity = records.attribute("aridity")
    with np.errstate(invalid="ignore", divide="ignore"):
        points = np.stack([records.latitude, records.longitude, np.log(aridity)], axis=1)
    flow = records.flow if days is None else records.flow[:, days]
    seen = (~np.isnan(flow)).mean(axis=1)
    dry = (flow == 0).mean(axis=1)
    fit = np.isfinite(points).all(axis=1) & (seen > 1 - max_missing) & (dry <= max_zero * seen)
    names = np.array(records.basins)[fit]
    if not 1 <= count <= len(names):
        raise InvalidData(
            f"{count} basins were asked for; {len(names)} have a position, an aridity, less than "
            f"{max_missing:.0%} of their flow missing and at most {max_zero:.0%} of it zero"
        )
    points = points[fit]
    spread = points.std(axis=0)
    points = (points - np.median(points, axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen = [int(np.argmin((points**2).sum(axis=1)))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count:
        # The chosen themselves are at -1: basins in one place still come once each.
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return tuple(sorted(str(names[row]) for row in chosen))
