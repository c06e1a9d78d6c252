"""The calibrator's requests, one model per rpc.

Field names are those of the protobuf messages in ``catena/api/calibrator/v1/calibrator.proto``.
What can be said about a request without opening an artifact is said here; what needs the artifacts
is in :mod:`catena.calibrator.preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from catena.calibrator.vocabulary import (
    MAX_OUTPUTS,
    MAX_PARAMETERS,
    Aggregation,
    ChainsRef,
    CheckRef,
    DatasetRef,
    Day,
    EnsembleRef,
    FileName,
    FilesRef,
    McmcMethod,
    Observation,
    Output,
    Parameter,
    PosteriorMethod,
    PosteriorRef,
    RunsRef,
    Seed,
    SpinUpRef,
    StatisticsRef,
    SurrogateMethod,
    SurrogateRef,
    Units,
    VariableName,
    Words,
    days_in_order,
    duplicate_names,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query, QueryModel

INLINE_NUMBERS = 120_000
"""Numbers in one reply: 8 bytes each stay under 1 MiB. More travels by reference."""

RUN_SUFFIXES = (".csv", ".npy", ".nc", ".nc4")


class EnsembleFiles(QueryModel):
    """A table of runs in files: CSV with a header, npy, or netCDF."""

    files: FilesRef
    parameters_file: FileName
    outputs_file: FileName

    def violations(self) -> Iterator[FieldViolation]:
        """Only formats that can be read without running code from the file."""
        for field in ("parameters_file", "outputs_file"):
            name = getattr(self, field)
            if not name.lower().endswith(RUN_SUFFIXES):
                yield FieldViolation(
                    field,
                    f"got {name!r}, wanted a file that ends in {', '.join(RUN_SUFFIXES)}; "
                    "convert the table to CSV, npy or netCDF",
                )


class GeneratedEnsemble(QueryModel):
    """A closed-form stand-in for a land model, called generated wherever it appears."""

    runs: Annotated[int, Field(ge=20, le=100_000)]
    seed: Seed = 0


class RunVariable(QueryModel):
    """A variable of the runs and how its steps become outputs."""

    name: VariableName
    aggregation: Aggregation = "as_stored"


class EnsembleRuns(QueryModel):
    """Runs of ensemble-runner; parameters and units are those of the runs."""

    runs: RunsRef
    variables: Annotated[tuple[RunVariable, ...], Field(min_length=1, max_length=100)]
    cells: Annotated[tuple[int, ...], Field(max_length=MAX_OUTPUTS)] = ()
    start: Day = ""
    end: Day = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Each variable and each cell once; the period in order."""
        yield from days_in_order(self.start, self.end)
        names = [variable.name for variable in self.variables]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield FieldViolation(
                    f"variables[{i}].name", f"got {name!r} twice; aggregate it in one way"
                )
        if len(set(self.cells)) < len(self.cells):
            yield FieldViolation("cells", "a cell is named twice; name each once")


class EnsembleStatistics(QueryModel):
    """Statistics of runs at several sites; parameters, outputs and units are theirs."""

    statistics: StatisticsRef


class ImportEnsembleQuery(Query):
    """Turn a user's runs, ensemble-runner's or generated ones into an ensemble artifact."""

    files: EnsembleFiles | None = None
    generated: GeneratedEnsemble | None = None
    runs: EnsembleRuns | None = None
    statistics: EnsembleStatistics | None = None
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=MAX_PARAMETERS)] = ()
    outputs: Annotated[tuple[Output, ...], Field(max_length=MAX_OUTPUTS)] = ()
    held_out_runs: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    title: Words = ""
    source_note: Annotated[str, Field(max_length=1000)] = ""

    def violations(self) -> Iterator[FieldViolation]:
        """One source; a table of parameters and outputs for files, none for other runs."""
        sources = (self.files, self.generated, self.runs, self.statistics)
        if sum(source is not None for source in sources) != 1:
            yield FieldViolation(
                "source",
                "wanted one of files (your runs), runs or statistics (of ensemble-runner) and "
                "generated (a stand-in); give one",
            )
            return
        if self.files is not None:
            for field in ("parameters", "outputs"):
                if not getattr(self, field):
                    yield FieldViolation(
                        field, "is missing; name every column that is to be read, with its units"
                    )
        else:
            whose = "a generated ensemble has its" if self.generated else "the runs have their"
            for field in ("parameters", "outputs"):
                if getattr(self, field):
                    yield FieldViolation(field, f"is given, but {whose} own; leave it out")
            if self.generated and self.held_out_runs > self.generated.runs - 20:
                yield FieldViolation(
                    "held_out_runs",
                    f"got {self.held_out_runs} of {self.generated.runs} runs; wanted at least 20 "
                    "left for training",
                )
        yield from duplicate_names("parameters", self.parameters)
        yield from duplicate_names("outputs", self.outputs)
        taken = {parameter.name for parameter in self.parameters}
        for i, output in enumerate(self.outputs):
            if output.name in taken:
                yield FieldViolation(
                    f"outputs[{i}].name",
                    f"got {output.name!r}, which is a parameter as well; rename one of the two",
                )


