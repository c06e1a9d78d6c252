"""The ensemble runner's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, runs the model and commits. Raise a job's `version` when its science changes:
results of the old version are then not reused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.ensemble_runner.ensemble import run_members
from catena.ensemble_runner.fanout import Work
from catena.ensemble_runner.history import output_dataset, run_axes, with_members
from catena.ensemble_runner.inputs import read_members, read_setup
from catena.ensemble_runner.models import Model, Setup, open_model
from catena.ensemble_runner.queries import RunCaseQuery, RunEnsembleQuery
from catena.ensemble_runner.spin_jobs import compare_spin_ups as compare_spin_ups
from catena.ensemble_runner.spin_jobs import spin_up as spin_up
from catena.ensemble_runner.storage import RUNS, SERVICE, BlockStore, block_axes, joined
from catena.ensemble_runner.tower_jobs import draw_fluxes as draw_fluxes
from catena.ensemble_runner.tower_jobs import summarise_fluxes as summarise_fluxes
from catena.ensemble_runner.tower_jobs import write_submission as write_submission
from catena.shared.artifacts.parts import write_parts
from catena.shared.errors import FailedPrecondition, InvalidData
from catena.shared.jobs import JobContext, job


@job(service=SERVICE, method="RunCase", query=RunCaseQuery)
def run_case(query: RunCaseQuery, ctx: JobContext) -> ArtifactRef:
    """One parameter set to history files and a restart file."""
    model = open_model(query.model)
    ctx.progress(0.0, "reading the forcing")
    setup = _read(query, model, ctx)
    ctx.progress(0.1, "running")
    with ctx.writer.local_file("restart.nc") as path:
        run = model.run_case(setup, query.frequencies, path)
    title = query.title or f"{model.name} at {_where(setup)}"
    attrs = {"title": title, "source": f"{model.name} {model.version}"}
    for frequency, values in run.history.items():
        history = output_dataset(
            setup,
            model.outputs,
            values,
            frequency,
            dims=("time", "cell"),
            attrs=attrs,
            axes=run.axes.get(frequency),
        )
        write_parts(ctx.writer, f"history_{frequency}.zarr", history)
    ctx.writer.write_json("case.json", _about(model, setup, query) | {"notes": dict(run.notes)})
    return ctx.commit(kind="case", units=_units(model, setup), title=title)


@job(service=SERVICE, method="RunEnsemble", query=RunEnsembleQuery, version=2, cpus=0)
def run_ensemble(query: RunEnsembleQuery, ctx: JobContext) -> ArtifactRef:
    """Members to one dataset of their outputs; those that fail are NaN, and listed."""
    model = open_model(query.model)
    ctx.progress(0.0, "reading the forcing")
    setup = _read(query, model, ctx)
    members = read_members(query, model, ctx.open)
    work = Work(query.model, setup, members.columns, query.frequency)
    finished = run_members(
        work,
        members,
        BlockStore(ctx.store),
        progress=lambda fraction, message: ctx.progress(0.95 * fraction, message),
        saved=lambda done: ctx.checkpoint.save({}, {"members": done}),
    )
    asked, failures = len(members.rows), finished.failures
    if len(failures) == asked:
        first = failures[0]
        # Not every model says the day, and some members cannot even begin.
        when = f" on {first.day}" if first.day else ""
        raise InvalidData(
            f"all {asked} members failed; member {first.member}{when} in {first.stage}: "
            f"{first.cause}"
        )
    ctx.progress(0.95, "writing")
    axes = block_axes(finished.blocks)
    if axes is None:
        axes = run_axes(setup, query.frequency)
    shape = (axes.sizes["time"], axes.sizes["cell"])
    n_ok = asked - len(failures)
    title = query.title or f"{n_ok} of {asked} members of {model.name} at {_where(setup)}"
    runs = output_dataset(
        setup,
        model.outputs,
        {name: joined(finished.blocks, name, shape) for name in setup.outputs},
        query.frequency,
        dims=("member", "time", "cell"),
        attrs={"title": title, "source": f"{model.name} {model.version}"},
        axes=axes,
    )
    write_parts(ctx.writer, RUNS, with_members(runs, members, failures))
    counts = {"n_asked": asked, "n_ok": n_ok, "failures": [asdict(each) for each in failures]}
    parameters = {
        "names": [column.label for column in members.columns],
        "units": list(members.units),
        "long_names": list(members.long_names),
        "low": members.low.tolist(),
        "high": members.high.tolist(),
    }
    ctx.writer.write_json(
        "runs.json", _about(model, setup, query) | counts | {"parameters": parameters}
    )
    return ctx.commit(
        kind="runs",
        units=dict(zip(parameters["names"], members.units, strict=True)) | _units(model, setup),
        title=title,
        costs={"members_found": float(finished.found), "members_run": float(finished.run)},
    )


def _read(query: RunCaseQuery | RunEnsembleQuery, model: Model, ctx: JobContext) -> Setup:
    if query.model_version not in ("", model.version):
        raise FailedPrecondition(
            f"the worker has version {model.version} of {model.name}, the request wants "
            f"{query.model_version}; give all machines the same case, and ask anew"
        )
    return read_setup(query, model, ctx.open)


def _about(model: Model, setup: Setup, query: RunCaseQuery | RunEnsembleQuery) -> dict[str, Any]:
    """What was run, for reports: the model, its weather and what was mended in it, the stages."""
    forcing = setup.forcing
    weather = None
    if forcing is not None:
        weather = {
            "start": str(forcing.start),
            "end": str(forcing.end),
            "calendar": forcing.calendar,
            "lat": np.asarray(forcing.lat).tolist(),
            "lon": np.asarray(forcing.lon).tolist(),
            "notes": [note.to_dict() for note in forcing.notes],
        }
    return {
        "model": model.name,
        "model_version": model.version,
        "forcing": weather,
        "stages": [stage.model_dump(mode="json") for stage in query.setup.stages],
        "outputs": [asdict(one) for one in model.outputs if one.name in setup.outputs],
    }


def _units(model: Model, setup: Setup) -> dict[str, str]:
    return {one.name: one.units for one in model.outputs if one.name in setup.outputs}


def _where(setup: Setup) -> str:
    forcing = setup.forcing
    if forcing is None:
        return "the place of its case"
    if forcing.cells == 1:
        return f"{forcing.lat[0]:.2f}, {forcing.lon[0]:.2f}"
    return f"{forcing.cells} cells"
