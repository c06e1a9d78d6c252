"""Basins without a gauge: networks that know them by attributes, images and donors.

>>> made = folds(records.basins, records.days, seed=0)                           # doctest: +SKIP
>>> compare(records, made, MODELS, chips=chips, seed=0)["both"]  # NSE           # doctest: +SKIP
"""

from __future__ import annotations

from catena.forecaster.ungauged.chips import BANDS, Chips, read_geotiff_chips, read_zarr_chips
from catena.forecaster.ungauged.comparison import (
    HYBRID,
    MODELS,
    Settings,
    compare,
    fit,
    simulate,
)
from catena.forecaster.ungauged.donor_flow import donor_flows
from catena.forecaster.ungauged.fold_tables import FoldTables, with_pet
from catena.forecaster.ungauged.generated_chips import generated_chips
from catena.forecaster.ungauged.recovery import image_recovery

__all__ = [
    "BANDS",
    "HYBRID",
    "MODELS",
    "Chips",
    "FoldTables",
    "Settings",
    "compare",
    "donor_flows",
    "fit",
    "generated_chips",
    "image_recovery",
    "read_geotiff_chips",
    "read_zarr_chips",
    "simulate",
    "with_pet",
]
