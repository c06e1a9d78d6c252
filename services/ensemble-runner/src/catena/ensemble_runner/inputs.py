"""From a request and the artifacts that it names to what a model is given.

Files are looked at here, so that a model gets numbers that it can work with, and every error says
which field of the request brought them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from catena.coupler.forcing import (
    CO2Record,
    DailyForcing,
    daily_forcing,
    read_co2,
    site_forcing,
)
from catena.coupler.forcing.makers import CO2_PPM, NDEP
from catena.ensemble_runner import members, vocabulary
from catena.ensemble_runner.land import read_land
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import Column, Land, Model, Setup
from catena.ensemble_runner.spin_states import STATES, SUMMARY, SiteStates
from catena.ensemble_runner.stages import StageRun
from catena.shared.artifacts import Artifact
from catena.shared.errors import CatenaError, FieldViolation, InvalidData, InvalidRequest
from catena.shared.query import RefQuery
from catena.shared.site_netcdf import site_in

Open = Callable[[RefQuery], Artifact]


class Asked(Protocol):
    """A request with a setup."""

    @property
    def setup(self) -> vocabulary.Setup:
        """What is run."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of outputs; empty: the usual ones."""


def read_setup(query: Asked, model: Model, open_ref: Open) -> Setup:
    """What all members have in common.

    Parameters
    ----------
    query : RunCaseQuery or RunEnsembleQuery
    model : Model
    open_ref : callable
        Opens an artifact.

    Raises
    ------
    InvalidData, InvalidRequest
        When the forcing lacks a variable, has gaps, NaN or wrong units, when surfaces do not fit
        its cells, or the model cannot be set up so; names the field.
    """
    asked = query.setup
    forcing, co2 = None, None
    land: tuple[Land, ...] = ()
    if asked.forcing is not None:
        with field("setup.forcing"):
            forcing, co2 = read_forcing(asked.forcing, open_ref)
        forcing, land = read_land(asked, asked.forcing, forcing, open_ref)
    restart, states = asked.restart, None
    if restart is not None and restart.artifact.kind == "spin_up":
        with field("setup.restart"):
            states = read_states(open_ref(restart.artifact))
        restart = None
    setup = Setup(
        forcing=forcing,
        stages=tuple(_stage(stage, co2) for stage in asked.stages),
        land=land,
        fixed=tuple((Column(item.name, item.pft), item.value) for item in asked.fixed),
        outputs=query.outputs or tuple(one.name for one in model.outputs if one.usual),
        restart=None if restart is None else open_ref(restart.artifact).read_bytes(restart.file),
        restart_mode="hotstart" if restart is None else restart.mode,
        states=states,
    )
    found = list(model.check(setup))
    if found:
        raise InvalidData(f"{model.name} cannot be run so", violations=found)
    return setup


def read_states(artifact: Artifact) -> SiteStates:
    """States of an artifact of kind ``spin_up``; InvalidData when it lacks some of them."""
    about = artifact.read_json(SUMMARY)
    return SiteStates.from_arrays(artifact.read_arrays(STATES), str(about["model_version"]))


def read_forcing(
    asked: vocabulary.Forcing, open_ref: Open
) -> tuple[DailyForcing, CO2Record | None]:
    """The weather day by day, in whole years, and the table of CO2 if there is one."""
    co2: float | CO2Record = CO2_PPM if asked.co2_ppm is None else asked.co2_ppm
    record = None
    if asked.co2 is not None:
        # A file from a bucket lives as long as its artifact.
        held = open_ref(asked.co2)
        record = read_co2(held.local_path(asked.co2_file))
        # Of the days that the weather is of; stages in other years ask the record again.
        co2 = record
    how: dict[str, Any] = {
        "utc_offset_h": asked.utc_offset_h,
        "gaps": "fill" if asked.fill_gaps else "error",
        "co2": co2,
        "ndep": NDEP if asked.n_deposition is None else asked.n_deposition,
    }
    if asked.files is not None:
        held = open_ref(asked.files)
        made = site_forcing(
            held.local_path(asked.file), site=asked.site or site_in(asked.file), **how
        )
    else:
        assert asked.dataset is not None
        artifact = open_ref(asked.dataset)
        row = dataset_row(artifact, asked.key)
        made = daily_forcing(artifact.open_dataset(row["name"]), **how)
    return _years(made, asked.first_year, asked.last_year).complete_years(), record


