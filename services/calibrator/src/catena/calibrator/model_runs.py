"""Runs of ensemble-runner: an artifact of kind ``runs`` to parameters and outputs.

Its dataset ``runs.zarr`` has the outputs (member, time, cell) with units and long names, the bounds
of its time axis, and beside them ``parameters`` (member, parameter) with their ranges, units and
long names, and ``ok`` (member).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.ensemble_checks import FIELD_OUTPUTS
from catena.calibrator.prior import Prior
from catena.calibrator.steps import Aggregation, Bounds, Step, averages, steps_of
from catena.calibrator.vocabulary import MAX_OUTPUTS
from catena.shared.contracts import nearest
from catena.shared.errors import FieldViolation, InvalidData, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactStore

Array = NDArray[np.float64]

RUNS = "runs.zarr"
SUMMARY = "runs.json"


@dataclass(frozen=True, eq=False)
class ModelRuns:
    """Members of an ensemble as a calibration wants them.

    Parameters
    ----------
    prior : Prior
        Names, units and ranges of the d parameters.
    parameters : (n, d) array
        Of all members.
    outputs : (n, k) array
        NaN for members that failed.
    table : OutputTable
    parameter_long_names : tuple of str
    steps : tuple of Step
        What each output is of.
    model : str
        Name and version of the land model.
    generated_weather : bool
        Whether a generator made the weather.
    """

    prior: Prior
    parameters: Array
    outputs: Array
    table: OutputTable
    parameter_long_names: tuple[str, ...]
    steps: tuple[Step, ...]
    model: str
    generated_weather: bool


def read_runs(
    artifact: Artifact,
    store: ArtifactStore,
    variables: Sequence[tuple[str, Aggregation]],
    *,
    cells: Sequence[int] = (),
    start: str = "",
    end: str = "",
) -> ModelRuns:
    """Make parameters and outputs of runs.

    Parameters
    ----------
    artifact : Artifact
        Of kind ``runs``.
    store : ArtifactStore
        Where the runs' forcing lies.
    variables : sequence of (str, aggregation)
        What becomes outputs.
    cells : sequence of int
        Numbers of cells, from 0; empty: all.
    start, end : str
        First and last day, ISO 8601, both included; empty: not restricted.

    Raises
    ------
    InvalidData
        When the runs have no such variable, cell or period; names the field of the request.
    """
    dataset = artifact.open_dataset(RUNS)
    bounds = Bounds.of(dataset["time_bnds"].to_numpy())
    chosen = tuple(cells) or tuple(range(dataset.sizes["cell"]))
    steps: list[Step] = []
    for i, (name, aggregation) in enumerate(variables):
        try:
            found = steps_of(name, bounds, aggregation, start, end)
        except InvalidData as error:
            raise _wrong(f"runs.variables[{i}]", error.message) from None
        steps += [
            Step(step.variable, step.start, step.end, cell, step.month)
            for cell in chosen
            for step in found
        ]
    if len(steps) > MAX_OUTPUTS:
        raise _wrong(
            "runs.variables",
            f"make {len(steps)} outputs, wanted at most {MAX_OUTPUTS}; choose fewer cells, a "
            "shorter period or longer steps",
        )
    return ModelRuns(
        prior=_prior(dataset),
        parameters=dataset["parameters"].to_numpy().astype(np.float64),
        outputs=outputs_at(dataset, steps),
        table=_table(dataset, steps, several=len(chosen) > 1),
        parameter_long_names=long_names_of(dataset),
        steps=tuple(steps),
        model=_model(artifact.read_json(SUMMARY)),
        generated_weather=_generated_weather(artifact, store),
    )


def outputs_at(dataset: xr.Dataset, steps: Sequence[Step]) -> Array:
    """Outputs (n, k) of all members at the given steps; NaN for members that failed.

    Raises
    ------
    InvalidData
        When the runs do not have one of the variables, cells or steps.
    """
    out = np.empty((dataset.sizes["member"], len(steps)))
    bounds = Bounds.of(dataset["time_bnds"].to_numpy())
    for name in dict.fromkeys(step.variable for step in steps):
        places = [i for i, step in enumerate(steps) if step.variable == name]
        if name not in dataset:
            raise InvalidData(f"the runs have no output {name}; run them with it")
        wanted = [steps[i] for i in places]
        cells = list(dict.fromkeys(step.cell for step in wanted))
        if max(cells) >= dataset.sizes["cell"]:
            raise InvalidData(
                f"the runs have {dataset.sizes['cell']} cells; there is no cell {max(cells)}"
            )
        # In time, every cell has the same steps.
        times = list(dict.fromkeys((step.start, step.end, step.month) for step in wanted))
        series = dataset[name].isel(cell=cells).transpose("member", "cell", "time").to_numpy()
        cut = [Step(name, first, after, 0, month) for first, after, month in times]
        means = averages(cut, bounds, series.astype(np.float64))
        row = {cell: i for i, cell in enumerate(cells)}
        column = {time: i for i, time in enumerate(times)}
        out[:, places] = means[
            :,
            [row[step.cell] for step in wanted],
            [column[step.start, step.end, step.month] for step in wanted],
        ]
    ok = dataset["ok"].to_numpy().astype(bool)
    missing = np.flatnonzero(np.isnan(out[ok]).all(axis=0))
    if missing.size:
        step = steps[int(missing[0])]
        raise InvalidData(
            f"the runs have no {step.variable} of {step.start} to {step.end}; they go from "
            f"{bounds.start[0]} to {bounds.end[-1]}"
        )
    out[~ok] = np.nan
    return out


def without_dead(runs: ModelRuns) -> tuple[ModelRuns, list[str]]:
    """Runs without the outputs that are the same in all good members, and the names of those.

    A deciduous forest's photosynthesis in January is zero for any parameters. With more than
    :data:`FIELD_OUTPUTS` outputs they are a field, where such cells are normal, and stay.
    """
    good = runs.outputs[np.isfinite(runs.outputs).all(axis=1)]
    if len(runs.steps) > FIELD_OUTPUTS or not len(good):
        return runs, []
    alive = np.ptp(good, axis=0) > 1e-12 * np.abs(good).max(axis=0)
    if alive.all() or not alive.any():
        return runs, []
    names, units, long_names = (
        tuple(np.array(column)[alive].tolist())
        for column in (runs.table.names, runs.table.units, runs.table.long_names)
    )
    kept = replace(
        runs,
        outputs=runs.outputs[:, alive],
        table=OutputTable(names, units, long_names),
        steps=tuple(step for step, keep in zip(runs.steps, alive, strict=True) if keep),
    )
    return kept, [n for n, keep in zip(runs.table.names, alive, strict=True) if not keep]


def check_names(
    summary: dict[str, Any], names: Sequence[str], cells: Sequence[int]
) -> list[FieldViolation]:
    """Variables and cells that runs do not have, given their ``runs.json``."""
    known = [one["name"] for one in summary["outputs"]]
    found = []
    for i, name in enumerate(names):
        if name not in known:
            guess = nearest(name, known)
            hint = f"did you mean {guess}?" if guess else f"they have {', '.join(known[:12])}"
            found.append(
                FieldViolation(
                    f"runs.variables[{i}].name", f"got {name!r}, no output of the runs; {hint}"
                )
            )
    count = len(summary["forcing"]["lat"])
    found += [
        FieldViolation(f"runs.cells[{i}]", f"got {cell}, wanted 0 to {count - 1}")
        for i, cell in enumerate(cells)
        if not 0 <= cell < count
    ]
    return found


def long_names_of(dataset: xr.Dataset) -> tuple[str, ...]:
    """What the parameters are, in words; empty where runs do not say it."""
    if "parameter_long_name" not in dataset.coords:
        return ("",) * dataset.sizes["parameter"]
    return tuple(str(words) for words in dataset["parameter_long_name"].to_numpy())


def _prior(dataset: xr.Dataset) -> Prior:
    return Prior(
        tuple(str(name) for name in dataset["parameter"].to_numpy()),
        dataset["parameter_low"].to_numpy(),
        dataset["parameter_high"].to_numpy(),
        tuple(udunits(str(unit)) for unit in dataset["parameter_units"].to_numpy()),
    )


def _table(dataset: xr.Dataset, steps: Sequence[Step], *, several: bool) -> OutputTable:
    names, units, long_names = [], [], []
    for step in steps:
        attrs = dataset[step.variable].attrs
        label = step.label()
        suffix = f"_c{step.cell}" if several else ""
        names.append(f"{step.variable}_{label}{suffix}")
        units.append(udunits(str(attrs.get("units", ""))))
        where = f", cell {step.cell}" if several else ""
        when = f"mean of month {step.month}" if step.month else label
        long_names.append(f"{attrs.get('long_name') or step.variable}, {when}{where}")
    return OutputTable(tuple(names), tuple(units), tuple(long_names))


def udunits(text: str) -> str:
    """A unit as UDUNITS spells it: ELM's ``gC/m^2/s`` is ``gC m-2 s-1``.

    Other units stay as they are.
    """
    words = text.split("/")
    if len(words) == 1 or any(not re.fullmatch(r"[A-Za-z]+(\^?\d)?", word) for word in words):
        return text
    first, *below = [word.replace("^", "") for word in words]
    powers = [word if word[-1].isdigit() else f"{word}1" for word in below]
    return " ".join([first, *(f"{word[:-1]}-{word[-1]}" for word in powers)])


def _model(summary: dict[str, Any]) -> str:
    return f"{summary['model']} {summary['model_version']}".strip()


def _generated_weather(artifact: Artifact, store: ArtifactStore) -> bool:
    """Whether one of the datasets that the runs were made from is a generator's."""
    for item in artifact.manifest.lineage.inputs:
        if item.kind != "dataset":
            continue
        try:
            if store.open(item).read_json("ingest.json")["generated"]:
                return True
        except NotFound:
            continue  # another store's: what it was is not known here
    return False


def _wrong(name: str, text: str) -> InvalidData:
    return InvalidData("these runs cannot be used", violations=[FieldViolation(name, text)])
