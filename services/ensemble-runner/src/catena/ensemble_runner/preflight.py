"""Checks of a request against the model and the artifacts that it names, before a job is made.

What a job would find out minutes later is said at once. Only small JSON files are read here; the
numbers in the forcing are checked by the job.
"""

from __future__ import annotations

from collections.abc import Iterator

from catena.ensemble_runner import members, vocabulary
from catena.ensemble_runner.inputs import HasMembers, dataset_row
from catena.ensemble_runner.land import site_of
from catena.ensemble_runner.models import Column, Model, open_model
from catena.ensemble_runner.queries import RunCaseQuery, RunEnsembleQuery
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.contracts import nearest
from catena.shared.errors import FieldViolation, InvalidRequest, NotFound

FORCING_NEEDED = ("tas", "rsds", "rlds", "ps", "pr", "sfcWind")
HUMIDITIES = ("vp", "huss", "hurs", "vpd", "tdps")


def asked_model(name: str) -> Model:
    """The model that a request names.

    Raises
    ------
    InvalidRequest
        When there is none of that name.
    """
    try:
        return open_model(name)
    except NotFound as error:
        found = [FieldViolation("model", error.message)]
        raise InvalidRequest("the model is not known", violations=found) from None


def check_run(query: RunCaseQuery | RunEnsembleQuery, store: ArtifactStore) -> None:
    """Raise what is wrong with a request to run something.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    model = asked_model(query.model)
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = [
        *version_fits(model, query.model_version),
        *_setup(model, query.setup, opened),
        *_outputs(model, query.outputs),
    ]
    if isinstance(query, RunEnsembleQuery):
        found += members_fit(model, query, opened)
    if found:
        raise InvalidRequest(f"{model.name} cannot be run so", violations=found)


def check_draw(model: Model, design: vocabulary.ParameterDesign) -> None:
    """Raise what is wrong with a design; InvalidRequest with every field at fault."""
    found = members.design_fits(model, design)
    if found:
        raise InvalidRequest("the parameters cannot be drawn", violations=found)


def _setup(
    model: Model, setup: vocabulary.Setup, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    if not model.reads_forcing:
        yield from _own_case(model, setup)
    elif setup.forcing is None:
        yield FieldViolation("setup.forcing", "is missing; give a dataset or a site's driver file")
    else:
        yield from forcing_fits(setup.forcing, opened)
        yield from surfaces_fit(model, setup, setup.forcing, opened)
    if setup.restart is not None and setup.restart.artifact.kind == "spin_up":
        if not model.reads_forcing:
            text = f"is a spin-up of sites; a case of {model.name} begins from a restart file"
            yield FieldViolation("setup.restart.artifact", text)
        if setup.stages and setup.stages[0].kind == "ad_spinup":
            text = "got ad_spinup, but the restart is a spin-up at equilibrium; leave the stage out"
            yield FieldViolation("setup.stages[0].kind", text)
        if setup.restart.mode == "resume":
            text = "got resume; a spin-up has no date, take hotstart"
            yield FieldViolation("setup.restart.mode", text)
        if setup.restart.file != vocabulary.Restart.model_fields["file"].default:
            text = (
                f"got {setup.restart.file!r}, but members begin from the states of a spin-up, each "
                "from its own; leave it out"
            )
            yield FieldViolation("setup.restart.file", text)
    elif setup.restart is not None:
        yield from _file("setup.restart.file", setup.restart.file, opened["setup.restart.artifact"])
    for i, stage in enumerate(setup.stages):
        if stage.kind not in model.stages:
            yield FieldViolation(
                f"setup.stages[{i}].kind",
                f"got {stage.kind}; {model.name} has {', '.join(model.stages)}",
            )
    values = [(Column(item.name, item.pft), item.value) for item in setup.fixed]
    yield from members.single_values(model, values, "setup.fixed")


def _own_case(model: Model, setup: vocabulary.Setup) -> Iterator[FieldViolation]:
    """What a request must leave to a model's own case."""
    text = f"is given, but a case of {model.name} has its own; leave it out"
    if setup.forcing is not None:
        yield FieldViolation("setup.forcing", text)
    if setup.surfaces:
        yield FieldViolation("setup.surfaces", text)
    if setup.surface_map is not None:
        yield FieldViolation("setup.surface_map", text)
    for i, stage in enumerate(setup.stages):
        if not stage.years:
            yield FieldViolation(f"setup.stages[{i}].years", "is missing; give the length in years")
        for name in ("co2_ppm", "n_deposition"):
            if getattr(stage, name):
                yield FieldViolation(f"setup.stages[{i}].{name}", text)


