"""Checks of requests about flux sites against the artifacts that they name, before any job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catena.ensemble_runner.daily_series import SUBMITTED_OUTPUTS
from catena.ensemble_runner.tower_inputs import SUMMARY
from catena.ensemble_runner.tower_queries import (
    DrawFluxesQuery,
    SummariseFluxesQuery,
    TowerFluxes,
    WriteSubmissionQuery,
)
from catena.ensemble_runner.tower_statistics import MODEL_FLUXES
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidRequest

FLUXES = tuple(MODEL_FLUXES.values())


def check_towers(
    query: SummariseFluxesQuery | DrawFluxesQuery | WriteSubmissionQuery, store: ArtifactStore
) -> None:
    """Raise what is wrong with a request about flux sites.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found: list[FieldViolation] = []
    if isinstance(query, DrawFluxesQuery):
        found += _outputs("runs", opened["runs"], "runs.json", FLUXES)
    elif isinstance(query, SummariseFluxesQuery):
        for i, one in enumerate(query.sites):
            where = f"sites[{i}]"
            found += _tower(f"{where}.tower", one.tower, opened)
            for j in range(len(one.runs)):
                runs = f"{where}.runs[{j}]"
                found += _outputs(runs, opened[runs], "runs.json", FLUXES)
    else:
        found += _held_back(query.held_back_years, opened["statistics"])
        for i, site in enumerate(query.sites):
            where = f"sites[{i}]"
            found += _tower(f"{where}.tower", site.tower, opened)
            for name, file in (("prior", "case.json"), ("posterior", "runs.json")):
                artifact = opened[f"{where}.{name}"]
                found += _outputs(f"{where}.{name}", artifact, file, SUBMITTED_OUTPUTS)
            prior = opened[f"{where}.prior"]
            if not any(name.startswith("history_daily.zarr/") for name in prior.names):
                text = "has no daily history; run the case with the frequency daily"
                found.append(FieldViolation(f"{where}.prior", text))
    if found:
        raise InvalidRequest("the request does not fit the artifacts it names", violations=found)


def _held_back(years: int, statistics: Artifact) -> Iterator[FieldViolation]:
    """Years count as held back only if the calibration has not seen them."""
    there = statistics.read_json(SUMMARY)["held_back_years"]
    if there != years:
        yield FieldViolation(
            "held_back_years",
            f"got {years}, but {there} were held back in the statistics; give the same number",
        )


def _tower(
    field: str, tower: TowerFluxes | None, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    if tower is None:
        return
    names = opened[f"{field}.files"].names
    if tower.file not in names:
        there = ", ".join(sorted(names)[:8]) or "nothing"
        yield FieldViolation(
            f"{field}.file", f"got {tower.file!r}, but the artifact holds: {there}"
        )


def _outputs(
    field: str, artifact: Artifact, file: str, wanted: Sequence[str]
) -> Iterator[FieldViolation]:
    there = {one["name"] for one in artifact.read_json(file)["outputs"]}
    missing = [name for name in wanted if name not in there]
    if missing:
        yield FieldViolation(field, f"has no {', '.join(missing)}; run it with these outputs")
