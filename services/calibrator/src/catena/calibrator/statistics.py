"""Statistics of runs at several sites, made by ensemble-runner: an artifact ``statistics``.

Its dataset ``statistics.zarr`` has `simulated` (member, statistic) beside what was `observed` and
its `error_sd` (statistic), and the parameters of the members with their ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.model_runs import long_names_of
from catena.calibrator.prior import Prior
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]

DATASET = "statistics.zarr"
SUMMARY = "statistics.json"


@dataclass(frozen=True, eq=False)
class RunStatistics:
    """Statistics of runs as a calibration wants them.

    Parameters
    ----------
    prior : Prior
        Names, units and ranges of the d parameters.
    parameter_long_names : tuple of str
    parameters : (n, d) array
    simulated : (n, k) array
        NaN for members that failed.
    observed, error_sd : (k,) arrays
        The error is that of the measurement and of the model's structure together.
    table : OutputTable
    model : str
        Name and version of the land model.
    sites : str
        Their codes.
    synthetic : bool
        Whether an observation was made from a run of the model.
    """

    prior: Prior
    parameter_long_names: tuple[str, ...]
    parameters: Array
    simulated: Array
    observed: Array
    error_sd: Array
    table: OutputTable
    model: str
    sites: str
    synthetic: bool

    def observation(self, outputs: OutputTable) -> tuple[Array, Array]:
        """Values and errors (k,) of an ensemble's outputs.

        Raises
        ------
        InvalidData
            When the ensemble was made of other statistics.
        """
        if outputs != self.table:
            text = "is not made of these statistics; import them, and give that ensemble"
            raise InvalidData(
                "the observation does not fit", violations=[FieldViolation("ensemble", text)]
            )
        return self.observed, self.error_sd


def run_statistics(dataset: xr.Dataset, about: Mapping[str, Any]) -> RunStatistics:
    """Statistics from the files of an artifact of kind ``statistics``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Its :data:`DATASET`.
    about : mapping
        Its :data:`SUMMARY`.
    """

    def words(name: str) -> tuple[str, ...]:
        return tuple(str(each) for each in dataset[name].to_numpy())

    def numbers(name: str) -> Array:
        return np.asarray(dataset[name].to_numpy(), dtype=np.float64)

    return RunStatistics(
        prior=Prior(
            words("parameter"),
            numbers("parameter_low"),
            numbers("parameter_high"),
            words("parameter_units"),
        ),
        parameter_long_names=long_names_of(dataset),
        parameters=numbers("parameters"),
        simulated=numbers("simulated"),
        observed=numbers("observed"),
        error_sd=numbers("error_sd"),
        table=OutputTable(
            words("statistic"), words("statistic_units"), words("statistic_long_name")
        ),
        model=str(about["model"]),
        sites=", ".join(str(site["site"]) for site in about["sites"]),
        synthetic=bool(about["synthetic"]),
    )
