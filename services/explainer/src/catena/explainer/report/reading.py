"""Sums over an explanation that checks, words and plots share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.explainer.flow import columns
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

ATTRIBUTES = columns.ATTRIBUTES
PRECIPITATION = ("pr",)
TEMPERATURE = ("tas", "tasmin", "tasmax")
STREAMFLOW = (columns.STREAMFLOW,)
PROCESS_FLOW = (columns.PROCESS_FLOW,)
NOISE = columns.NOISE
"""Names of inputs; those of weather are the lexicon's."""

LABELS = {
    "pr": "precipitation",
    "tas": "temperature",
    "tasmin": "lowest temperature",
    "tasmax": "highest temperature",
    "evspsblpot": "potential evaporation",
    columns.DAY_OF_YEAR: "day of the year",
    columns.STREAMFLOW: "past streamflow",
    NOISE: "forecast noise",
    columns.PROCESS_FLOW: "process model",
    ATTRIBUTES: "basin attributes",
}
MOST_PANELS = 3
"""Basins that are shown one by one; more are shown by class."""
SHOWN_LEADS = (1, 7, 30)


def label(name: str) -> str:
    """Name of an input for people."""
    if name.startswith("forecast ") and name != NOISE:
        return f"forecast {label(name.removeprefix('forecast '))}"
    return LABELS.get(name, name.replace("_", " "))


@dataclass(frozen=True, eq=False)
class Part:
    """Samples that are shown or judged together: those of a basin, or of a class of basins.

    Parameters
    ----------
    title : str
    rows : (N,) array of bool
    """

    title: str
    rows: Rows


