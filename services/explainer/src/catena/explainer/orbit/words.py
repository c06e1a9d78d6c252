"""A paragraph in plain words, drawn from the numbers of an explanation of fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from catena.explainer.orbit.importance import variable_shares
from catena.explainer.orbit.influence import named_offset
from catena.shared.report import number, unit_label

__all__ = ["lead_words", "paragraph", "percent"]

MOST_TARGETS = 3
ALIKE = 0.1
"""Change of a share that is worth a word."""


def paragraph(
    data: xr.Dataset, methods: Mapping[str, Mapping[str, Any]], agreement: Mapping[str, Any]
) -> str:
    """What the numbers say, a few sentences."""
    said = []
    for target in range(min(data.sizes["target"], MOST_TARGETS)):
        one = data.isel(target=target)
        said.append(_variables(one))
        if "influence_share" in one:
            said.append(_reach(one))
    said += [_error(data), _sums(methods), _agree(agreement)]
    return " ".join(sentence for sentence in said if sentence)


def lead_words(hours: float) -> str:
    """``6 h``, ``5 days``."""
    return f"{hours:g} h" if hours < 72 else f"{hours / 24:.3g} days"


def percent(share: float) -> str:
    """``43 %``."""
    return f"{100 * share:.0f} %"


def _variables(one: xr.Dataset) -> str:
    """Which variables the forecasts of a target leaned on."""
    by_method = variable_shares(one)
    if not by_method:
        return ""
    method, shares = next(iter(by_method.items()))  # shares (lead, variable)
    names, leads = one["variable"].values, one["lead"].values
    order = np.argsort(-shares[-1])[:3]
    most = ", ".join(f"{names[k]} ({percent(shares[-1, k])})" for k in order)
    text = f"Forecasts of {one['target'].item()} {lead_words(leads[-1])} ahead leaned on {most}"
    if not method.endswith("gradients"):
        text += f", by {_plain(method)}"
    before = int(shares[0].argmax())
    if len(leads) > 1:
        share = percent(shares[0, before])
        text += (
            f"; {lead_words(leads[0])} ahead on {names[before]} most of all as well ({share})"
            if before == order[0]
            else f", while {lead_words(leads[0])} ahead they leaned most on {names[before]} "
            f"({share})"
        )
    change = abs(one["prediction"] - one["reference"]).isel(lead=-1).mean("sample").item()
    units = unit_label(str(one["target_units"].item()))
    off = f"{number(change, 2)} {units}".rstrip()
    return f"{text}. On average they differed from the usual by {off}."


def _reach(one: xr.Dataset) -> str:
    """How far away the influence lies, and on which side."""
    leads, every = one["lead"].values, one.sel(source="all")
    half, outside = every["influence_half"].values, every["influence_outside"].values
    if not np.isfinite(half[[0, -1]]).all():
        return ""
    first, last = lead_words(leads[0]), lead_words(leads[-1])
    text = f"{percent(outside[-1])} of the influence came from outside the box {last} ahead"
    if len(leads) > 1:
        change = outside[-1] - outside[0]
        kind = "spreads" if change > ALIKE else "draws together" if change < -ALIKE else "stays"
        text += f", {percent(outside[0])} {first} ahead: it {kind} with the lead"
    where = f"within {half[-1]:,.0f} km of" if half[-1] else "inside"
    text += f"; half of it lies {where} the box."
    # The variable whose influence from outside is the largest tells where that comes from.
    far = (one["influence_share"] * one["influence_outside"]).values[-1, 1:]
    name = one["source"].values[1 + int(np.nan_to_num(far, nan=-1.0).argmax())]
    at = one.sel(source=name).isel(lead=-1)
    offset = named_offset(at["influence_east"].item(), at["influence_north"].item())
    if not offset or not np.nanmax(far) > ALIKE / 2:
        return text
    upwind, travel = at["influence_upwind"].item(), at["wind_travel"].item()
    text += f" That of {name}, most of what comes from outside, has its middle {offset} of the box"
    if np.isfinite(upwind):
        side = "upwind" if upwind > 0 else "down the wind"
        text += (
            f", {abs(upwind):,.0f} km {side} (the wind over the box goes {travel:,.0f} km in that "
            "time)"
        )
    return text + "."


def _error(data: xr.Dataset) -> str:
    """How wrong the forecasts were that are explained."""
    last = data.isel(lead=-1, target=0)
    error = (last["prediction"] - last["observed"]).values
    known = error[np.isfinite(error)]
    if not known.size:
        return ""
    units = unit_label(str(last["target_units"].item()))
    rmse = number(float(np.sqrt((known**2).mean())), 2)
    return (
        f"The forecasts of {last['target'].item()} themselves were off by {rmse} {units} "
        f"(root mean square, {known.size} known)."
    )


def _sums(methods: Mapping[str, Mapping[str, Any]]) -> str:
    errors = {
        name: facts["completeness_max"]
        for name, facts in methods.items()
        if "completeness_max" in facts
    }
    if not errors:
        return ""
    worst = max(errors, key=lambda name: errors[name])
    return (
        "Contributions add up to the forecast less the usual one to within "
        f"{number(100 * errors[worst], 2)} % of the range of the forecasts"
        f"{f' (worst: {_plain(worst)})' if len(errors) > 1 else ''}."
    )


def _agree(agreement: Mapping[str, Any]) -> str:
    names, table = agreement["methods"], agreement["spearman"]
    if len(names) < 2 or table[0][1] is None:
        return ""
    others = [
        f"{_plain(other)} {table[0][k]:.2f}"
        for k, other in enumerate(names)
        if k and table[0][k] is not None
    ]
    return f"Rank correlation over variables with {_plain(names[0])}: {', '.join(others)}."


def _plain(method: str) -> str:
    return method.replace("_", " ").replace("shap", "SHAP")
