"""The E3SM Land Model as the ensemble runner sees it: each member a job of its machine.

Machine, compset, forcing and surface are those of a case that the operator has written down once
(:class:`catena.coupler.elm.ElmConfig`); ``CATENA_ELM_CASE`` names that file. A request says stages,
parameters and outputs, and by ``model_version`` which state of the case it means. A file of a user
never gets here: whoever writes a case decides which programs are run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.elm import ElmCase, ElmConfig, ElmEnsemble, read_history
from catena.coupler.elm.actions import write_atomically
from catena.coupler.elm.config import History
from catena.coupler.elm.config_checks import problems
from catena.coupler.elm.inputs import checkout_revision, input_digests
from catena.coupler.elm.parameter_ranges import INERT, RANGES
from catena.coupler.elm.parameters import pft_names
from catena.coupler.elm.stages import Stage
from catena.coupler.embedded.outputs import OUTPUTS
from catena.ensemble_runner.history import axes_dataset
from catena.ensemble_runner.models import (
    BlockRun,
    CaseRun,
    Column,
    Failure,
    Frequency,
    Output,
    Parameter,
    Setup,
)
from catena.ensemble_runner.stages import StageKind
from catena.shared.errors import CatenaError, FailedPrecondition, FieldViolation, InvalidData

Array = NDArray[np.float64]
Values = dict[str, NDArray[np.float32]]

VARIABLE = "CATENA_ELM_CASE"
"""Environment variable that names the operator's case."""

USUAL = ("GPP", "NPP", "AR", "HR", "NEE", "TLAI", "EFLX_LH_TOT", "FSH", "TOTVEGC", "TOTSOMC")
"""Outputs that are written unless others are named."""

_EVERY: dict[Frequency, int] = {"daily": -24, "monthly": 0, "yearly": -8760}


