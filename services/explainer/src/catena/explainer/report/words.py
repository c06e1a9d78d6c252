"""An explanation in one paragraph, drawn from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from catena.explainer.attribution.integrated import GRADIENTS
from catena.explainer.report.knowledge import KnowledgeCheck, check_knowledge
from catena.explainer.report.memory import shortest_span
from catena.explainer.report.pairs import pair_shares
from catena.explainer.report.reading import (
    ATTRIBUTES,
    PROCESS_FLOW,
    STREAMFLOW,
    Explained,
    Part,
    label,
)
from catena.shared.report import number

WORD_LEAD = 7
"""The lead that words speak of; the last one where there are fewer."""
MOST_NAMED = 3
"""Inputs named for a basin."""
LEAST_SHARE = 0.05
"""An input with less is not named."""
GOOD_COMPLETENESS = 1e-4
"""Of the range of the forecasts; what is wanted of the methods (specs: explain)."""
BAD_COMPLETENESS = 1e-2
"""Of the range; from here on contributions must not be read as shares of the forecast."""
_NAMES = (("shap", "SHAP"), ("lstm", "LSTM"), ("tst", "TST"), ("hessian", "Hessian"))
AGREE, DIFFER = 0.8, 0.5
"""Rank correlations from which methods agree, and below which they tell different stories."""


def explanation_words(
    dataset: xr.Dataset,
    about: Mapping[str, Any],
    checks: Sequence[KnowledgeCheck] | None = None,
) -> str:
    """What an explanation says, in a paragraph.

    Parameters
    ----------
    dataset : xr.Dataset
        As in ``explanation.zarr``.
    about : mapping
        As in ``explanation.json``.
    checks : sequence of KnowledgeCheck, optional
        Of :func:`check_knowledge`; made here if left out.

    Raises
    ------
    InvalidData
        When nothing can be said: see :meth:`Explained.of`.
    """
    explained = Explained.of(dataset, about)
    if checks is None:
        checks = check_knowledge(dataset, about)
    sentences = [_what(explained)]
    if explained.attributed:
        sentences += [_rests_on(explained, part) for part in explained.parts()]
        sentences += [_fading(explained), _process_model(explained)]
    sentences += [
        _pair(explained),
        completeness_words(about),
        agreement_words(about),
        _knowledge(checks),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _what(x: Explained) -> str:
    count, basins = len(x.basin), len(x.basins)
    made = "GENERATED " if x.about.get("generated") else ""
    model = method_words(str(x.about.get("model") or "the network"))
    method = main_method(x)
    by = f", by {method_words(method)}" if method and x.attributed else ""
    level = dict(x.about.get("settings") or {}).get("quantile")
    of = "" if level is None else f"The {level:g} quantile of "
    return (
        f"{of}{count} forecast{'s' * (count > 1)} of {basins} {made}basin{'s' * (basins > 1)} by "
        f"{model} {'were' if count > 1 and not of else 'was'} explained{by}."
    )


def _rests_on(x: Explained, part: Part) -> str:
    """What the forecasts of a basin rest on, and on which days of it."""
    lead = word_lead(x)
    shares = x.shares(part.rows)[lead]
    if np.isnan(shares).all():
        return f"The forecasts of {part.title} at lead {x.leads[lead]} rest on no input at all."
    order = [int(g) for g in np.argsort(-shares)[:MOST_NAMED] if shares[g] >= LEAST_SHARE]
    named = [
        f"{label(x.groups[g])} ({100 * shares[g]:.0f} %{_days(x, part, lead, g)})" for g in order
    ]
    return f"At lead {x.leads[lead]}, forecasts of {part.title} rest on {listed(named)}."


def _days(x: Explained, part: Part, lead: int, group: int) -> str:
    """The shortest run of days that holds half of what a variable contributes."""
    if x.groups[group] == ATTRIBUTES:
        return ""
    profile = x.profile(part.rows)[lead, group]
    span = shortest_span(profile)
    if span is None:
        return ""
    most = "all" if profile[span[0] : span[1] + 1].sum() >= 0.99 * np.nansum(profile) else "half"
    return f", {most} of it {span_words(int(x.lags[span[0]]), int(x.lags[span[1]]))}"


def span_words(first: int, last: int) -> str:
    """Lags for people; `first` is the older one. Negative lags are days ahead."""
    if first == last:
        return f"at lag {first}" if first >= 0 else f"on day {-first} ahead"
    if last >= 0:
        return f"at lags {last} to {first}"
    if first < 0:
        return f"on days {-first} to {-last} ahead"
    return f"from lag {first} to day {-last} ahead"


def _fading(x: Explained) -> str:
    """How the weight of past streamflow changes with lead."""
    flow = x.columns(STREAMFLOW)
    if not flow or len(x.leads) < 2:
        return ""
    shares = x.shares(np.ones(len(x.basin), bool))[:, flow].sum(-1)
    if not np.isfinite(shares[[0, -1]]).all() or shares.max() < LEAST_SHARE:
        return ""
    verb = "falls" if shares[-1] < shares[0] else "rises"
    return (
        f"Over all basins the share of past streamflow {verb} from {100 * shares[0]:.0f} % at lead "
        f"{x.leads[0]} to {100 * shares[-1]:.0f} % at lead {x.leads[-1]}."
    )


def _process_model(x: Explained) -> str:
    """What comes through a process model hides the weather that it was run with."""
    place = x.columns(PROCESS_FLOW)
    share = x.shares(np.ones(len(x.basin), bool))[word_lead(x), place] if place else np.zeros(1)
    if not place or not np.nansum(share) >= LEAST_SHARE:
        return ""
    return (
        f"{100 * np.nansum(share):.0f} % comes through the process model's forecast, which was "
        "made of the same weather: precipitation and temperature count for more than is said here."
    )


def _pair(x: Explained) -> str:
    """The two inputs that count most together."""
    found = pair_shares(x)
    if found is None:
        return ""
    shares, names, lead = found
    upper = np.triu(np.nan_to_num(shares, nan=0.0), 1)
    i, j = np.unravel_index(int(upper.argmax()), upper.shape)
    if not upper[i, j] > 0:
        return f"At lead {lead} no two inputs count together: each adds its own part."
    return (
        f"The strongest pair is {label(names[i])} with {label(names[j])}: "
        f"{100 * upper[i, j]:.1f} % of what contributes at lead {lead} is theirs together."
    )


def completeness_words(about: Mapping[str, Any]) -> str:
    """Whether contributions add up to the forecast, from the worst of the methods."""
    known = {
        name: float(one["completeness_max"])
        for name, one in about.get("methods", {}).items()
        if one.get("completeness_max") is not None
    }
    broken = [name for name, worst in known.items() if not np.isfinite(worst)]
    if broken:
        return f"Whether the contributions of {method_words(broken[0])} add up is NOT KNOWN."
    if not known:
        return ""
    name = max(known, key=lambda one: known[one])
    worst = f"{number(known[name], 1)} of the range of the forecasts ({method_words(name)})"
    if known[name] <= GOOD_COMPLETENESS:
        return f"Contributions add up to the forecast, to {worst} at worst."
    if known[name] <= BAD_COMPLETENESS:
        return f"Contributions add up to the forecast only roughly: they miss it by up to {worst}."
    return (
        f"Contributions do NOT add up to the forecast: they miss it by up to {worst}. Take more "
        "steps or another method before reading them as parts of a forecast."
    )


def agreement_words(about: Mapping[str, Any]) -> str:
    """Whether the methods rank the inputs alike."""
    agreement = about.get("agreement") or {}
    names = list(agreement.get("methods", []))
    matrix = np.array(agreement.get("spearman", []), dtype=np.float64)
    if len(names) < 2 or matrix.shape != (len(names), len(names)):
        return ""
    pairs = np.where(np.triu(np.ones_like(matrix), 1) > 0, matrix, np.nan)
    if np.isnan(pairs).all():
        return ""
    i, j = np.unravel_index(int(np.nanargmin(pairs)), pairs.shape)
    lowest = float(pairs[i, j])
    two = f"{method_words(names[i])} and {method_words(names[j])}"
    said = f"rank correlation {lowest:.2f} between {two}"
    if lowest >= AGREE:
        return f"The methods agree on which inputs count ({said} at worst)."
    if lowest >= DIFFER:
        return f"The methods agree in part ({said}): trust the order of the first inputs only."
    return (
        f"The methods do NOT agree ({said}): they answer different questions here, so no order of "
        "inputs should be taken from one of them alone."
    )


def _knowledge(checks: Sequence[KnowledgeCheck]) -> str:
    judged = [one for one in checks if one.holds is not None]
    if not judged:
        return "Too little was explained to hold it against process knowledge." if checks else ""
    failed = [one for one in judged if not one.holds]
    if not failed:
        return f"Held against process knowledge, all {len(judged)} checks hold."
    start = (
        f"Held against process knowledge, {len(judged) - len(failed)} of {len(judged)} checks hold"
    )
    named = [f"“{one.claim}” in {one.basin}" for one in failed[:MOST_NAMED]]
    more = f" and {len(failed) - len(named)} more" if len(failed) > len(named) else ""
    return f"{start}; not so: {'; '.join(named)}{more}."


def word_lead(x: Explained) -> int:
    """Place of the lead that words speak of."""
    return int(np.abs(x.leads - WORD_LEAD).argmin())


def main_method(x: Explained) -> str:
    """The method that gave the contributions by day; empty if none is named.

    Contributions of further methods carry their names in the explanation.
    """
    mine = [name for name in x.about.get("methods", {}) if name in GRADIENTS]
    return next((name for name in mine if f"contribution_{name}" not in x.data), "")


def method_words(name: str) -> str:
    """``permutation_shap`` becomes ``permutation SHAP``; so do models and their letters."""
    words = name.replace("_", " ")
    for small, right in _NAMES:
        words = words.replace(small, right)
    return words


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
