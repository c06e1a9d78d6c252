"""Basins without a gauge: networks that know them by attributes and images, beside donors.

>>> made = folds(records.basins, records.days, seed=0)                           # doctest: +SKIP
>>> compare(records, made, Settings(), chips=chips, seed=0)["both"]  # NSE       # doctest: +SKIP
"""

from __future__ import annotations

from catena.forecaster.ungauged.chips import BANDS, Chips, read_geotiff_chips, read_zarr_chips
from catena.forecaster.ungauged.comparison import (
    MODELS,
    Settings,
    compare,
    donor_flow,
    fit,
    simulate,
)
from catena.forecaster.ungauged.fold_tables import FoldTables, with_pet
from catena.forecaster.ungauged.generated_chips import generated_chips
from catena.forecaster.ungauged.recovery import image_recovery

__all__ = [
    "BANDS",
    "MODELS",
    "Chips",
    "FoldTables",
    "Settings",
    "compare",
    "donor_flow",
    "fit",
    "generated_chips",
    "image_recovery",
    "read_geotiff_chips",
    "read_zarr_chips",
    "simulate",
    "with_pet",
]
