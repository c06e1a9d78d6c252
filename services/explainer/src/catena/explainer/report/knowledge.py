"""Explanations held against what is known of basins: snow, rain, groundwater.

A model can be right for wrong reasons. Each check says what hydrology expects of a basin of its
class, what the contributions show, and whether they agree. A check that fails is a question to
the model or to the class of the basin, not a proof.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from catena.explainer.report import measures
from catena.explainer.report.measures import Measure
from catena.explainer.report.reading import Explained
from catena.shared.report import number

ANSWERS = {True: "yes", False: "no", None: "not known"}
LEAST_SAMPLES = 5
"""Of a basin; means over fewer say more about the days than about the model."""


@dataclass(frozen=True)
class Expectation:
    """What process knowledge expects.

    Parameters
    ----------
    name : str
    claim : str
        A sentence that holds where the model agrees.
    measure : callable
        Of an explanation and a basin; gives None where the parts are missing that it needs.
    low, high : float
        Between which the number must lie.
    why : str
        Reason of these limits.
    classes : tuple of str
        Of basins; all where empty.
    """

    name: str
    claim: str
    measure: Measure
    why: str
    low: float = -math.inf
    high: float = math.inf
    classes: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """The limits for people."""
        if math.isinf(self.high):
            return f"at least {number(self.low)}"
        if math.isinf(self.low):
            return f"at most {number(self.high)}"
        return f"{number(self.low, 2)} to {number(self.high, 2)}"


EXPECTATIONS = (
    Expectation(
        "temperature_in_melt_season",
        "Temperature counts more while snow melts than in the rest of the year",
        measures.temperature_in_melt_season,
        "Difference of shares; less than five hundredths can be the luck of a few samples.",
        low=0.05,
        classes=("snow",),
    ),
    Expectation(
        "warmth_melts_snow",
        "Warmer days of the melt season give more flow",
        measures.warmth_in_melt_season,
        "1 is always, -1 never; shuffled inputs stay within a tenth.",
        low=0.1,
        classes=("snow",),
    ),
    Expectation(
        "recent_rain",
        "Rain counts by its last days and by the days ahead",
        measures.recent_rain,
        "More than half of what rain contributes; spread evenly it would be about a fifth.",
        low=0.5,
        classes=("rain",),
    ),
    Expectation(
        "rain_before_temperature",
        "Precipitation counts more than temperature",
        measures.rain_before_temperature,
        "Difference of shares.",
        low=0.0,
        classes=("rain",),
    ),
    Expectation(
        "past_flow_of_groundwater",
        "Past streamflow counts more than in basins of other classes",
        measures.past_flow_against_others,
        "Difference of shares; less than two hundredths are no difference.",
        low=0.02,
        classes=("groundwater",),
    ),
    Expectation(
        "long_lags_of_groundwater",
        "Days of a month ago and more count more than in basins of other classes",
        measures.long_lags_against_others,
        "Difference of shares of the past; less than two hundredths are no difference.",
        low=0.02,
        classes=("groundwater",),
    ),
    Expectation(
        "past_flow_fades_slowly",
        "Past streamflow fades more slowly with lead than in basins of other classes",
        measures.fading_against_others,
        "Ratio of e-folding leads; they are known to about a fifth.",
        low=1.2,
        classes=("groundwater",),
    ),
    Expectation(
        "rain_gives_flow",
        "More precipitation gives more flow",
        measures.rain_gives_flow,
        "1 is always, -1 never; shuffled inputs stay within a tenth.",
        low=0.1,
    ),
    Expectation(
        "rain_fades_as_recession",
        "Past rain fades as fast as the basin's recession",
        measures.rain_memory,
        "Ratio of e-folding lag to recession constant; a factor of 3, as both are rough: the "
        "network also knows past flow, which holds part of the rain.",
        low=1 / 3,
        high=3.0,
    ),
    Expectation(
        "flow_fades_as_recession",
        "Past streamflow fades with lead as fast as the basin's recession",
        measures.flow_memory,
        "Ratio of e-folding lead to recession constant; a factor of 3, as both are rough.",
        low=1 / 3,
        high=3.0,
    ),
    Expectation(
        "past_flow_falls_with_lead",
        "Past streamflow counts less the further ahead the forecast",
        measures.past_flow_falls,
        "Late third of the leads over early third; a tenth less at least is a fall.",
        high=0.9,
    ),
    Expectation(
        "weather_up_to_its_day",
        "Forecast weather counts only up to the day that is forecast",
        measures.weather_after_its_day,
        "Share of later days; what is not looked at is 0, a thousandth leaves room for rounding.",
        high=1e-3,
    ),
    Expectation(
        "trust_falls",
        "Trust in the forecast weather falls with lead or with its noise",
        measures.trust_falls,
        "Rank correlation of the gate; weaker than a fifth is no trend.",
        high=-0.2,
    ),
)
"""All limits are here, each with its reason."""


@dataclass(frozen=True)
class KnowledgeCheck:
    """One expectation and one basin.

    Parameters
    ----------
    name, basin, basin_class : str
    wanted : str
        Limits of the number.
    found : float
        NaN where it could not be had.
    holds : bool or None
        None where too few samples, or none of the right season, were explained.
    words : str
        The check in a sentence, with its numbers.
    """

    name: str
    basin: str
    basin_class: str
    wanted: str
    found: float
    holds: bool | None
    words: str

    def to_dict(self) -> dict[str, Any]:
        """As it lies in ``explanation.json``; a number that is missing is null."""
        return {
            "name": self.name,
            "basin": self.basin,
            "class": self.basin_class,
            "wanted": self.wanted,
            "found": self.found if math.isfinite(self.found) else None,
            "holds": self.holds,
            "words": self.words,
        }

    @property
    def claim(self) -> str:
        """The sentence that holds where the model agrees."""
        return next(one.claim for one in EXPECTATIONS if one.name == self.name)


def check_knowledge(dataset: xr.Dataset, about: Mapping[str, Any]) -> tuple[KnowledgeCheck, ...]:
    """Hold an explanation against process knowledge, basin by basin.

    Parameters
    ----------
    dataset : xr.Dataset
        As in ``explanation.zarr``.
    about : mapping
        As in ``explanation.json``; `basins` has class, latitude and `recession_days`.

    Returns
    -------
    tuple of KnowledgeCheck
        Expectations whose parts the explanation has not (no gate, no temperature) are left out.

    Raises
    ------
    InvalidData
        When nothing can be said: see :meth:`Explained.of`.
    """
    explained = Explained.of(dataset, about)
    return tuple(
        found
        for basin in explained.basins
        for expectation in EXPECTATIONS
        if (found := _check(explained, basin, expectation)) is not None
    )


def _check(explained: Explained, basin: str, expectation: Expectation) -> KnowledgeCheck | None:
    kind = explained.basin_class(basin)
    if expectation.classes and kind not in expectation.classes:
        return None
    measured = expectation.measure(explained, basin)
    if measured is None:
        return None
    count = int((explained.basin == basin).sum())
    holds: bool | None = None
    if math.isnan(measured.found):
        said = measured.said
    elif count < LEAST_SAMPLES:
        said = f"{measured.said}, but of {count} samples; wanted {LEAST_SAMPLES} to judge"
    else:
        holds = expectation.low <= measured.found <= expectation.high
        said = measured.said
    return KnowledgeCheck(
        name=expectation.name,
        basin=basin,
        basin_class=kind,
        wanted=expectation.wanted,
        found=measured.found,
        holds=holds,
        words=f"{expectation.claim}: {ANSWERS[holds]}; {said}.",
    )
