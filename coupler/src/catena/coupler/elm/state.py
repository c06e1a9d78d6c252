"""What has been done to a case, kept in a file beside it, so that a run resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catena.coupler.elm.actions import write_atomically
from catena.shared.errors import FailedPrecondition


def digest(value: object) -> str:
    """Short digest of something that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class CaseState:
    """Steps that are done, each with the digest of what it was done with.

    Parameters
    ----------
    path : Path
        A file that is there whole or not at all. It lies beside the case directory, which
        create_newcase makes itself.

    Raises
    ------
    FailedPrecondition
        When the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {"steps": {}}
        if path.exists():
            try:
                self.values = json.loads(path.read_text())
                self.values["steps"].items()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise FailedPrecondition(
                    f"'{path}', which says what has been done to the case, is damaged ({error}); "
                    "remove it and the case directory, or take another case_name"
                ) from error

    def done(self, step: str) -> str | None:
        """Digest that the step was done with; None when it was not."""
        found = self.values["steps"].get(step)
        return None if found is None else str(found)

    def record(self, step: str, with_digest: str) -> None:
        """The step is done."""
        self.values["steps"][step] = with_digest
        self.save()

    def forget(self, *steps: str) -> None:
        """These steps have to be done again."""
        for step in steps:
            self.values["steps"].pop(step, None)
        self.save()

    def update(self, **values: Any) -> None:
        """Keep something else; None takes it away."""
        for name, value in values.items():
            if value is None:
                self.values.pop(name, None)
            else:
                self.values[name] = value
        self.save()

    def get(self, name: str) -> Any:
        """What was kept under a name, or None."""
        return self.values.get(name)

    def save(self) -> None:
        """Write the file."""
        write_atomically(self.path, (json.dumps(self.values, indent=1) + "\n").encode())


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which entries differ, in words."""
    names = sorted(set(before) | set(now))
    told = [
        f"{name}: {before.get(name, 'nothing')} -> {now.get(name, 'nothing')}"
        for name in names
        if before.get(name) != now.get(name)
    ]
    return "; ".join(told)
