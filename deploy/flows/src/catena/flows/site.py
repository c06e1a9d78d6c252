"""A site and how it is calibrated: the YAML file of ``calibrate_site``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from catena.shared.client import FieldViolation, InvalidRequest, NotFound

Section = dict[str, Any]
"""Fields of one rpc's request; the service checks them, so they are not listed again here."""

_SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Files(_Model):
    """The user's runs: one table of parameters and one of outputs (CSV, npy or netCDF).

    Paths are absolute or relative to the YAML file; ``${VARIABLE}`` is replaced.
    """

    parameters_file: Path
    outputs_file: Path

    @field_validator("parameters_file", "outputs_file", mode="before")
    @classmethod
    def _locate(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        text = os.path.expandvars(value)
        if (missing := re.search(r"\$\{?(\w+)", text)) is not None:
            raise ValueError(f"the variable {missing[1]} is not set; set it to the data's folder")
        folder = (info.context or {}).get("folder", Path.cwd())
        path = Path(folder, Path(text).expanduser())
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path


class Ensemble(BaseModel):
    """Runs of the model: the user's files, or generated ones.

    All other fields (parameters, outputs, held_out_runs, ...) are those of ImportEnsembleRequest.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    files: Files | None = None

    @property
    def request(self) -> Section:
        """Fields of the request, without the files."""
        return dict(self.model_extra or {})


class SyntheticObservation(_Model):
    """An observation made from one run of the ensemble plus noise; reports call it synthetic."""

    run: int = Field(ge=0)
    error_fraction: float = Field(default=0.3, gt=0)
    seed: int = 0


class Observation(BaseModel):
    """What was observed: values with errors as in the message Observation, or a synthetic one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    synthetic: SyntheticObservation | None = None

    @property
    def message(self) -> Section:
        """Fields of the message Observation."""
        return dict(self.model_extra or {})

    @field_validator("synthetic", mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(
                "wanted run, error_fraction and seed of a synthetic observation; leave it out "
                "where values are given"
            )
        return value


class Site(_Model):
    """One site: its ensemble, its observation, and settings for each step.

    The sections surrogate, posterior, check, mcmc and report hold the fields of the requests
    TrainSurrogate, TrainPosterior, CheckCalibration, RunMcmc and WriteReport; references between
    them are filled in by the flow.

    Parameters
    ----------
    site : str
        Short name, e.g. ``US-MOz``; the report's file is called after it.
    title : str
        For the report.
    ensemble, observation
        The data.
    """

    site: str
    title: str = ""
    ensemble: Ensemble
    observation: Observation
    surrogate: Section = Field(default_factory=dict)
    posterior: Section = Field(default_factory=dict)
    check: Section = Field(default_factory=dict)
    mcmc: Section = Field(default_factory=dict)
    report: Section = Field(default_factory=dict)

    @field_validator("site")
    @classmethod
    def _file_name(cls, value: str) -> str:
        if not _SITE_NAME.fullmatch(value):
            raise ValueError("wanted letters, digits, '-', '_' and '.', at most 64 of them")
        return value

    @field_validator("surrogate", "posterior", "check", "mcmc", "report", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value  # "mcmc:" with nothing below it

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML file.

        Raises
        ------
        NotFound
            When there is no such file.
        InvalidRequest
            With every field at fault.
        """
        path = Path(path).absolute()
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotFound(f"{path} cannot be read ({error.strerror})") from None
        except yaml.YAMLError as error:
            raise InvalidRequest(f"{path} is not YAML: {error}") from None
        return cls.from_plain(data, path.parent, where=str(path))

    @classmethod
    def from_plain(cls, data: Any, folder: Path, where: str = "the site") -> Self:
        """Check plain data; relative paths in it start at `folder`."""
        if not isinstance(data, Mapping):
            raise InvalidRequest(
                f"{where} holds no fields; wanted site, ensemble, observation, ..."
            )
        try:
            return cls.model_validate(data, context={"folder": folder})
        except ValidationError as error:
            found = tuple(_violations(error))
            raise InvalidRequest(f"{where} is not as wanted", violations=found) from None


def _violations(error: ValidationError) -> Iterator[FieldViolation]:
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        if item["type"] == "missing":
            yield FieldViolation(field, "is missing")
        elif item["type"] == "extra_forbidden":
            yield FieldViolation(field, "is not a field; check its spelling")
        else:
            text = item["msg"].removeprefix("Value error, ")
            yield FieldViolation(field, f"got {str(item['input'])[:60]!r}; {text}")