def dataset_row(artifact: Artifact, key: str) -> dict[str, Any]:
    """What data-ingest wrote down about one dataset of its artifact.

    Raises
    ------
    InvalidRequest
        When there is no such dataset, or several and no key.
    """
    rows = {row["key"]: row for row in artifact.read_json("ingest.json")["datasets"]}
    known = ", ".join(list(rows)[:8]) + (", ..." if len(rows) > 8 else "")
    if key and key not in rows:
        raise _wrong("key", f"got {key!r}; the artifact holds {known or 'nothing'}")
    if not key and len(rows) != 1:
        raise _wrong("key", f"is missing, and the artifact holds {known or 'nothing'}; name one")
    return dict(rows[key] if key else next(iter(rows.values())))


class HasMembers(Protocol):
    """A request with members."""

    @property
    def draw(self) -> vocabulary.ParameterDesign | None:
        """From ranges."""

    @property
    def table(self) -> vocabulary.ParameterTable | None:
        """As they are."""

    @property
    def draws(self) -> vocabulary.ParameterDraws | None:
        """Of a calibration."""


def read_members(query: HasMembers, model: Model, open_ref: Open) -> Members:
    """All members of an ensemble, or parameter sets of a spin-up.

    Raises
    ------
    InvalidRequest
        When a parameter is not known or out of range; names every one.
    """
    if query.draw is not None:
        _refuse(members.design_fits(model, query.draw))
        return members.drawn(model, query.draw)
    if query.table is not None:
        _refuse(members.table_fits(model, query.table))
        return members.given(model, members.columns_of(query.table), members.rows_of(query.table))
    assert query.draws is not None
    columns, rows = read_draws(query.draws, open_ref)
    where = ["draws.draws"] * len(columns)
    _refuse(members.rows_fit(model, columns, rows, where, "draws.draws"))
    return members.given(model, columns, rows)


def _refuse(found: list[FieldViolation]) -> None:
    if found:
        raise InvalidRequest("the members cannot be run", violations=found)


def read_draws(
    asked: vocabulary.ParameterDraws, open_ref: Open
) -> tuple[list[Column], np.ndarray[Any, np.dtype[np.float64]]]:
    """Columns and rows of a calibration's draws or chains."""
    artifact = open_ref(asked.draws)
    dataset = artifact.open_dataset(f"{artifact.kind}.zarr")
    values = dataset["parameters"]
    if "site" in values.dims:
        sites = [str(name) for name in values["site"].to_numpy()]
        if asked.site not in sites and not (len(sites) == 1 and not asked.site):
            raise _wrong(
                "draws.site",
                f"got {asked.site!r}; the draws are of {', '.join(sites[:8])}; name one",
            )
        values = values.isel(site=sites.index(asked.site) if asked.site else 0)
    elif asked.site:
        raise _wrong("draws.site", "is given, but these draws are of one site; leave it out")
    columns = [Column.from_label(str(name)) for name in dataset["parameter"].to_numpy()]
    rows = np.asarray(values.to_numpy(), dtype=np.float64).reshape(-1, len(columns))
    return columns, members.evenly(rows, asked.members)


def _stage(stage: vocabulary.Stage, record: CO2Record | None) -> StageRun:
    return StageRun(
        kind=stage.kind,
        years=stage.years,
        first_year=stage.first_year,
        co2=stage.co2_ppm or record,
        ndep=stage.n_deposition,
    )


def _years(forcing: DailyForcing, first: int, last: int) -> DailyForcing:
    """The days of some years that are there."""
    if not first and not last:
        return forcing
    start = max(forcing.start, dt.date(first or 1, 1, 1))
    end = min(forcing.end, dt.date(last or 9999, 12, 31))
    if start > end:
        raise _wrong(
            "first_year",
            f"got {first or 'any'} to {last or 'any'}; the forcing goes from {forcing.start} to "
            f"{forcing.end}",
        )
    return forcing.select(start, end)


def _wrong(name: str, text: str) -> InvalidRequest:
    return InvalidRequest("the request cannot be run", violations=[FieldViolation(name, text)])


@contextmanager
def field(name: str) -> Iterator[None]:
    """Errors from inside say which field of the request they come from."""
    try:
        yield
    except (InvalidData, InvalidRequest) as error:
        found: list[FieldViolation] = [
            FieldViolation(f"{name}.{each.field}", each.description) for each in error.violations
        ] or [FieldViolation(name, error.message)]
        kind: type[CatenaError] = type(error)
        raise kind(f"{name} cannot be used", violations=found) from error
