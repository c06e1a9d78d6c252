"""YAML files of flows: read, with variables replaced, and checked as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from catena.flows.rpc import Section
from catena.shared.client import FieldViolation, InvalidRequest, NotFound

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _file_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("wanted letters, digits, '-', '_' and '.', at most 64 of them")
    return value


RunName = Annotated[str, AfterValidator(_file_name)]
"""Short name of a run; its report is called after it."""


def expand(text: str) -> str:
    """`text` with ``${VARIABLE}`` replaced.

    Raises
    ------
    ValueError
        When a variable is not set.
    """
    expanded = os.path.expandvars(text)
    if (missing := re.search(r"\$\{?(\w+)", expanded)) is not None:
        raise ValueError(f"the variable {missing[1]} is not set; set it to the data's folder")
    return expanded


def _located(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    folder = (info.context or {}).get("folder", Path.cwd())
    path = Path(folder, Path(expand(value)).expanduser())
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


LocalFile = Annotated[Path, BeforeValidator(_located)]
"""A file that is there: absolute or relative to the YAML file, with ``${VARIABLE}`` replaced."""

StepFields = Annotated[
    Section,
    BeforeValidator(lambda value: {} if value is None else value),
    Field(default_factory=dict),
]
"""Fields of one step's request; a name with nothing below it (``mcmc:``) is an empty section."""


class ClosedSection(BaseModel):
    """A section with fields of its own and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenSection(BaseModel):
    """A section whose other fields are those of a request."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def request(self) -> Section:
        """The other fields."""
        return dict(self.model_extra or {})


class _Texts(yaml.SafeLoader):
    """YAML without dates: an unquoted 2001-01-31 is the text that requests take."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class FlowConfig(ClosedSection):
    """Base of the models of flows' files."""

    wanted: ClassVar[str] = "fields"
    """What such a file holds, for the message about an empty one."""

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML file.

        Raises
        ------
        NotFound
            When there is no such file.
        InvalidRequest
            When it is not YAML in UTF-8; else with every field at fault.
        """
        path = Path(path).absolute()
        return cls.from_plain(cls.read(path), path.parent, where=str(path))

    @staticmethod
    def read(path: Path) -> Any:
        """Content of a YAML file, unchecked; errors as in :meth:`from_file`."""
        try:
            return yaml.load(path.read_text(encoding="utf-8"), Loader=_Texts)  # noqa: S506 (safe)
        except OSError as error:
            raise NotFound(f"{path} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"{path} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}); "
                "save it as UTF-8"
            ) from None
        except yaml.YAMLError as error:
            raise InvalidRequest(f"{path} is not YAML: {error}") from None

    @classmethod
    def from_plain(cls, data: Any, folder: Path, where: str = "the file") -> Self:
        """Check plain data; relative paths in it start at `folder`."""
        if not isinstance(data, Mapping):
            raise InvalidRequest(f"{where} holds no fields; wanted {cls.wanted}")
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