class TrainSurrogateQuery(Query):
    """Fit a fast substitute of the model to an ensemble."""

    ensemble: EnsembleRef
    method: SurrogateMethod = "auto"
    seed: Seed = 0
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    svd_above_outputs: Annotated[int, Field(ge=1, le=MAX_OUTPUTS)] = 50
    tune: bool = False
    tune_trials: Annotated[int, Field(ge=1, le=200)] = 12

    def violations(self) -> Iterator[FieldViolation]:
        """Trials belong to a search; a search belongs to networks."""
        # A request is stored with its defaults and read again, so "was it set" is not asked.
        if self.tune_trials != type(self).model_fields["tune_trials"].default and not self.tune:
            yield FieldViolation(
                "tune_trials",
                f"got {self.tune_trials} trials, but tune is not set; set it or leave this out",
            )
        if self.tune and self.method == "gp":
            yield FieldViolation(
                "tune",
                "searches the settings of networks, but method is gp, which finds its own by "
                "likelihood; use method auto or mlp",
            )


class TrainPosteriorQuery(Query):
    """Prepare an amortised posterior."""

    surrogate: SurrogateRef
    ensemble: EnsembleRef | None = None
    method: PosteriorMethod = "auto"
    seed: Seed = 0
    bank_size: Annotated[int, Field(ge=1024, le=2_000_000)] | None = None
    labels: Annotated[int, Field(ge=1024, le=1_000_000)] | None = None
    min_error_fraction: Annotated[float, Field(gt=0, le=5)] = 0.05
    max_error_fraction: Annotated[float, Field(gt=0, le=5)] = 1.5

    def violations(self) -> Iterator[FieldViolation]:
        """The range of errors must have a width; the published method needs the raw runs."""
        if not self.min_error_fraction < self.max_error_fraction:
            yield FieldViolation(
                "max_error_fraction",
                f"got {self.min_error_fraction:g} to {self.max_error_fraction:g}; "
                "wanted min_error_fraction < max_error_fraction",
            )
        if self.method == "faithful" and self.ensemble is None:
            yield FieldViolation(
                "ensemble", "is missing; method faithful learns from the raw runs, so give them"
            )


class SamplePosteriorQuery(Query):
    """Draw from the posterior of one or a few observations, inline."""

    posterior: PosteriorRef
    observations: Annotated[tuple[Observation, ...], Field(min_length=1, max_length=100)]
    draws: Annotated[int, Field(ge=1, le=INLINE_NUMBERS)] = 1000
    seed: Seed = 0
    method: PosteriorMethod = "auto"

    def violations(self) -> Iterator[FieldViolation]:
        """The reply must fit into a message."""
        if (found := too_many_draws(len(self.observations), self.draws, 1)) is not None:
            yield found


def too_many_draws(observations: int, draws: int, parameters: int) -> FieldViolation | None:
    """Violation when an inline reply would pass 1 MiB, else None."""
    numbers = observations * draws * parameters
    if numbers <= INLINE_NUMBERS:
        return None
    most = INLINE_NUMBERS // (observations * parameters)
    return FieldViolation(
        "draws",
        f"got {observations} observations x {draws} draws x {parameters} parameters = {numbers} "
        f"numbers; wanted at most {INLINE_NUMBERS} in one reply ({most} draws each); "
        "use SampleSites, which answers with an artifact",
    )


class SampleSitesQuery(Query):
    """Draws for a table of many sites, into an artifact."""

    posterior: PosteriorRef
    observations: FilesRef
    observations_file: FileName
    draws: Annotated[int, Field(ge=1, le=100_000)] = 1000
    seed: Seed = 0
    method: PosteriorMethod = "auto"

    def violations(self) -> Iterator[FieldViolation]:
        """The table is a CSV file."""
        if not self.observations_file.lower().endswith(".csv"):
            yield FieldViolation(
                "observations_file",
                f"got {self.observations_file!r}, wanted a .csv table with the columns site, "
                "<output> and <output>_sd",
            )


class RunMcmcQuery(Query):
    """Sample the posterior of one observation by Markov chains."""

    surrogate: SurrogateRef
    observation: Observation
    method: McmcMethod = "ensemble"
    chains: Annotated[int, Field(ge=2, le=64)] = 4
    draws: Annotated[int, Field(ge=100, le=200_000)] = 1000
    warmup: Annotated[int, Field(ge=50, le=200_000)] = 500
    seed: Seed = 0

    def violations(self) -> Iterator[FieldViolation]:
        """The chains are kept in memory while they run."""
        if self.chains * self.draws > 1_000_000:
            yield FieldViolation(
                "draws",
                f"got {self.chains} chains x {self.draws} draws; wanted at most 1 million in all",
            )


