"""Checks of a request against the artifacts that it names, before a job is made of it.

What a job would find out minutes later is said at once. Only small JSON files are read here; the
numbers in users' tables are checked by the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from catena.calibrator.model_runs import SUMMARY, check_names
from catena.calibrator.posterior_fit import MOST_BANK_NUMBERS
from catena.calibrator.queries import (
    CheckCalibrationQuery,
    EnsembleFiles,
    ImportEnsembleQuery,
    RunMcmcQuery,
    SampleSitesQuery,
    TrainPosteriorQuery,
    WriteReportQuery,
)
from catena.calibrator.storage import About, read_about
from catena.calibrator.vocabulary import Observation
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.query import Query


def check_against_artifacts(query: Query, store: ArtifactStore) -> None:
    """Raise what is wrong with `query`, given what its references hold.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = list(_violations(query, opened))
    if found:
        raise InvalidRequest("the request does not fit the artifacts it names", violations=found)


def _violations(query: Query, opened: dict[str, Artifact]) -> Iterable[FieldViolation]:
    if isinstance(query, ImportEnsembleQuery):
        return _import(query, opened)
    if isinstance(query, SampleSitesQuery):
        methods = opened["posterior"].read_json("posterior.json")["methods"]
        return [
            *_file("observations_file", query.observations_file, opened["observations"]),
            *method_fits(query.method, methods),
        ]
    if isinstance(query, TrainPosteriorQuery):
        found = _bank_fits(query, read_about(opened["surrogate"]))
        if query.ensemble is not None:
            found += _same_ensemble(opened["surrogate"], opened["ensemble"])
        return found
    if isinstance(query, RunMcmcQuery):
        return observation_fits(query.observation, read_about(opened["surrogate"]))
    if isinstance(query, (CheckCalibrationQuery, WriteReportQuery)):
        about = read_about(opened["posterior"])
        found = list(_same_names(about, opened["ensemble"]))
        if query.observation is not None:
            found += observation_fits(query.observation, about)
        if isinstance(query, CheckCalibrationQuery):
            if query.observation is not None:
                found += mask_fits(query.method, query.observation, "observation")
            methods = opened["posterior"].read_json("posterior.json")["methods"]
            found += method_fits(query.method, methods)
        if isinstance(query, WriteReportQuery):
            found += _same_posterior(opened)
            if query.withheld is not None:
                found += observation_fits(query.withheld, about, "withheld")
            if "predictive" in opened:
                found += _runs_fit(about, opened["ensemble"], opened["predictive"])
        return found
    return ()


def _import(query: ImportEnsembleQuery, opened: dict[str, Artifact]) -> Iterable[FieldViolation]:
    if query.files is not None:
        return _files(query.files, opened["files.files"])
    if query.runs is not None:
        summary = opened["runs.runs"].read_json(SUMMARY)
        names = [variable.name for variable in query.runs.variables]
        return check_names(summary, names, query.runs.cells)
    return ()


def observation_fits(
    observation: Observation, about: About, field: str = "observation"
) -> list[FieldViolation]:
    """One value per output of the ensemble."""
    names = about.outputs.names
    if len(observation.values) == len(names):
        return []
    return [
        FieldViolation(
            f"{field}.values",
            f"got {len(observation.values)} values, wanted {len(names)}, one per output: "
            f"{', '.join(names[:12])}{', ...' if len(names) > 12 else ''}; mask what was not "
            "observed with `observed`",
        )
    ]


def method_fits(method: str, methods: Sequence[str]) -> list[FieldViolation]:
    """A posterior can sample only in the ways that it was prepared for."""
    if method in methods:
        return []
    return [
        FieldViolation(
            "method",
            f"got {method!r}, but this posterior was prepared for {', '.join(methods)}; "
            "train it with that method",
        )
    ]


