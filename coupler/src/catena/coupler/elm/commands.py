"""CIME's programs: run, logged, and their errors told in their own words with what to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from catena.shared.errors import FailedPrecondition

_ADVICE = (
    (r"Author identity unknown|tell me who you are", "set git_name and git_email"),
    (r"spinup_state contradicts", "leave spinup_state out of user_nl_elm: the stage sets it"),
    (r"Variable name (\w+) not found", "correct or remove this entry of `namelist`"),
    (r"No variable (\w+) found in case", "correct or remove this entry of `xml`"),
    (r"all stub components", "the compset is misspelt or holds no ELM"),
    (r"No machine .* found", "give a machine of cime_config/machines/config_machines.xml, or add "
     "yours to ~/.cime/config_machines.xml"),
    (r"source directory does not exist|root directory must contain",
     "the checkout lacks submodules: git submodule update --init --recursive"),
    (r"MOAB", "take driver: mct where MOAB is not installed"),
    (r"--clean-all", "build settings have changed: set rebuild: true, or call `./case.build "
     "--clean-all` in the case yourself"),
    (r"case\.setup --reset", "the layout of processors or the batch settings have changed: call "
     "`./case.setup --reset` in the case, or take another case_name"),
    (r"Case directory .* already exists", "take another case_name or remove the directory"),
    (r"BUILD FAIL|No CMAKE_\w+_COMPILER", "read the log that it names; the compiler and netCDF of "
     "`machine` and `compiler` must be there"),
    (r"Unknown Job Queue|invalid account|invalid partition", "correct queue and project"),
    (r"No default value found for flanduse_timeseries", "give land_use_file, or leave it out: then "
     "the land's cover does not change"),
    (r"missing file|Could not find all inputdata", "download with `./check_input_data --download` "
     "where there is a network, or name files that exist"),
    (r"xmllint not found", "install libxml2's xmllint"),
    (r"XML/LibXML\.pm", "install Perl's XML::LibXML: ELM's namelist builder needs it"),
)  # fmt: skip
_LINES = 12


def advice(message: str) -> str:
    """What to do about a message of CIME; empty where nothing is known."""
    found = [text for pattern, text in _ADVICE if re.search(pattern, message)]
    return "; ".join(found)


def essence(output: str) -> str:
    """The part of a program's output that says what is wrong: from its last ERROR on."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    missing = [line for line in lines if "missing file" in line]
    if missing:
        more = [f"... and {len(missing) - _LINES} more"] if len(missing) > _LINES else []
        return "\n".join([*missing[:_LINES], *more])
    starts = [number for number, line in enumerate(lines) if line.startswith("ERROR")]
    told = lines[starts[-1] :] if starts else lines[-_LINES:]
    if len(told) > _LINES:  # the command first, the cause last
        told = [told[0], "...", *told[2 - _LINES :]]
    return "\n".join(_shortened(line) for line in told)


def _shortened(line: str) -> str:
    return line if len(line) < 900 else f"{line[:300]} ... {line[-500:]}"


class CommandLog:
    """Runs programs and keeps a line of JSON about each.

    Parameters
    ----------
    path : Path
        The log; it is added to.
    environment : mapping
        What the programs get besides this process's environment.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        self.environment = {**os.environ, **environment}

    def run(self, argv: Sequence[str], folder: Path, kind: str = "command") -> str:
        """Run a program and give its output.

        Parameters
        ----------
        argv : sequence of str
        folder : Path
            Where it runs.
        kind : {"command", "query"}
            Queries change nothing.

        Raises
        ------
        FailedPrecondition
            When it fails; the message quotes it and says what to do.
        """
        began = time.time()
        try:
            done = subprocess.run(
                list(argv),
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise FailedPrecondition(
                f"{Path(argv[0]).name} could not be started: {error.strerror}; is the case whole?"
            ) from error
        output = done.stdout
        self.note(
            kind,
            argv=list(argv),
            folder=str(folder),
            status=done.returncode,
            seconds=round(time.time() - began, 2),
            output=essence(output)[-2000:],
        )
        # CIME has ended with status 0 after its own commit to git had failed.
        if done.returncode or "Author identity unknown" in output:
            raise FailedPrecondition(self._message(argv, done.returncode, output))
        return output

    def note(self, kind: str, **values: object) -> None:
        """Add a line to the log."""
        # Parts of a second tell the order of cases.
        at = datetime.now().isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "kind": kind, **values})
        with self.path.open("a") as file:
            file.write(line + "\n")

    def _message(self, argv: Sequence[str], status: int, output: str) -> str:
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        said = essence(output) or "nothing"
        todo = advice(said)
        text = f"{Path(argv[0]).name} ended with {ended} and said:\n{said}"
        return f"{text}\nWhat to do: {todo}" if todo else text
