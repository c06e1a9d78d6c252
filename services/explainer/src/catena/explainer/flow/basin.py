"""One basin's forecasts, ready to be explained, and how they are explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.prediction import predictions
from catena.explainer.flow.columns import FlowColumns
from catena.explainer.flow.loading import LoadedNetwork, LoadedSamples
from catena.explainer.flow.prediction import FlowPrediction
from catena.models.flow_samples import FlowSamples
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

MM = {"units": "mm d-1"}
DAYS = {"units": "1", "long_name": "days before the day of issue, negative ahead"}


@dataclass(frozen=True)
class FlowSettings:
    """How forecasts of streamflow are explained.

    Parameters
    ----------
    methods : tuple of str
        See the enum Method of the contract.
    baselines : int
        Days of the training climate of each basin, at most.
    steps : int
        Nodes of a path; more where the sum is not complete.
    leads : tuple of int
        Leads, d, of pairs of variables and of Shapley values.
    dear_samples : int
        Samples of a basin that these are computed for, at most.
    quantile : float or None
        What is explained; None: the mean.
    seed : int
        Of permutations and Shapley values.
    """

    methods: tuple[str, ...]
    baselines: int = 8
    steps: int = 16
    leads: tuple[int, ...] = (1, 7, 30)
    dear_samples: int = 12
    quantile: float | None = None
    seed: int = 0

    def places(self, leads: int) -> list[int]:
        """Places of the leads of what is dear; the last lead where the model has none of them."""
        return [lead - 1 for lead in self.leads if lead <= leads] or [leads - 1]


@dataclass(frozen=True, eq=False)
class Basin:
    """One basin's forecasts.

    Parameters
    ----------
    name : str
    samples : FlowSamples, N rows
    columns : FlowColumns
    rows, baselines : Tensor, (N, D) and (M, D)
        Inputs.
    predict : FlowPrediction
    dear : (n,) array of int
        Rows that dear methods explain.
    leads : list of int
        Places of the leads that dear methods explain.
    """

    name: str
    samples: FlowSamples
    columns: FlowColumns
    rows: Tensor
    baselines: Tensor
    predict: FlowPrediction
    dear: NDArray[np.int64]
    leads: list[int]

    @classmethod
    def of(
        cls,
        name: str,
        network: LoadedNetwork,
        loaded: LoadedSamples,
        settings: FlowSettings,
    ) -> Basin:
        """The samples of a basin, and its days of the background.

        Raises
        ------
        InvalidData
            When the background has no day of the basin.
        """
        samples = loaded.explained[np.array(loaded.explained.basins) == name]
        background = np.flatnonzero(np.array(loaded.background.basins) == name)
        if not len(background):
            raise InvalidData(
                f"the background has no day of basin {name}; draw the samples again, with a "
                "larger background"
            )
        columns = FlowColumns.of(samples)
        few = climate(loaded.background.issues[background], settings.baselines)
        return cls(
            name,
            samples,
            columns,
            columns.matrix(samples),
            columns.matrix(loaded.background[background[few]]),
            FlowPrediction.of_basin(network.network, samples, settings.quantile or "mean"),
            spread(len(samples), settings.dear_samples),
            settings.places(samples.leads),
        )

    def whole(self, values: Tensor | Array) -> Array:
        """Values of the dear rows (n, ...) among those of all rows (N, ...), NaN elsewhere."""
        found = np.asarray(values, np.float64)
        made = np.full((len(self.rows), *found.shape[1:]), np.nan)
        made[self.dear] = found
        return made

    def dataset(self) -> xr.Dataset:
        """Inputs, forecasts and observations, with the coordinates of all results."""
        columns, samples = self.columns, self.samples
        value, attribute_value = columns.input_arrays(self.rows)
        features = columns.features()
        leads = np.arange(1, samples.leads + 1)
        flow = predictions(self.predict, self.rows).numpy()
        coords: dict[str, Any] = {
            "basin": ("sample", np.array(samples.basins)),
            "issue": ("sample", samples.issues.astype("datetime64[ns]")),
            "lead": ("lead", leads, {"units": "1", "long_name": "days after the day of issue"}),
            "variable": list(columns.variables),
            "lag": ("lag", columns.lags, DAYS),
            "attribute": ("attribute", np.array(columns.statics, dtype=np.str_)),
            "group": list(columns.groups),
            "other_group": list(columns.groups),
            "interaction_lead": leads[self.leads],
            "shap_lead": leads[self.leads],
            "feature": [feature.name for feature in features],
            "feature_variable": ("feature", [feature.variable for feature in features]),
            "feature_first_lag": ("feature", [feature.first_lag for feature in features], DAYS),
            "feature_last_lag": ("feature", [feature.last_lag for feature in features], DAYS),
        }
        scaled = {"units": "1", "comment": "scaled as the network takes it"}
        return xr.Dataset(
            {
                "prediction": (("sample", "lead"), flow, MM),
                "observed": (("sample", "lead"), samples.observed, MM),
                "value": (("sample", "variable", "lag"), value.astype(np.float32), scaled),
                "attribute_value": (
                    ("sample", "attribute"),
                    attribute_value.astype(np.float32),
                    scaled,
                ),
            },
            coords=coords,
        )


def climate(days: NDArray[np.datetime64], most: int) -> NDArray[np.int64]:
    """Places of at most `most` days that stand for the seasons of all.

    They are the middles of as many equal parts of the year's course. Evenly in time they could be
    winters all, and contributions would be measured from a winter.
    """
    first = days.astype("datetime64[Y]").astype("datetime64[D]")
    season = np.argsort((days.astype("datetime64[D]") - first).astype(np.int64), kind="stable")
    count = min(len(days), most)
    return np.sort(season[((np.arange(count) + 0.5) * len(days) / count).astype(np.int64)])


def spread(size: int, most: int) -> NDArray[np.int64]:
    """At most `most` places of `size`, evenly spread, both ends among them."""
    if size <= most:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, most).round().astype(np.int64))