class ElmRunner:
    """``elm``: see :mod:`catena.coupler.elm`.

    Raises
    ------
    FailedPrecondition
        When no case is set.
    """

    name = "elm"
    stages: tuple[StageKind, ...] = ("ad_spinup", "final", "transient")
    reads_forcing = False
    outputs = tuple(Output(o.name, o.units, o.long_name, o.name in USUAL) for o in OUTPUTS if o.elm)

    def __init__(self) -> None:
        path = os.environ.get(VARIABLE, "")
        if not path:
            raise FailedPrecondition(
                f"no case of ELM is set; write one and name its file in {VARIABLE} where servers "
                "and jobs run"
            )
        self._path = Path(path)
        self.config = ElmConfig.load(self._path)

    @cached_property
    def version(self) -> str:
        """Digest of the case, of the files that it names, and of the checkout of E3SM."""
        digest = hashlib.sha256(self._path.read_bytes())
        digest.update(json.dumps(input_digests(self.config), sort_keys=True).encode())
        digest.update(checkout_revision(self.config).encode())
        return digest.hexdigest()[:16]

    @cached_property
    def pfts(self) -> tuple[str, ...]:
        """Names in the parameter file."""
        return pft_names(self.config.parameter_file)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those whose range is known, with the values of the parameter file."""
        made = []
        with netCDF4.Dataset(self.config.parameter_file) as file:
            file.set_auto_mask(False)
            for name, one in RANGES.items():
                if name not in file.variables:
                    continue
                inert = f"no effect: {INERT[name]}" if name in INERT else ""
                made.append(
                    Parameter(
                        name=name,
                        units=one.units,
                        long_name=inert or str(getattr(file[name], "long_name", name)),
                        per_pft="pft" in file[name].dimensions,
                        low=one.low,
                        high=one.high,
                        lowest=one.least,
                        highest=one.most,
                        defaults=tuple(float(value) for value in np.ravel(file[name][...])),
                    )
                )
        return tuple(made)

    def member_s(self, setup: Setup) -> float:
        """About 9 CPU seconds for a year of a cell."""
        return 9.0 * sum(stage.years for stage in setup.stages)

    def check(self, setup: Setup) -> Sequence[FieldViolation]:
        """What the case does not allow, such as leaving acceleration before year 40."""
        found: list[FieldViolation] = []
        if setup.restart is not None and setup.restart_mode == "resume":
            found.append(
                FieldViolation(
                    "setup.restart.mode",
                    "got resume; a case of ELM begins at its stage's own date, take hotstart",
                )
            )
        config = self._configured(setup, ("yearly",), self._finidat(setup))
        for each in problems(config.model_dump()):
            field = "restart" if each.field == "finidat" else each.field
            found.append(FieldViolation(f"setup.{field}", each.description))
        return found

    def run_block(
        self, setup: Setup, columns: Sequence[Column], rows: Array, frequency: Frequency
    ) -> BlockRun:
        """One member; several are given to :meth:`run_members`."""
        [(_, run)] = self.run_members(setup, columns, {"block": rows[0]}, frequency)
        return run

    def run_members(
        self,
        setup: Setup,
        columns: Sequence[Column],
        rows: Mapping[str, Array],
        frequency: Frequency,
    ) -> Iterator[tuple[str, BlockRun]]:
        """Run each member as a job, through all stages; those that have finished are found."""
        if not rows:
            return
        config = self._configured(setup, (frequency,), self._finidat(setup))
        folders, failed, _ = self._run(config, setup, columns, rows)
        last = config.runs[-1].case
        for name in rows:
            if name in failed:
                stage, cause = failed[name]
                yield name, BlockRun({}, (Failure(0, stage, "", cause),))
                continue
            try:
                values, axes = _history(folders[name], last, setup.outputs, "h0")
            except CatenaError as error:
                yield name, BlockRun({}, (Failure(0, setup.stages[-1].kind, "", str(error)),))
                continue
            yield name, BlockRun({key: array[None] for key, array in values.items()}, (), axes)

    def run_case(self, setup: Setup, frequencies: Sequence[Frequency], restart: Path) -> CaseRun:
        """Run the fixed parameters, with a history stream for each frequency."""
        name = hashlib.sha256(repr(sorted(setup.described().items())).encode()).hexdigest()[:16]
        config = self._configured(setup, frequencies, self._finidat(setup))
        folders, failed, ends = self._run(config, setup, [], {name: np.zeros(0)})
        if failed:
            stage, cause = failed[name]
            raise InvalidData(f"the run failed in {stage}: {cause}")
        restart.write_bytes(ends[name].read_bytes())
        last = config.runs[-1].case
        read = {
            each: _history(folders[name], last, setup.outputs, f"h{number}")
            for number, each in enumerate(frequencies)
        }
        return CaseRun(
            {each: values for each, (values, _) in read.items()},
            {each: axes for each, (_, axes) in read.items()},
        )

    def _finidat(self, setup: Setup) -> Path | None:
        """A restart file of a request where the machine's nodes see it, and as long as the case."""
        if setup.restart is None:
            return None
        digest = hashlib.sha256(setup.restart).hexdigest()[:16]
        path = self.config.case_root / f"finidat.{digest}.nc"
        if not path.is_file():
            write_atomically(path, setup.restart)
        return path

    def _configured(
        self, setup: Setup, frequencies: Sequence[Frequency], finidat: Path | None
    ) -> ElmConfig:
        """The operator's case with the stages and outputs of a request, under a name of its own."""
        described = repr([sorted(setup.described().items()), list(frequencies), self.version])
        tag = hashlib.sha256(described.encode()).hexdigest()[:10]
        kept = {stage.name: stage for stage in self.config.stages}
        stages = tuple(
            kept.get(stage.kind, Stage(name=stage.kind, years=1)).model_copy(
                update={"years": stage.years}
                | ({"start_year": stage.first_year} if stage.first_year else {})
            )
            for stage in setup.stages
        )
        history = tuple(
            History(variables=setup.outputs, frequency=_EVERY[each], records=365)
            for each in frequencies
        )
        return self.config.model_copy(
            update={
                "case_name": f"{self.config.case_name[:40]}.{tag}",
                "stages": stages,
                "history": history,
                "finidat": finidat or self.config.finidat,
            }
        )

    def _run(
        self,
        config: ElmConfig,
        setup: Setup,
        columns: Sequence[Column],
        rows: Mapping[str, Array],
    ) -> tuple[dict[str, Path], dict[str, tuple[str, str]], dict[str, Path]]:
        """Folders of the last stage, causes of failure, and restart files at the end, by member."""
        local = config.executor.kind in ("local", "none")
        # A batch system queues what is more than it can run.
        parallel = (os.cpu_count() or 1) if local else len(rows)
        failed: dict[str, tuple[str, str]] = {}
        folders: dict[str, Path] = {}
        ends: dict[str, Path] | None = None
        alive = list(rows)
        for run in config.runs:
            case = ElmCase(config, run, next(iter(ends.values())) if ends else None)
            changes = {f"g{name}": self.changes_of(setup, columns, rows[name]) for name in alive}
            ensemble = ElmEnsemble(case, changes, ends)
            report = ensemble.run(parallel)
            for told in (report.failed, report.missing):
                failed |= {name[1:]: (run.name, cause) for name, cause in told.items()}
            alive = [name for name in alive if name not in failed]
            folders = {name: ensemble.folder(f"g{name}") for name in alive}
            ends = dict(report.ok)
            if not alive:
                break
        return folders, failed, {name: (ends or {})[f"g{name}"] for name in alive}

    def changes_of(
        self, setup: Setup, columns: Sequence[Column], row: Array
    ) -> dict[str, float | dict[str, float]]:
        """Parameters of one member as ELM's parameter file is changed.

        Without a PFT, all plants are meant (not bare ground, the first in the file).
        """
        per_pft = {one.name for one in self.parameters if one.per_pft}
        made: dict[str, float | dict[str, float]] = {}
        for column, value in [*setup.fixed, *zip(columns, row.tolist(), strict=True)]:
            if column.name not in per_pft:
                made[column.name] = value
                continue
            named = made.setdefault(column.name, {})
            assert isinstance(named, dict)
            named |= dict.fromkeys([column.pft] if column.pft else self.pfts[1:], value)
        return made


def _history(
    folder: Path, case: str, outputs: Sequence[str], stream: str
) -> tuple[Values, xr.Dataset]:
    """Outputs (time, cell) of a run, and its axes."""
    data = read_history(folder, case, outputs, stream)
    values = {name: data[name].to_numpy().astype(np.float32) for name in outputs}
    lon = (np.asarray(data["lon"]) + 180.0) % 360.0 - 180.0
    return values, axes_dataset(data["time_bounds"].to_numpy(), np.asarray(data["lat"]), lon)