def version_fits(model: Model, wanted: str) -> Iterator[FieldViolation]:
    """What is wrong with the version that a request means."""
    if not wanted and not model.reads_forcing:
        yield FieldViolation(
            "model_version",
            f"is missing; the case of {model.name} lies outside of the store and may change: say "
            f"which one is meant (it is {model.version} now, DescribeModel says so)",
        )
    elif wanted not in ("", model.version):
        yield FieldViolation(
            "model_version", f"got {wanted!r}; {model.name} has version {model.version} here"
        )


def forcing_fits(
    forcing: vocabulary.Forcing, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    """What is wrong with the weather, by the small files of its artifacts."""
    if forcing.dataset is not None:
        yield from _dataset(opened["setup.forcing.dataset"], forcing.key)
    for field, name in (("files", forcing.file), ("co2", forcing.co2_file)):
        if f"setup.forcing.{field}" in opened:
            where = "setup.forcing." + {"files": "file", "co2": "co2_file"}[field]
            yield from _file(where, name, opened[f"setup.forcing.{field}"])


def surfaces_fit(
    model: Model,
    setup: vocabulary.HasLand,
    forcing: vocabulary.Forcing,
    opened: dict[str, Artifact],
) -> Iterator[FieldViolation]:
    """What is wrong with the land."""
    if setup.surface_map is not None:
        if setup.surface_map.files is not None:
            where = "setup.surface_map"
            yield from _file(f"{where}.file", setup.surface_map.file, opened[f"{where}.files"])
    elif not setup.surfaces:
        facts = site_of(forcing)
        if facts is None or not facts.soil:
            yield FieldViolation(
                "setup.surfaces",
                "is missing, and nothing is known of the place of this forcing; give its plants "
                "and its soil, or a surface_map",
            )
    for i, surface in enumerate(setup.surfaces):
        for j, pft in enumerate(surface.pfts):
            yield from members.pft_known(model, pft.name, f"setup.surfaces[{i}].pfts[{j}].name")


def _dataset(artifact: Artifact, key: str) -> Iterator[FieldViolation]:
    try:
        row = dataset_row(artifact, key)
    except InvalidRequest as error:
        for each in error.violations:
            yield FieldViolation(f"setup.forcing.{each.field}", each.description)
        return
    there = {variable["name"] for variable in row["variables"]}
    missing = [name for name in FORCING_NEEDED if name not in there]
    if not there.intersection(HUMIDITIES):
        missing.append(f"one of {', '.join(HUMIDITIES)}")
    if missing:
        yield FieldViolation(
            "setup.forcing.dataset",
            f"has no {', '.join(missing)}; it has {', '.join(sorted(there))}: ingest these "
            "variables as well",
        )


def _file(field: str, name: str, artifact: Artifact) -> Iterator[FieldViolation]:
    if name not in artifact.names:
        # A zarr is one thing to a reader, not its thousand chunks.
        whole = sorted({each.partition("/")[0] for each in artifact.names})
        there = ", ".join(whole[:8]) + (", ..." if len(whole) > 8 else "")
        yield FieldViolation(field, f"got {name!r}, but the artifact holds: {there}")


def _outputs(model: Model, names: tuple[str, ...]) -> Iterator[FieldViolation]:
    known = [output.name for output in model.outputs]
    for i, name in enumerate(names):
        if name not in known:
            guess = nearest(name, known)
            hint = f"did you mean {guess}?" if guess else "DescribeModel lists them"
            yield FieldViolation(f"outputs[{i}]", f"got {name!r}, no output; {hint}")


def members_fit(
    model: Model, query: HasMembers, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    """What is wrong with members, or with parameter sets of a spin-up."""
    if query.draw is not None:
        yield from members.design_fits(model, query.draw)
    elif query.table is not None:
        yield from members.table_fits(model, query.table)
    elif query.draws is not None:
        artifact = opened["draws.draws"]
        about = artifact.read_json(f"{artifact.kind}.json")["about"]
        for name in about["prior"]["names"]:
            _, wrong = members.find(model, Column.from_label(name), "draws.draws")
            for each in wrong:
                yield FieldViolation("draws.draws", f"its parameter {name}: {each.description}")