def _bank_fits(query: TrainPosteriorQuery, about: About) -> list[FieldViolation]:
    most = MOST_BANK_NUMBERS // len(about.outputs.names)
    if query.bank_size is None or query.bank_size <= most:
        return []
    return [
        FieldViolation(
            "bank_size",
            f"got {query.bank_size}; with {len(about.outputs.names)} outputs at most {most}, "
            "or the bank does not fit into memory",
        )
    ]


def mask_fits(method: str, observation: Observation, field: str) -> list[FieldViolation]:
    """DBUQ as published takes whole observations only."""
    if method != "faithful" or not observation.observed:
        return []
    return [
        FieldViolation(
            f"{field}.observed",
            "masks outputs, which method faithful cannot leave out; use another method",
        )
    ]


def _files(files: EnsembleFiles, artifact: Artifact) -> Iterator[FieldViolation]:
    for field in ("parameters_file", "outputs_file"):
        yield from _file(f"files.{field}", getattr(files, field), artifact)


def _file(field: str, name: str, artifact: Artifact) -> Iterator[FieldViolation]:
    if name not in artifact.names:
        there = ", ".join(artifact.names[:8]) + (", ..." if len(artifact.names) > 8 else "")
        yield FieldViolation(field, f"got {name!r}, but the artifact holds: {there}")


def _same_ensemble(surrogate: Artifact, ensemble: Artifact) -> Iterator[FieldViolation]:
    trained_on = [item.digest for item in surrogate.manifest.lineage.inputs]
    if trained_on and ensemble.manifest.digest not in trained_on:
        yield FieldViolation(
            "ensemble",
            "is not the one that the surrogate was trained on; give the same ensemble to both",
        )


def _same_names(about: About, ensemble: Artifact) -> Iterator[FieldViolation]:
    other = ensemble.read_json("ensemble.json")
    ours = [*about.prior.names, *about.outputs.names]
    theirs = [*other["prior"]["names"], *other["outputs"]["names"]]
    if ours != theirs:
        different = [name for name in theirs if name not in ours][:5]
        yield FieldViolation(
            "ensemble",
            f"its columns are not those of the posterior (it has {', '.join(different) or 'fewer'}"
            "); give the ensemble that the surrogate was trained on",
        )


def _same_posterior(opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    """A report speaks of one calibration: its parts must belong together."""
    inputs = {
        field: {item.digest for item in artifact.manifest.lineage.inputs}
        for field, artifact in opened.items()
    }
    surrogate = opened["surrogate"].manifest.digest
    if surrogate not in inputs["posterior"]:
        yield FieldViolation("surrogate", "is not the one that the posterior was made from")
    if "check" in opened and opened["posterior"].manifest.digest not in inputs["check"]:
        yield FieldViolation("check", "is the check of another posterior; run CheckCalibration")
    if "chains" in opened and surrogate not in inputs["chains"]:
        yield FieldViolation("chains", "were run on another surrogate; run RunMcmc on this one")


def _runs_fit(about: About, ensemble: Artifact, runs: Artifact) -> Iterator[FieldViolation]:
    """Runs of the posterior have its parameters and the ensemble's outputs, of one place."""
    steps = ensemble.read_json("ensemble.json").get("steps", ())
    if not steps:
        yield FieldViolation(
            "predictive",
            "is given, but the ensemble was not imported from runs of ensemble-runner, so its "
            "outputs have no times; leave it out",
        )
        return
    if len({step["cell"] for step in steps}) > 1:
        yield FieldViolation("predictive", "is given, but the ensemble is of several cells")
    summary = runs.read_json(SUMMARY)
    ours, theirs = set(about.prior.names), set(summary["parameters"]["names"])
    if ours != theirs:
        different = ", ".join(sorted(ours ^ theirs)[:5])
        yield FieldViolation(
            "predictive", f"its runs vary other parameters than the posterior: {different}"
        )
    known = {one["name"] for one in summary["outputs"]}
    missing = sorted({step["variable"] for step in steps} - known)
    if missing:
        yield FieldViolation("predictive", f"its runs have no {', '.join(missing[:5])}")
