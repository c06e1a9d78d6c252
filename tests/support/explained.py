"""Explanations of forecasts of three basins whose truth is known: snow, rain, groundwater.

Each basin's flow is a weighted sum of its inputs, so that contributions are exact: the weight
times the input, which is scaled to a mean of zero. A weight fades with the days between an input
and the day that is forecast, as fast as the basin's recession; nothing after that day counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Array = NDArray[np.float64]

VARIABLES = ("pr", "tas", "day_of_year", "streamflow", "forecast_noise")
ATTRIBUTES = ("elevation", "slope")
MELT_MONTHS = (4, 5, 6, 7)
BLOCKS = ((-30, -1), (0, 2), (3, 29), (30, 10_000))
"""First and last lag of the blocks of features: ahead, last days, last weeks, long ago."""


@dataclass(frozen=True)
class Planted:
    """What the flow of a kind of basin hangs on: weights of inputs, mm d-1, and days of fading."""

    latitude: float
    recession_days: float
    rain: float
    warmth: float
    flow: float
    flow_days: float
    melts: bool = False


PLANTED = {
    "snow": Planted(44.0, 20.0, 0.05, 0.35, 1.0, 2.0, melts=True),
    "rain": Planted(35.0, 3.0, 1.2, -0.05, 0.8, 1.0),
    "groundwater": Planted(40.0, 45.0, 0.04, -0.01, 0.25, 15.0),
}
NAMES = {"snow": "13331500", "rain": "02064000", "groundwater": "01547700"}


def explained(
    kinds: Sequence[str] = ("snow", "rain", "groundwater"),
    *,
    samples: int = 24,
    window: int = 90,
    leads: int = 30,
    seed: int = 0,
    southern: bool = False,
    ignores: str = "",
    only: tuple[str, int] | None = None,
    sees_ahead: bool = False,
    flips: str = "",
    trusts_more: bool = False,
    lasting: bool = False,
) -> tuple[xr.Dataset, dict[str, Any]]:
    """An explanation, as its dataset and what is known about it.

    Parameters
    ----------
    kinds : sequence of str
        Of :data:`PLANTED`, a basin each.
    samples : int
        Of each basin, spread over two years.
    window, leads : int
        Days of the past and ahead.
    seed : int
    southern : bool
        Put the basins south of the equator; their seasons turn with them.
    ignores : str
        A variable whose weights are 0: a wrong model.
    only : (str, int), optional
        The one variable and lag that has a weight.
    sees_ahead : bool
        Let weather after the day that is forecast count: a model that leaks.
    flips : str
        A variable whose weights have the wrong sign.
    trusts_more : bool
        Let the gate rise with lead.
    lasting : bool
        Let past flow count as much at all leads.
    """
    rng = np.random.default_rng(seed)
    lag = np.arange(window - 1, -leads - 1, -1)
    lead = np.arange(1, leads + 1)
    parts = []
    for kind in kinds:
        planted = PLANTED[kind]
        issue = np.datetime64("2011-01-10") + (np.arange(samples) * 730 // samples)
        value = _values(rng, issue, lag, southern)
        weight = _weights(planted, issue, lag, lead, southern, sees_ahead, lasting)
        if only is not None:
            weight = np.zeros_like(weight)
            weight[:, :, VARIABLES.index(only[0]), lag == only[1]] = 1.0
        for name, factor in ((ignores, 0.0), (flips, -1.0)):
            if name:
                weight[:, :, VARIABLES.index(name)] *= factor
        parts.append((weight * value[:, None], value, issue))
    contribution, value, issue = (np.concatenate(one) for one in zip(*parts, strict=True))
    basin = np.repeat([NAMES[kind] for kind in kinds], samples)
    steep = 0.0 if only else 0.1
    dataset = _dataset(rng, contribution, value, issue, basin, lag, lead, trusts_more, steep)
    return dataset, _about(kinds, southern, dataset)


def month_of(days: NDArray[np.datetime64], southern: bool) -> NDArray[np.int64]:
    """Month of the northern year in which the season is the same."""
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    return (month + (6 if southern else 0)) % 12 + 1


def _values(
    rng: np.random.Generator, issue: NDArray[np.datetime64], lag: NDArray[np.int64], southern: bool
) -> Array:
    """Scaled inputs (N, V, T); NaN where a variable has no such day."""
    shape = (len(issue), len(lag))
    day = issue[:, None] - lag[None]
    angle = (
        2 * np.pi * (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) / 365
    )
    wet = (rng.random(shape) < 0.35) * rng.exponential(2.0, shape) - 0.7
    warm = (1.0 if southern else -1.0) * np.cos(angle - 0.35) + 0.4 * rng.standard_normal(shape)
    flow = np.where(lag >= 0, 0.6 * np.sin(angle) + 0.7 * rng.standard_normal(shape), np.nan)
    noise = np.where(lag < 0, 1.0 - np.exp(lag / 6.0), np.nan) + np.zeros(shape)
    return np.stack([wet, warm, np.sin(angle), flow, noise], 1)


def _weights(
    planted: Planted,
    issue: NDArray[np.datetime64],
    lag: NDArray[np.int64],
    lead: NDArray[np.int64],
    southern: bool,
    sees_ahead: bool,
    lasting: bool,
) -> Array:
    """Weights (N, H, V, T), mm d-1 for a scaled input."""
    weight = np.zeros((len(issue), len(lead), len(VARIABLES), len(lag)))
    age = (lag[None] + lead[:, None]).astype(np.float64)
    fading = np.exp(-np.abs(age) / planted.recession_days)
    if not sees_ahead:
        fading[age < 0] = 0.0
    season = np.ones((len(issue), len(lead)))
    if planted.melts:
        melting = np.isin(month_of(issue[:, None] + lead[None], southern), MELT_MONTHS)
        season = np.where(melting, 1.0, 0.03)
    weight[:, :, 0] = planted.rain * fading
    weight[:, :, 1] = planted.warmth * season[..., None] * fading
    weight[:, :, 2] = 0.002 * (fading > 0)
    kept = np.zeros(len(lead)) if lasting else -lead / planted.recession_days
    weight[:, :, 3] = planted.flow * np.exp(kept)[:, None] * np.exp(-lag / planted.flow_days)
    weight[:, :, 3][:, :, lag < 0] = 0.0
    return weight


def _dataset(
    rng: np.random.Generator,
    contribution: Array,
    value: Array,
    issue: NDArray[np.datetime64],
    basin: NDArray[np.str_],
    lag: NDArray[np.int64],
    lead: NDArray[np.int64],
    trusts_more: bool,
    steep: float,
) -> xr.Dataset:
    count, leads = contribution.shape[:2]
    attribute_value = np.stack([np.unique(basin, return_inverse=True)[1] - 1.0, -np.ones(count)], 1)
    attribute = steep * np.repeat(attribute_value[:, None], leads, 1)
    groups = np.concatenate([np.nansum(contribution, -1), attribute.sum(-1)[..., None]], -1)
    reference = np.full((count, leads), 2.0)
    prediction = reference + groups.sum(-1)
    observed = prediction + 0.1 * rng.standard_normal(prediction.shape)
    observed[rng.random(observed.shape) < 0.05] = np.nan
    names = [*VARIABLES, "attributes"]
    chosen = [place for place in (0, 6, 29) if place < leads]
    features, shap = _shap(rng, contribution[:, chosen], lag)
    inner = {"lead": lead, "lag": lag, "variable": list(VARIABLES), "attribute": list(ATTRIBUTES)}
    patch = np.arange(min(80, int(lag.max()) // 8 * 8), -1, -8)
    past = lag[lag >= 0]
    gate = 0.85 - 0.5 * (1 - np.exp(-lead / 8.0))
    gate = (gate[::-1] if trusts_more else gate) + 0.03 * rng.standard_normal((count, leads))
    mixture = np.abs(groups) / np.abs(groups).sum(-1, keepdims=True)
    return xr.Dataset(
        {
            "prediction": (("sample", "lead"), prediction),
            "reference": (("sample", "lead"), reference),
            "observed": (("sample", "lead"), observed),
            "contribution": (("sample", "lead", "variable", "lag"), contribution),
            "attribute_contribution": (("sample", "lead", "attribute"), attribute),
            "value": (("sample", "variable", "lag"), value),
            "attribute_value": (("sample", "attribute"), attribute_value),
            "interaction": (
                ("sample", "interaction_lead", "group", "other_group"),
                _interaction(groups[:, chosen]),
            ),
            "shap_permutation": (("sample", "shap_lead", "feature"), shap),
            "permutation": (("lead", "group"), np.square(groups).mean(0)),
            "completeness": (
                ("method", "sample", "lead"),
                np.stack([1e-7 * rng.standard_normal((count, leads)), np.zeros((count, leads))]),
            ),
            "gate": (("sample", "lead"), gate),
            "fusion_attention": (
                ("sample", "head", "lead", "patch_lag"),
                _attention(rng, count, lead, patch),
            ),
            "variable_importance": (("sample", "lead", "importance_variable"), mixture),
            "past_importance": (
                ("sample", "lead", "past_variable", "past_lag"),
                np.broadcast_to(
                    np.exp(-past / 10.0) / np.exp(-past / 10.0).sum(), (count, leads, 2, len(past))
                ).copy(),
            ),
        },
        coords={
            **inner,
            "basin": ("sample", basin),
            "issue": ("sample", issue.astype("datetime64[ns]")),
            "group": names,
            "other_group": names,
            "interaction_lead": lead[chosen],
            "shap_lead": lead[chosen],
            "method": ["expected_gradients", "permutation_shap"],
            "patch_lag": patch,
            "past_lag": past,
            "past_variable": ["pr", "streamflow"],
            "importance_variable": names,
            "feature_variable": ("feature", [one[0] for one in features]),
            "feature_first_lag": ("feature", [one[1] for one in features]),
            "feature_last_lag": ("feature", [one[2] for one in features]),
        },
    )


def _shap(
    rng: np.random.Generator, contribution: Array, lag: NDArray[np.int64]
) -> tuple[list[tuple[str, int, int]], Array]:
    """Blocks of lags, and their contributions with a little noise."""
    features, columns = [], []
    for place, name in enumerate(VARIABLES):
        for first, last in BLOCKS:
            inside = (lag >= first) & (lag <= last)
            if inside.any() and np.isfinite(contribution[:, :, place][..., inside]).any():
                features.append((name, int(lag[inside].max()), int(lag[inside].min())))
                columns.append(np.nansum(contribution[:, :, place][..., inside], -1))
    values = np.stack(columns, -1)
    noisy = values + 0.01 * np.abs(values).max() * rng.standard_normal(values.shape)
    return features, noisy


def _interaction(groups: Array) -> Array:
    """Rain on warm days counts more: a pair planted off the diagonal, (N, K, G, G)."""
    joint = np.zeros((*groups.shape, groups.shape[-1]))
    pair = 0.2 * (groups[..., 0] + groups[..., 1])
    joint[..., 0, 1] = joint[..., 1, 0] = pair / 2
    index = np.arange(groups.shape[-1])
    joint[..., index, index] = groups
    joint[..., 0, 0] -= pair / 2
    joint[..., 1, 1] -= pair / 2
    return joint


def _attention(rng: np.random.Generator, count: int, lead: Array, key: Array) -> Array:
    """Four heads, each with a look of its own; early leads look at the last days."""
    score = np.stack(
        [-key[None] / (width + lead[:, None]) for width in (4.0, 12.0, 30.0, 300.0)]
    ) + 0.2 * rng.standard_normal((count, 4, len(lead), len(key)))
    weight = np.exp(score)
    return np.asarray(weight / weight.sum(-1, keepdims=True))


def _about(kinds: Sequence[str], southern: bool, dataset: xr.Dataset) -> dict[str, Any]:
    swing = float(dataset["prediction"].max() - dataset["prediction"].min())
    completeness = np.abs(dataset["completeness"]).max(("sample", "lead")).values / (swing or 1.0)
    methods = {
        str(name): {"settings": settings, "completeness_max": float(worst), "cpu_s": seconds}
        for name, settings, worst, seconds in zip(
            dataset["method"].values,
            ({"steps": 32, "baselines": 8}, {"permutations": 10}),
            completeness,
            (4.2, 61.0),
            strict=True,
        )
    }
    return {
        "title": "Three planted basins",
        "model": "tst",
        "generated": True,
        "basins": {
            NAMES[kind]: {
                "latitude": PLANTED[kind].latitude * (-1 if southern else 1),
                "longitude": -100.0,
                "class": kind,
                "snow_fraction": 0.6 if kind == "snow" else 0.05,
                "baseflow_index": 0.8 if kind == "groundwater" else 0.4,
                "recession_days": PLANTED[kind].recession_days,
            }
            for kind in kinds
        },
        "methods": methods,
        "agreement": {"methods": list(methods), "spearman": [[1.0, 0.93], [0.93, 1.0]]},
        "knowledge": [],
        "words": "",
    }
