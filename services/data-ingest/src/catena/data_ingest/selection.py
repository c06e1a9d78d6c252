"""Which models are good enough: compare them with a reference on a common grid, and judge.

The rule is in :mod:`catena.data_ingest.verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.data_ingest.candidates import Candidate, Field, common_field, prepare
from catena.data_ingest.grids import Grid
from catena.data_ingest.metrics import SEASONAL, compute_metrics, region_weights
from catena.data_ingest.regrid import regrid, target_grid
from catena.data_ingest.verdict import THRESHOLD, Compared, Selection, judge
from catena.shared.checks.findings import Finding, Inspection
from catena.shared.errors import InvalidData, InvalidRequest

MIN_YEARS = 20
LAND = "sftlf"

Opened = tuple[Mapping[str, Any], xr.Dataset]
"""A row of ``ingest.json`` (key, facets, findings) and its dataset."""


def select_models(
    candidates: Sequence[Candidate],
    reference: Candidate,
    *,
    variables: Sequence[str] = (),
    threshold: float = THRESHOLD,
    statistic: str = "rms_xyt",
    regions: Sequence[str] = ("global", "NHEX", "SHEX", "TROPICS"),
    land: xr.Dataset | None = None,
    grid: Grid | str = "2.5deg",
    method: str = "conservative",
    period: tuple[int, int] | None = None,
    min_years: int = MIN_YEARS,
    progress: Callable[[float, str], None] = lambda share, message: None,
) -> Selection:
    """Compare models with a reference and keep the good ones.

    Parameters
    ----------
    candidates : sequence of Candidate
        One per model.
    reference : Candidate
        Its ``model`` names it in the results.
    variables : sequence of str
        ``tas``, or ``ta-850`` for a level; by default all that the reference has along latitude
        and longitude (without levels).
    threshold : float
        Models whose mean E' is below it are kept.
    statistic : str
        The error E, a metric of :mod:`catena.data_ingest.metrics`.
    regions : sequence of str
        See :func:`~catena.data_ingest.metrics.region_weights`; E' is of ``global``.
    land : Dataset, optional
        With ``sftlf`` in percent, on any grid, for the regions land and ocean.
    grid : Grid or str
        The common grid. Global; 2.5 degrees, as PMP's default.
    method : str
        Of the regridding.
    period : (first, last) years, optional
        Of series.
    min_years : int
        Of series; a shorter one is a structural defect.

    Raises
    ------
    InvalidRequest
        When there is no model or variable, or a name is not known.
    InvalidData
        When the reference itself cannot be used.
    """
    goal = target_grid(grid)
    if not goal.is_global:
        raise InvalidRequest(f"grid {goal}: wanted a global one, to compare models on")
    if statistic not in ("rms_xyt", "rms_xyt_pooled", "rms_y", "rms_devzm", *SEASONAL):
        raise InvalidRequest(f"statistic {statistic!r}: wanted an error, e.g. rms_xyt or rms_xy")
    names = [candidate.model for candidate in candidates]
    if not names or len(set(names)) != len(names):
        raise InvalidRequest(f"found models {', '.join(names) or 'none'}, wanted each once")
    variables = tuple(variables) or fields_of(reference)
    regions = tuple(dict.fromkeys(("global", *regions)))
    fraction = None if land is None else _land_fraction(land, goal)
    weights = {
        region: region_weights(region, goal.lat_edges, goal.lon_edges, fraction)
        for region in regions
    }
    wanted = {
        variable: common_field(reference, variable, goal, period=period, method=method)
        for variable in variables
    }
    done = Compared()
    for number, candidate in enumerate(candidates):
        progress(number / len(candidates), candidate.model)
        ready = prepare(
            candidate,
            wanted,
            goal,
            weights=weights["global"],
            period=period,
            min_years=min_years,
            method=method,
        )
        done.fails[candidate.model] = ready.fails
        if not ready.fails and (other := _copy_of(ready.fields, wanted, done.fields)):
            ready.fails.append(f"holds the same values as {other or reference.model}")
        if ready.fails:
            continue
        done.fields[candidate.model] = ready.fields
        done.metrics[candidate.model] = {
            variable: {
                region: compute_metrics(one.values, wanted[variable].values, weights[region])
                for region in regions
            }
            for variable, one in ready.fields.items()
        }
    return judge(done, candidates, reference.model, wanted, threshold, statistic, goal)


def fields_of(reference: Candidate) -> tuple[str, ...]:
    """Names of the variables along time (or month), latitude and longitude."""
    found = [
        str(name)
        for data in reference.datasets
        for name, array in data.data_vars.items()
        if len(array.dims) == 3 and {"time", "month"} & set(array.dims) and "plev" not in array.dims
    ]
    if not found:
        raise InvalidRequest(
            f"the reference {reference.model} has no variable along time, latitude and longitude; "
            "name the variables, with their level, e.g. ta-850"
        )
    return tuple(dict.fromkeys(found))


def _land_fraction(land: xr.Dataset, grid: Grid) -> NDArray[np.float64]:
    if LAND not in land:
        raise InvalidData(f"found variables {', '.join(map(str, land.data_vars))}, wanted sftlf")
    return np.asarray(regrid(land[[LAND]], grid)[LAND].values, np.float64)


def _copy_of(
    fields: Mapping[str, Field],
    reference: Mapping[str, Field],
    others: Mapping[str, Mapping[str, Field]],
) -> str | None:
    """Name of the model that has the same values; "the reference" if it is that."""
    for name, known in {"the reference": reference, **others}.items():
        if all(
            np.allclose(one.values, known[variable].values, rtol=1e-7, atol=0, equal_nan=True)
            for variable, one in fields.items()
        ):
            return name
    return None


def select(
    models: Sequence[Opened],
    reference: Sequence[Opened],
    *,
    variables: Sequence[str] = (),
    threshold: float | None = None,
    years: tuple[int, int] = (0, 0),
    min_years: int = MIN_YEARS,
    progress: Callable[[float, str], None] = lambda share, message: None,
) -> Selection:
    """Select among the models of ingested datasets.

    Parameters
    ----------
    models : sequence of (row, dataset)
        Grouped by the facet ``source_id``; of several realisations of a model the one with most
        variables is taken, then the first; of several experiments ``historical``.
    reference : sequence of (row, dataset)
        All are one reference; a land fraction ``sftlf`` among them adds the regions land and ocean.
    variables, threshold, min_years
        See :func:`select_models`; without variables, those that reference and some model have.
    years : (first, last)
        0 where open.

    Raises
    ------
    InvalidRequest, InvalidData
        See :func:`select_models`.
    """
    known = candidate_of(reference)
    candidates = candidates_of(models)
    if not variables:
        had = {str(name) for one in candidates for data in one.datasets for name in data.data_vars}
        variables = [name for name in fields_of(known) if name in had]
        if not variables:
            raise InvalidRequest(
                f"the reference {known.model} has {', '.join(fields_of(known))}, and no model has "
                "any of them; ingest the same variables of both"
            )
    land = next((data for data in known.datasets if LAND in data.data_vars), None)
    return select_models(
        candidates,
        known,
        variables=variables,
        threshold=THRESHOLD if threshold is None else threshold,
        regions=("global", "NHEX", "SHEX", "TROPICS") + (() if land is None else ("land", "ocean")),
        land=land,
        period=(years[0], years[1] or 9999) if any(years) else None,
        min_years=min_years,
        progress=progress,
    )


def candidates_of(opened: Sequence[Opened]) -> list[Candidate]:
    """One candidate per ``source_id``; rows without one are models by their key."""
    groups: dict[str, dict[tuple[bool, str], list[Opened]]] = {}
    for row, data in opened:
        facets = row["facets"]
        run = (facets.get("experiment_id", "historical") != "historical", _realisation(facets))
        model = facets.get("source_id") or row["key"]
        groups.setdefault(model, {}).setdefault(run, []).append((row, data))

    def rank(item: tuple[tuple[bool, str], list[Opened]]) -> tuple[bool, int, int, str]:
        (other_experiment, realisation), members = item
        variables = {name for _, data in members for name in data.data_vars}
        return other_experiment, -len(variables), len(realisation), realisation

    return [candidate_of(min(runs.items(), key=rank)[1], model) for model, runs in groups.items()]


def candidate_of(opened: Sequence[Opened], model: str = "") -> Candidate:
    """Rows that belong together, as one.

    Raises
    ------
    InvalidRequest
        When there is none.
    """
    if not opened:
        raise InvalidRequest("found no dataset, wanted some; ingest models and a reference first")
    rows = [row for row, _ in opened]
    findings = [Finding.from_dict(plain) for row in rows for plain in row.get("findings", ())]
    first = rows[0]["facets"]
    return Candidate(
        model or first.get("source_id") or rows[0]["key"],
        _realisation(first),
        tuple(data for _, data in opened),
        Inspection(tuple(findings)),
    )


def _realisation(facets: Mapping[str, str]) -> str:
    return facets.get("variant_label") or facets.get("member_id") or "unspecified"
