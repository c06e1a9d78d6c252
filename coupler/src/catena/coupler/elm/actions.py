"""What is done to a case, as values: a dry run prints them, a run does them."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from catena.coupler.elm.commands import CommandLog
from catena.coupler.restart.writing import replacing
from catena.shared.errors import FailedPrecondition


@dataclass(frozen=True)
class Command:
    """A program of CIME."""

    argv: tuple[str, ...]
    folder: Path

    def __str__(self) -> str:
        return f"cd {self.folder} && {shlex.join(self.argv)}"

    def do(self, log: CommandLog) -> None:
        """Run it."""
        log.run(self.argv, self.folder)


@dataclass(frozen=True)
class WriteFile:
    """A file with all of its content."""

    path: Path
    content: str

    def __str__(self) -> str:
        body = "".join(f"\n    {line}" for line in self.content.splitlines())
        return f"write {self.path}{body}"

    def do(self, log: CommandLog) -> None:
        """Write it whole or not at all."""
        write_atomically(self.path, self.content.encode())


@dataclass(frozen=True)
class AppendLine:
    """A line that a file of CIME must hold."""

    path: Path
    line: str

    def __str__(self) -> str:
        return f"append to {self.path}: {self.line}"

    def do(self, log: CommandLog) -> None:
        """Add the line where it is not there yet."""
        if not self.path.is_file():
            raise FailedPrecondition(
                f"there is no '{self.path}': this CIME keeps its macros elsewhere; wanted "
                "cmake_macros/universal.cmake (E3SM of 2023 or newer)"
            )
        text = self.path.read_text()
        if self.line not in text.splitlines():
            write_atomically(self.path, f"{text.rstrip()}\n{self.line}\n".encode())


@dataclass(frozen=True)
class CopyFile:
    """A copy, as of a restart file into the next stage's run directory."""

    source: Path
    target: Path

    def __str__(self) -> str:
        return f"copy {self.source} to {self.target}"

    def do(self, log: CommandLog) -> None:
        """Copy whole or not at all."""
        if not self.source.is_file():
            raise FailedPrecondition(
                f"there is no '{self.source}', which the stage starts from; run the stage before"
            )
        copy_atomically(self.source, self.target)


@dataclass(frozen=True)
class Submit:
    """The model's run, through an executor."""

    argv: tuple[str, ...]
    folder: Path
    executor: str

    def __str__(self) -> str:
        return f"submit ({self.executor}): cd {self.folder} && {shlex.join(self.argv)}"


Action = Command | WriteFile | AppendLine | CopyFile | Submit


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file so that the copy is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
