"""``@job``: a function that turns a request into an artifact."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.errors import FieldViolation, InternalError, InvalidRequest, VersionMismatch
from catena.shared.query import Query

if TYPE_CHECKING:
    from catena.shared.jobs.context import JobContext

Q = TypeVar("Q", bound=Query)

_NAME = re.compile(r"([a-z][a-z0-9-]{0,62})/([A-Z][A-Za-z0-9]{0,62})/([0-9a-f]{64})")


@dataclass(frozen=True)
class JobFunction:
    """A job's code and what it needs. Made by :func:`job`; call it like the function itself.

    Parameters
    ----------
    function : callable
        ``(query, context) -> ArtifactRef``.
    service, method : str
        Whose request it answers, e.g. ``calibrator`` and ``TrainPosterior``.
    version : int
        Version of its science; another version is another job.
    cpus : int
        CPUs that it computes with; 0 for a job that only hands out Ray tasks.
    query : type of Query
        Model of its request.
    """

    function: Callable[[Any, JobContext], ArtifactRef]
    service: str
    method: str
    version: int
    cpus: int
    query: type[Query]

    def __call__(self, query: Query, context: JobContext) -> ArtifactRef:
        """Run it here and now."""
        return self.function(query, context)

    @property
    def entry(self) -> str:
        """Where a worker finds it: ``module:function``."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def name(self, query: Query) -> str:
        """Name of the job that answers `query`: ``<service>/<Method>/<digest>``."""
        digest = query.digest(self.service, self.method, self.version)
        return f"{self.service}/{self.method}/{digest}"


def job(
    *, service: str, method: str, query: type[Q], version: int = 1, cpus: int = 1
) -> Callable[[Callable[[Q, JobContext], ArtifactRef]], JobFunction]:
    """Declare a job.

    Parameters
    ----------
    service, method : str
        Whose request it answers, e.g. ``calibrator`` and ``TrainPosterior``.
    query : type of Query
        Model of the request.
    version : int
        Raise it when the science changes: results of the old version are then not reused.
    cpus : int
        CPUs, and threads, of the process. A job that fans out into Ray tasks says 0, or its own
        tasks wait for the CPUs that it holds.

    Examples
    --------
    >>> @job(service="calibrator", method="TrainPosterior", query=TrainPosteriorQuery)
    ... def train_posterior(query, ctx):
    ...     ...
    ...     return ctx.commit(kind="posterior")
    """
    if not _NAME.fullmatch(f"{service}/{method}/{'0' * 64}"):
        raise ValueError(f"@job: got service {service!r} and method {method!r}")
    if version < 1 or cpus < 0:
        raise ValueError(f"@job: got version {version} and cpus {cpus}; wanted >= 1 and >= 0")

    def declare(function: Callable[[Q, JobContext], ArtifactRef]) -> JobFunction:
        return JobFunction(function, service, method, version, cpus, query)

    return declare


def load_function(entry: str) -> JobFunction:
    """Job function by its entry, as :attr:`JobFunction.entry` gives it.

    Raises
    ------
    VersionMismatch
        When this installation has no such job.
    """
    module, _, attribute = entry.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise VersionMismatch(
            f"the worker cannot load the job '{entry}'; install the same packages on all nodes"
        ) from error
    if not isinstance(found, JobFunction):
        raise InternalError(f"'{entry}' is not declared with @job")
    return found


def split_name(name: str, field: str = "name") -> tuple[str, str, str]:
    """Service, method and digest of a job's name.

    Raises
    ------
    InvalidRequest
        When it is no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        text = f"got {shown!a}, wanted '<service>/<Method>/<64 hexadecimal digits>'"
        raise InvalidRequest(
            f"{field} is not the name of a job", violations=[FieldViolation(field, text)]
        )
    return match[1], match[2], match[3]
