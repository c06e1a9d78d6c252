"""What is checked, and what is stored, before a job is started."""

from __future__ import annotations

from typing import Any

from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import (
    CatenaError,
    FieldViolation,
    InternalError,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from catena.shared.jobs.function import JobFunction
from catena.shared.query import Query
from catena.shared.version import code_version


def check_refs(store: ArtifactStore, query: Query) -> None:
    """Make sure that every input is there and is what the request says.

    Raises
    ------
    NotFound
        When inputs are missing, and nothing else is wrong; names every such field.
    InvalidRequest
        When an input has other content, or is of another kind; names every field at fault.
    Unavailable
        When the store does not answer.
    """
    violations = []
    missing = True
    for field, ref in query.refs():
        try:
            store.open(ref)
        except Unavailable:
            raise
        except CatenaError as error:
            violations.append(FieldViolation(field, error.message))
            missing = missing and isinstance(error, NotFound)
    if violations:
        kind = NotFound if missing else InvalidRequest
        noun = "input is" if len(violations) == 1 else "inputs are"
        raise kind(f"{len(violations)} {noun} not as wanted", violations=violations)


def stored_request(function: JobFunction, query: Query) -> dict[str, Any]:
    """Content of ``request.json``: all that a worker needs.

    Raises
    ------
    InternalError
        When a worker could not make the same request of it, or could not load the function.
    """
    stored = query.model_dump(mode="json", exclude={"validate_only"})
    if function.name(function.query.from_plain(stored)) != function.name(query):
        raise InternalError(f"{type(query).__name__} does not survive being stored")
    if function.entry.startswith("__main__:") or "<locals>" in function.entry:
        raise InternalError(
            f"workers cannot import '{function.entry}'; declare the job in a module"
        )
    return {
        "service": function.service,
        "method": function.method,
        "version": function.version,
        "canonical": query.canonical(),
        "query": stored,
        "entry": function.entry,
        "code_version": code_version(),
        "cpus": function.cpus,
    }
