"""What a report about a submission tells of the calibration: parameters, chains, costs, weather."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from catena.ensemble_runner.models import Column, open_model
from catena.ensemble_runner.submission_result import Chains, Parameter
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData, NotFound
from catena.shared.query import RefQuery

STEPS = {
    "IngestDataset": "Reading of archives",
    "RunEnsemble": "Runs of ensembles and of the posterior",
    "RunCase": "Runs with default parameters",
    "DrawFluxes": "Synthetic towers",
    "SummariseFluxes": "Statistics",
    "ImportEnsemble": "Ensembles from statistics",
    "TrainSurrogate": "Surrogates",
    "RunMcmc": "Markov chains",
}
"""Jobs of a calibration, as people call them."""


def read_chains(draws: Artifact) -> Chains | None:
    """Diagnostics of the chains that draws are of; None where they are of no chains."""
    if draws.kind != "chains":
        return None
    about = draws.read_json("chains.json")["chains"]
    arrays = draws.read_arrays("chains.safetensors")
    rhat = np.nan_to_num(arrays["rhat"], nan=np.inf)
    worst = int(np.argmax(rhat))
    sizes = draws.open_dataset("chains.zarr").sizes
    return Chains(
        float(rhat[worst]),
        str(about["parameters"][worst]),
        float(np.nan_to_num(np.fmin(arrays["ess_bulk"], arrays["ess_tail"])).min()),
        sizes["chain"] * sizes["draw"],
        tuple(about["remarks"]),
    )


def check_members(posterior: xr.Dataset, draws: xr.Dataset) -> None:
    """Members of a posterior's runs are draws of that posterior, and at least two ended well.

    Raises
    ------
    InvalidData
        When they are not.
    """
    ok = int((posterior["ok"] == 1).sum())
    if ok < 2:
        raise InvalidData(
            f"posterior: {ok} of {posterior.sizes['member']} runs ended well; wanted at least 2 "
            "for an uncertainty: see why they failed"
        )
    names = [str(name) for name in posterior["parameter"].to_numpy()]
    drawn = [str(name) for name in draws["parameter"].to_numpy()]
    if sorted(names) != sorted(drawn):
        raise InvalidData(
            f"posterior: found runs of the parameters {', '.join(names)}, wanted those of the "
            f"draws: {', '.join(drawn)}"
        )
    rows = draws["parameters"].to_numpy().reshape(-1, len(drawn))
    known = {row.tobytes() for row in rows[:, [drawn.index(name) for name in names]]}
    members = np.ascontiguousarray(posterior["parameters"].to_numpy())
    strange = [i for i, row in enumerate(members) if row.tobytes() not in known]
    if strange:
        raise InvalidData(
            f"posterior: found {len(strange)} members that are none of the draws, first member "
            f"{strange[0]}; run the model with these draws"
        )


def read_parameters(model: str, statistics: xr.Dataset, draws: xr.Dataset) -> list[Parameter]:
    """Each parameter before and after."""
    known = {parameter.name: parameter for parameter in open_model(model).parameters}
    pfts = list(open_model(model).pfts)
    rows = draws["parameters"].to_numpy().reshape(-1, draws.sizes["parameter"])
    names = [str(name) for name in draws["parameter"].to_numpy()]
    made = []
    for i, label in enumerate(statistics["parameter"].to_numpy()):
        column = Column.from_label(str(label))
        defaults = known[column.name].defaults
        after = np.quantile(rows[:, names.index(str(label))], (0.05, 0.5, 0.95))
        made.append(
            Parameter(
                str(label),
                str(statistics["parameter_units"].to_numpy()[i]),
                known[column.name].long_name,
                defaults[pfts.index(column.pft)] if column.pft else defaults[0],
                float(statistics["parameter_low"][i]),
                float(statistics["parameter_high"][i]),
                (float(after[0]), float(after[1]), float(after[2])),
            )
        )
    return made


def made_from(store: ArtifactStore, refs: Iterable[RefQuery]) -> list[Artifact]:
    """These artifacts and all that they were made from, each once, as far as it is in the store."""
    found: dict[str, Artifact] = {}
    waiting: list[Any] = list(refs)
    while waiting:
        ref = waiting.pop()
        if ref.digest in found:
            continue
        try:
            artifact = store.open(ref)
        except NotFound:
            continue  # of another store, or collected since
        found[ref.digest] = artifact
        waiting += artifact.manifest.lineage.inputs
    return list(found.values())


def read_costs(artifacts: Sequence[Artifact]) -> list[tuple[str, float]]:
    """Wall-clock seconds of the jobs that made them, by kind of step."""
    total: dict[str, float] = {}
    for artifact in artifacts:
        method = artifact.manifest.lineage.method
        if method in STEPS and "wall_s" in artifact.manifest.costs:
            total[method] = total.get(method, 0.0) + float(artifact.manifest.costs["wall_s"])
    return [(STEPS[method], total[method]) for method in STEPS if method in total]


def weather_generated(artifacts: Sequence[Artifact]) -> bool:
    """Whether a generator made a dataset among them."""
    return any(
        artifact.kind == "dataset" and artifact.read_json("ingest.json")["generated"]
        for artifact in artifacts
    )


def weather_notes(case: Artifact) -> list[tuple[str, str, str]]:
    """What was found in the weather of a case, what was made of it, and why."""
    weather = case.read_json("case.json")["forcing"]
    notes = [] if weather is None else weather["notes"]
    return list(
        dict.fromkeys((note["found"], note["wanted"], note.get("why", "")) for note in notes)
    )


def fixed_notes(site: str, case: Artifact) -> list[str]:
    """A run before the calibration that has other parameters than the model's defaults."""
    fixed = case.manifest.lineage.request.get("setup", {}).get("fixed", [])
    names = sorted({one["name"] for one in fixed})
    if not names:
        return []
    return [f"{site}: {', '.join(names)} are not the model's defaults, before and after."]
