"""Process model: GR4J with snow, its calibration, its statistical correction, and baselines.

>>> model = fit_process(records, training_days, seed=0)                          # doctest: +SKIP
>>> model = model.with_mos(records, training_issues, 30, training_weather)       # doctest: +SKIP
>>> model.forecast(records, issues, 30, weather)  # (basin, issue, lead)         # doctest: +SKIP
"""

from __future__ import annotations

from catena.forecaster.process.baselines import Climatology, Forecaster, Persistence
from catena.forecaster.process.calibration import Search
from catena.forecaster.process.donors import DonorForecaster, regionalise
from catena.forecaster.process.dressing import Dressed, dress
from catena.forecaster.process.forecaster import ProcessForecaster, fit_process
from catena.forecaster.process.model import ProcessModel

__all__ = [
    "Climatology",
    "DonorForecaster",
    "Dressed",
    "Forecaster",
    "Persistence",
    "ProcessForecaster",
    "ProcessModel",
    "Search",
    "dress",
    "fit_process",
    "regionalise",
]
