"""The rule of the selection: variability, and the relative error.

The relative error of a model is its error measured by the median of all models,
E' = (E - median) / median (Gleckler et al. 2008, eq. 2): 0 is a typical model, -0.3 one with an
error smaller by 30 %. A model is kept when it has no structural defect, its variability is within
half and twice the reference's in every variable, and its mean E' is below the threshold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.data_ingest.candidates import Candidate, Field
from catena.data_ingest.cmec import cmec_document
from catena.data_ingest.grids import Grid
from catena.data_ingest.metrics import Metrics

THRESHOLD = 0.5
"""Mean relative error from which on a model is left out."""
RATIOS = (0.5, 2.0)
"""Standard deviation of a model over that of the reference (`std_xyt`)."""
FEW = 3
"""With fewer models than these the median says little, and the result says so."""
QUARTERS = ("djf", "mam", "jja", "son")


@dataclass(frozen=True)
class Row:
    """What became of one model.

    Parameters
    ----------
    model, realisation : str
    mean_error : float, optional
        Mean of E' over the variables; None where the model could not be compared.
    errors, ratios : dict
        Variable -> E', and standard deviation over that of the reference.
    fails : tuple of str
        Structural defects, and variability out of bounds.
    kept : bool
    why : str
    """

    model: str
    realisation: str
    mean_error: float | None
    errors: dict[str, float]
    ratios: dict[str, float]
    fails: tuple[str, ...]
    kept: bool
    why: str


@dataclass(frozen=True, eq=False)
class Selection:
    """Models, kept or not, and the metrics that say so.

    Parameters
    ----------
    table : tuple of Row
        By mean error; models that could not be compared come last.
    document : dict
        All metrics, in the layout of :mod:`catena.data_ingest.cmec`, with key ``SELECTION``.
    errors : DataArray (model, variable)
        E' of `statistic` over the year, global.
    seasonal : DataArray (model, variable, season)
        E' of ``rms_xy`` of each season, global.
    threshold : float
    reference : str
    """

    table: tuple[Row, ...]
    document: dict[str, Any]
    errors: xr.DataArray
    seasonal: xr.DataArray
    threshold: float
    reference: str

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the models that are kept."""
        return tuple(row.model for row in self.table if row.kept)

    def to_csv(self) -> str:
        """The table, with a column of errors per variable."""
        variables = [str(name) for name in self.errors["variable"].values]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["model", "realisation", "kept", "mean_error", *variables, "fails", "why"])
        for row in self.table:
            errors = [_short(row.errors.get(name)) for name in variables]
            fails = "; ".join(row.fails)
            writer.writerow(
                [row.model, row.realisation, "yes" if row.kept else "no", _short(row.mean_error)]
                + [*errors, fails, row.why]
            )
        return text.getvalue()


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def relative_errors(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """E' = (E - median) / median along the first axis, the models; NaN takes no part."""
    out = np.full(errors.shape, np.nan)
    there = np.isfinite(errors).any(axis=0)
    median = np.zeros(errors.shape[1:])
    median[there] = np.nanmedian(errors[:, there], axis=0)
    np.divide(errors - median, median, out=out, where=there & (median > 0))
    return out


@dataclass
class Compared:
    """The models that could be compared: fields, metrics by region, and what they fail."""

    fields: dict[str, dict[str, Field]] = field(default_factory=dict)
    metrics: dict[str, dict[str, dict[str, Metrics]]] = field(default_factory=dict)
    fails: dict[str, list[str]] = field(default_factory=dict)

    def value(self, model: str, variable: str, statistic: str, season: str) -> float:
        """A metric of the whole globe."""
        return self.metrics[model][variable]["global"][statistic][season]


def judge(
    done: Compared,
    candidates: Sequence[Candidate],
    reference: str,
    wanted: Mapping[str, Field],
    threshold: float,
    statistic: str,
    grid: Grid,
) -> Selection:
    """Relative errors, the rule, and the document of what was compared.

    Parameters
    ----------
    done : Compared
    candidates : sequence of Candidate
        All, also those that could not be compared.
    reference : str
    wanted : mapping
        Variable -> field of the reference.
    threshold, statistic
        See :func:`~catena.data_ingest.selection.select_models`.
    grid : Grid
        The common one.
    """
    models, variables = list(done.metrics), list(wanted)

    def table(statistic: str, season: str) -> NDArray[np.float64]:
        values = [[done.value(m, v, statistic, season) for v in variables] for m in models]
        return relative_errors(np.array(values, float).reshape(len(models), len(variables)))

    coordinates = {"model": models, "variable": variables}
    errors = xr.DataArray(table(statistic, "ann"), coordinates, ("model", "variable"))
    seasonal = xr.DataArray(
        np.stack([table("rms_xy", season) for season in QUARTERS], axis=-1),
        {**coordinates, "season": list(QUARTERS)},
        ("model", "variable", "season"),
    )
    rows = [_row(candidate, done, errors, variables, threshold) for candidate in candidates]
    rows.sort(key=lambda row: (row.mean_error is None, row.mean_error or 0.0, row.model))
    notes = (
        {"models": f"only {len(models)} could be compared; the median says little"}
        if len(models) < FEW
        else {}
    )
    runs = {candidate.model: candidate.realisation for candidate in candidates}
    document = cmec_document(
        {
            variable: {
                model: {reference: {runs[model]: done.metrics[model][variable]}} for model in models
            }
            for variable in variables
        },
        units={variable: one.units for variable, one in wanted.items()},
        provenance={"common_grid": str(grid), "reference": reference},
    )
    document["NOTES"] = notes
    document["SELECTION"] = {
        "statistic": statistic,
        "threshold": threshold,
        "ratios": list(RATIOS),
        "models": [
            {
                "model": row.model,
                "realisation": row.realisation,
                "kept": row.kept,
                "why": row.why,
                "mean_error": row.mean_error,
                "errors": row.errors,
                "ratios": row.ratios,
                "fails": list(row.fails),
            }
            for row in rows
        ],
    }
    return Selection(tuple(rows), document, errors, seasonal, threshold, reference)


def _row(
    candidate: Candidate,
    done: Compared,
    errors: xr.DataArray,
    variables: Sequence[str],
    threshold: float,
) -> Row:
    model = candidate.model
    fails = list(done.fails[model])
    if model not in done.metrics:
        why = f"not compared: {fails[0]}"
        return Row(model, candidate.realisation, None, {}, {}, tuple(fails), False, why)
    own = {v: float(errors.sel(model=model, variable=v)) for v in variables}
    ratios = {}
    for variable in variables:
        spread = done.value(model, variable, "std_xyt", "ann")
        observed = done.value(model, variable, "std-obs_xyt", "ann")
        ratios[variable] = spread / observed if observed > 0 else float("inf")
        if not RATIOS[0] <= ratios[variable] <= RATIOS[1]:
            fails.append(
                f"variable {variable}: found a standard deviation {ratios[variable]:.2f} times "
                f"that of the reference, wanted {RATIOS[0]:g} to {RATIOS[1]:g}"
            )
    # A median of zero leaves no relative error; such a variable says nothing.
    defined = [value for value in own.values() if np.isfinite(value)]
    average = float(np.mean(defined)) if defined else 0.0
    own = {variable: value for variable, value in own.items() if np.isfinite(value)}
    good = average < threshold
    sign = "<" if good else ">="
    why = fails[0] if fails else f"mean relative error {average:.2f} {sign} {threshold:g}"
    kept = good and not fails
    return Row(model, candidate.realisation, average, own, ratios, tuple(fails), kept, why)
