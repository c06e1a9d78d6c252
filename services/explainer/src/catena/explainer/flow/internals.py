"""What a streamflow network shows of itself: attention, the gate, importances, with their days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from catena.explainer.flow.columns import (
    ATTRIBUTES,
    DAY_OF_YEAR,
    NOISE,
    PROCESS_FLOW,
    STREAMFLOW,
    FlowColumns,
)
from catena.models.channel_tst import ChannelTST
from catena.models.flow_model import FlowModel
from catena.models.flow_samples import FlowSamples
from catena.models.interpretable_lstm import InterpretableLSTM
from catena.models.tst import TST
from catena.shared.errors import InvalidData

ROWS = 256
"""Forecasts of one pass."""

Maps = Mapping[str, NDArray[Any]]

_LAG = {"units": "1", "long_name": "days before the day of issue"}
_PATCH = {"units": "1", "long_name": "lag of the last day of a patch, days before the day of issue"}
_LEAD = {"units": "1", "long_name": "days after the day of issue"}


def read_internals(network: FlowModel[Any], samples: FlowSamples) -> xr.Dataset:
    """All that a network shows of its forecasts.

    Parameters
    ----------
    network : FlowModel
    samples : FlowSamples
        `N` forecasts, of any basins.

    Returns
    -------
    xarray.Dataset
        Of a TST: ``gate`` (sample, lead), the weight of the forecast weather against the past;
        ``fusion_attention`` (sample, head, lead, patch_lag); ``past_attention`` (sample,
        past_layer, head, patch_lag, key_patch_lag); ``future_attention`` (sample, future_layer,
        head, lead, key_lead); ``flow_attention`` and ``flow_past_attention`` (sample, head,
        patch_lag, key_patch_lag); ``lead_attention`` (sample, decoder_layer, head, lead, key),
        whose keys have a ``key_kind`` (flow, past, fused) and a ``key_lag``.

        Of a channel-token transformer: ``channel_attention`` (sample, layer, head, channel,
        key_channel).

        Of an interpretable LSTM: ``variable_importance`` (sample, lead, importance_variable),
        ``past_importance`` (sample, lead, past_variable, past_lag), ``future_importance`` (sample,
        lead, future_variable, future_lead), 0 after the lead itself.

        Rows sum to 1: over keys, variables or days. A patch stands for its last day, and reaches
        back by the attribute ``patch_days``. The dataset of another network is empty and says why
        in its attribute ``note``.

    Raises
    ------
    InvalidData
        When the network takes other inputs, or shows numbers that are not finite.
    """
    columns = FlowColumns.of(samples)
    columns.check(network)
    make = _maker(network)
    if make is None:
        name = type(network).__name__
        return xr.Dataset(
            attrs={"note": f"{name} has no attention, gate or importances of its own to show"}
        )
    network.eval()
    parts = [
        network.explain(samples.inputs[slice(start, start + ROWS)])
        for start in range(0, len(samples), ROWS)
    ]
    maps = {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
    broken = [name for name, values in maps.items() if not np.isfinite(values).all()]
    if broken:
        raise InvalidData(
            f"{', '.join(broken)} of the network are NaN or infinite; its weights are no numbers: "
            "train it again"
        )
    return make(network, columns, maps)


def importances(network: FlowModel[Any], samples: FlowSamples) -> xr.DataArray | None:
    """Posterior importance of an interpretable LSTM's variables, given what was observed.

    Guo et al. 2019, Eq. 10: how much each variable's own forecast was worth, where
    ``variable_importance`` is what the network thinks beforehand.

    Parameters
    ----------
    network : FlowModel
    samples : FlowSamples
        Days without an observation are left out.

    Returns
    -------
    xarray.DataArray or None
        ``posterior_importance`` (importance_variable), the mean over forecasts and leads; sums to
        1. None for another network, and where nothing was observed.
    """
    if not isinstance(network, InterpretableLSTM):
        return None
    columns = FlowColumns.of(samples)
    columns.check(network)
    scaled = (samples.observed - samples.flow_mean[:, None]) / samples.flow_scale[:, None]
    observed = torch.from_numpy(scaled).to(samples.inputs.past_flow)
    seen = (~observed.isnan()).sum(1)
    if not bool(seen.any()):
        return None
    network.eval()
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(samples), ROWS):
        rows = slice(start, start + ROWS)
        count = int(seen[rows].sum())
        if count:
            part = network.importance(samples.inputs[rows], observed[rows])
            total = total + part.double().cpu() * count
    names = _importance_variables(network, columns)
    return xr.DataArray(
        (total / int(seen.sum())).numpy(),
        {"importance_variable": names},
        ("importance_variable",),
        "posterior_importance",
        {"units": "1", "long_name": "posterior weight of variables, given the observed flow"},
    )


Maker = Callable[[Any, FlowColumns, Maps], xr.Dataset]


def _maker(network: FlowModel[Any]) -> Maker | None:
    makers: dict[type[FlowModel[Any]], Maker] = {
        TST: _of_tst,
        ChannelTST: _of_channels,
        InterpretableLSTM: _of_variables,
    }
    return next((make for kind, make in makers.items() if isinstance(network, kind)), None)


def _dataset(maps: Maps, dims: Mapping[str, str], coords: Mapping[str, Any]) -> xr.Dataset:
    """Maps with their dimensions, given as words, and the coordinates of those."""
    made = xr.Dataset(
        {name: (axes.split(), maps[name], {"units": "1"}) for name, axes in dims.items()}
    )
    return made.assign_coords(coords)


# ------------------------------------------------------------------ temporal transformer


def _of_tst(network: TST, columns: FlowColumns, maps: Maps) -> xr.Dataset:
    config = network.config()
    dims = {
        "gate": "sample lead",
        "fusion_attention": "sample head lead patch_lag",
        "past_attention": "sample past_layer head patch_lag key_patch_lag",
        "future_attention": "sample future_layer head lead key_lead",
        "flow_attention": "sample head patch_lag key_patch_lag",
        "flow_past_attention": "sample head patch_lag key_patch_lag",
        "lead_attention": "sample decoder_layer head lead key",
    }
    patches = maps["fusion_attention"].shape[-1]
    patch = np.arange(patches - 1, -1, -1) * config["stride"]
    leads = np.arange(1, columns.leads + 1)
    kinds = ["flow"] * patches + ["past"] * patches + ["fused"] * columns.leads
    patch_about = {**_PATCH, "patch_days": config["patch"]}
    made = _dataset(
        maps,
        dims,
        {
            "lead": ("lead", leads, _LEAD),
            "key_lead": ("key_lead", leads, _LEAD),
            "patch_lag": ("patch_lag", patch, patch_about),
            "key_patch_lag": ("key_patch_lag", patch, patch_about),
            "key_kind": ("key", np.array(kinds)),
            "key_lag": ("key", np.concatenate([patch, patch, -leads]), _LAG),
        },
    )
    made["gate"].attrs["long_name"] = "weight of the forecast weather against the past"
    return made


# ------------------------------------------------------------------ channel-token transformer


def _of_channels(network: ChannelTST, columns: FlowColumns, maps: Maps) -> xr.Dataset:
    names = _channels(columns, network.config()["head"]["process"])
    dims = {"channel_attention": "sample layer head channel key_channel"}
    return _dataset(maps, dims, {"channel": names, "key_channel": names})


def _channels(columns: FlowColumns, process: bool) -> list[str]:
    """Names of the tokens, in the order of :mod:`catena.models.flow_features`.

    A flag says whether there is a value.
    """
    weather = list(columns.weather)
    season = [f"{DAY_OF_YEAR} {part}" for part in ("sine", "cosine")]
    flags = [f"{name} flag" for name in weather]
    ahead = [*weather, *season, *flags]
    past = [*ahead, STREAMFLOW, f"{STREAMFLOW} flag"]
    more = [NOISE, *([PROCESS_FLOW, f"{PROCESS_FLOW} flag"] if process else [])]
    return [*past, *(f"forecast {name}" for name in ahead), *more, ATTRIBUTES]


# ------------------------------------------------------------------ interpretable LSTM


def _of_variables(network: InterpretableLSTM, columns: FlowColumns, maps: Maps) -> xr.Dataset:
    past, future = _series(network, columns)
    leads = np.arange(1, columns.leads + 1)
    return _dataset(
        maps,
        {
            "variable_importance": "sample lead importance_variable",
            "past_importance": "sample lead past_variable past_lag",
            "future_importance": "sample lead future_variable future_lead",
        },
        {
            "lead": ("lead", leads, _LEAD),
            "importance_variable": _importance_variables(network, columns),
            "past_variable": past,
            "future_variable": future,
            "past_lag": ("past_lag", columns.lags[: columns.past], _LAG),
            "future_lead": ("future_lead", leads, _LEAD),
        },
    )


def _series(network: InterpretableLSTM, columns: FlowColumns) -> tuple[list[str], list[str]]:
    """Names of the series that have an LSTM of their own: of the past, and ahead."""
    past = [*columns.weather, DAY_OF_YEAR, STREAMFLOW]
    ahead = [*(f"forecast {name}" for name in (*columns.weather, DAY_OF_YEAR)), NOISE]
    if network.config()["head"]["process"]:
        ahead.append(PROCESS_FLOW)
    return past, ahead


def _importance_variables(network: InterpretableLSTM, columns: FlowColumns) -> list[str]:
    past, ahead = _series(network, columns)
    return [*past, *ahead, ATTRIBUTES]