@dataclass(frozen=True, eq=False)
class Explained:
    """An explanation of streamflow forecasts, as arrays.

    Samples without any contribution are left out: nothing is known of them. Where no gradient
    method was asked for there are no contributions by day, and only `attributed` may be asked.

    Parameters
    ----------
    data : xr.Dataset
        As in ``explanation.zarr``.
    about : mapping
        As in ``explanation.json``.
    """

    data: xr.Dataset
    about: Mapping[str, Any]

    @classmethod
    def of(cls, data: xr.Dataset, about: Mapping[str, Any]) -> Explained:
        """Check that the parts without which nothing can be said are there.

        Raises
        ------
        InvalidData
            When a part is missing, or no sample has a contribution.
        """
        wanted = ["prediction", "basin", "issue", "lead"]
        wanted += ["lag", "variable"] if "contribution" in data else []
        missing = [name for name in wanted if name not in data.variables]
        if missing:
            raise InvalidData(
                f"the explanation has no {', '.join(missing)}; wanted {', '.join(wanted)}: explain "
                "the forecasts again"
            )
        if "contribution" not in data:
            return cls(data, about)
        order = ("sample", "lead", "variable", "lag")
        there = np.isfinite(data["contribution"].transpose(*order).values).any((1, 2, 3))
        if not there.any():
            raise InvalidData(
                f"none of the {len(there)} samples has a contribution that is a number; look at "
                "the inputs of the samples and at the network's forecasts"
            )
        return cls(data if there.all() else data.isel(sample=np.flatnonzero(there)), about)

    @property
    def attributed(self) -> bool:
        """Whether there are contributions by variable and day."""
        return "contribution" in self.data

    @cached_property
    def contribution(self) -> Array:
        """Contributions (N, H, V, T), mm d-1; NaN where there is no such input."""
        order = ("sample", "lead", "variable", "lag")
        return np.asarray(self.data["contribution"].transpose(*order).values)

    @cached_property
    def value(self) -> Array | None:
        """Scaled inputs (N, V, T)."""
        if "value" not in self.data:
            return None
        return np.asarray(self.data["value"].transpose("sample", "variable", "lag").values)

    @cached_property
    def leads(self) -> NDArray[np.int64]:
        """Days ahead, (H,)."""
        return np.asarray(self.data["lead"].values, np.int64)

    @cached_property
    def lags(self) -> NDArray[np.int64]:
        """Days before the day of issue, (T,); negative for days ahead."""
        return np.asarray(self.data["lag"].values, np.int64)

    @cached_property
    def variables(self) -> list[str]:
        """Names of the inputs that are series."""
        return [str(name) for name in self.data["variable"].values]

    @cached_property
    def groups(self) -> list[str]:
        """Variables, and the attributes as one."""
        there = "attribute_contribution" in self.data
        return [*self.variables, *([ATTRIBUTES] if there else [])]

    @cached_property
    def total(self) -> Array:
        """Contributions of groups (N, H, G), mm d-1: days added up."""
        series = np.nansum(self.contribution, axis=-1, dtype=np.float64)
        if ATTRIBUTES not in self.groups:
            return np.asarray(series)
        of = self.data["attribute_contribution"].transpose("sample", "lead", "attribute").values
        return np.concatenate([series, np.nansum(of, axis=-1)[..., None]], axis=-1)

    @cached_property
    def basin(self) -> NDArray[np.str_]:
        """Basin of each sample, (N,)."""
        return np.asarray(self.data["basin"].values).astype(str)

    @cached_property
    def issue(self) -> NDArray[np.datetime64]:
        """Day of issue of each sample, (N,): the last day that is known."""
        return np.asarray(self.data["issue"].values).astype("datetime64[D]")

    @cached_property
    def basins(self) -> list[str]:
        """Basins in the order of their first sample."""
        return list(dict.fromkeys(map(str, self.basin)))

    def basin_class(self, basin: str) -> str:
        """``snow``, ``rain``, ``groundwater``, or empty where it is not known."""
        return str(self.fact(basin, "class") or "")

    def fact(self, basin: str, name: str) -> Any:
        """What is known of a basin under a name; None where nothing is."""
        return dict(self.about.get("basins", {}).get(basin, {})).get(name)

    def parts(self, most: int = MOST_PANELS) -> list[Part]:
        """Basins one by one where they are few, else classes of basins."""
        if len(self.basins) <= most:
            return [Part(self.basin_title(name), self.basin == name) for name in self.basins]
        kinds = np.array([self.basin_class(name) or "other" for name in self.basin])
        found = []
        for kind in sorted(set(map(str, kinds)), key=lambda one: (one == "other", one)):
            rows = kinds == kind
            count = len(set(self.basin[rows]))
            found.append(Part(f"{kind} ({count} basin{'s' if count > 1 else ''})", rows))
        return found

    def basin_title(self, basin: str) -> str:
        """A basin and its class."""
        kind = self.basin_class(basin)
        return f"{basin} ({kind})" if kind else basin

    def columns(self, names: Sequence[str]) -> list[int]:
        """Places of those variables that there are."""
        return [place for place, name in enumerate(self.variables) if name in names]

    def shown_leads(self, wanted: Sequence[int] = SHOWN_LEADS) -> list[int]:
        """Places of the leads to show: those wanted, else the last one too."""
        places = [int(place) for place in np.flatnonzero(np.isin(self.leads, wanted))]
        last = len(self.leads) - 1
        if len(places) < len(wanted) and last not in places:
            places.append(last)
        return places

    def importance(self, rows: Rows) -> Array:
        """Mean over samples of the absolute contribution of each group, (H, G), mm d-1.

        Days are added up first: rain and the lack of it may cancel, as they do in the forecast.
        """
        return np.asarray(np.abs(self.total[rows]).mean(axis=0))

    def shares(self, rows: Rows) -> Array:
        """Importance of groups, (H, G), as shares of their sum; NaN where nothing counts."""
        found = self.importance(rows)
        whole = found.sum(axis=-1, keepdims=True)
        return np.asarray(found / np.where(whole > 0, whole, np.nan))

    def profile(self, rows: Rows) -> Array:
        """Mean over samples of the absolute contribution of each day, (H, V, T), mm d-1.

        NaN where there is no such input.
        """
        return nanmean(np.abs(self.contribution[rows]))


def nanmean(values: Array) -> Array:
    """Mean over the first dimension of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0, dtype=np.float64)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