class CheckCalibrationQuery(Query):
    """Measure whether the posterior can be believed."""

    posterior: PosteriorRef
    ensemble: EnsembleRef
    observation: Observation | None = None
    simulated_pairs: Annotated[int, Field(ge=20, le=100_000)] = 1000
    draws: Annotated[int, Field(ge=50, le=10_000)] = 500
    noise_fraction: Annotated[float, Field(gt=0, le=5)] = 0.3
    seed: Seed = 0
    method: PosteriorMethod = "auto"

    def violations(self) -> Iterator[FieldViolation]:
        """All draws of all pairs are in memory at once."""
        if self.simulated_pairs * self.draws > 5_000_000:
            yield FieldViolation(
                "simulated_pairs",
                f"got {self.simulated_pairs} pairs x {self.draws} draws; wanted at most 5 million "
                "draws in all; ask for fewer draws",
            )


class WriteReportQuery(Query):
    """Write the report of a calibration."""

    title: Words = ""
    ensemble: EnsembleRef
    surrogate: SurrogateRef
    posterior: PosteriorRef
    check: CheckRef | None = None
    chains: ChainsRef | None = None
    observation: Observation
    draws: Annotated[int, Field(ge=100, le=50_000)] = 4000
    seed: Seed = 0
    predictive: RunsRef | None = None
    withheld: Observation | None = None
    spin_up: SpinUpRef | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """What was held back is shown against runs, and was not used; runs began from a spin-up."""
        if self.spin_up is not None and self.predictive is None:
            yield FieldViolation("spin_up", "is given without the runs that began from it")
        if self.withheld is None:
            return
        if self.predictive is None:
            yield FieldViolation(
                "predictive", "is missing; what was held back is compared with runs of the model"
            )
        if len(self.withheld.values) != len(self.observation.values):
            yield FieldViolation(
                "withheld.values",
                f"got {len(self.withheld.values)} values for {len(self.observation.values)} of the "
                "observation; wanted one for each output in both",
            )
        elif bool((self.withheld.arrays()[2] & self.observation.arrays()[2]).any()):
            yield FieldViolation(
                "withheld.observed", "names outputs that the calibration uses; mask them in one"
            )


class DrawObservationQuery(Query):
    """Make an observation out of one run plus noise."""

    ensemble: EnsembleRef
    run: Annotated[int, Field(ge=0)] = 0
    error_fraction: Annotated[float, Field(gt=0, le=5)]
    seed: Seed = 0
    site: Words = ""


class ObservedVariable(QueryModel):
    """What was observed of one variable of the model, and how far a value may be off."""

    name: VariableName
    observed_as: Annotated[str, Field(max_length=40)] = ""
    relative_sd: Annotated[float, Field(ge=0, le=5)] = 0.0
    absolute_sd: Annotated[float, Field(ge=0)] = 0.0
    units: Units = ""

    def violations(self) -> Iterator[FieldViolation]:
        """A value without an error would be followed blindly."""
        if not self.absolute_sd > 0:
            yield FieldViolation(
                "absolute_sd",
                "is missing; wanted a standard deviation > 0, or values near zero would count as "
                "exact",
            )


class ReadObservationQuery(Query):
    """Read what was measured of an ensemble's outputs."""

    ensemble: EnsembleRef
    dataset: DatasetRef | None = None
    statistics: StatisticsRef | None = None
    key: Words = ""
    site: Words = ""
    variables: Annotated[tuple[ObservedVariable, ...], Field(max_length=100)] = ()
    start: Day = ""
    end: Day = ""
    least_coverage: Annotated[float, Field(gt=0, le=1)] = 1.0

    def violations(self) -> Iterator[FieldViolation]:
        """One source with what belongs to it; each variable once; the period in order."""
        if (self.dataset is None) == (self.statistics is None):
            yield FieldViolation(
                "dataset",
                "wanted one of dataset (of data-ingest) and statistics (of ensemble-runner); give "
                "one",
            )
        elif self.dataset is not None and not self.variables:
            yield FieldViolation("variables", "is missing; name what was observed")
        if self.statistics is not None:
            for field in ("key", "variables", "start", "end"):
                if getattr(self, field):
                    yield FieldViolation(field, "belongs to a dataset; leave it out")
        yield from days_in_order(self.start, self.end)
        names = [variable.name for variable in self.variables]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield FieldViolation(f"variables[{i}].name", f"got {name!r} twice; name it once")
