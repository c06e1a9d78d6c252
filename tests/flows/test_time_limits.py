"""Every flow ends: one that hangs must not hold back the scheduled ones for ever."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from prefect import Flow

import catena.flows

FLOWS = {
    value.name: value
    for module in pkgutil.iter_modules(catena.flows.__path__)
    for value in vars(importlib.import_module(f"catena.flows.{module.name}")).values()
    if isinstance(value, Flow)
}


def test_all_flows_are_looked_at() -> None:
    wanted = {"calibrate_site", "callmip", "ingest", "train_forecaster", "forecast_basins"}
    wanted |= {"explain_basins", "pretrain_orbit", "finetune_orbit", "spin_up_region"}
    assert wanted <= {*FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_has_hours_and_an_end(name: str) -> None:
    limit = FLOWS[name].timeout_seconds
    assert limit is not None
    assert 3600 <= limit <= 48 * 3600
