"""The run directory of one member of an ensemble: its own namelists, parameters, surface file."""

from __future__ import annotations

import re
from pathlib import Path

from catena.coupler.elm.actions import copy_atomically, write_atomically
from catena.coupler.elm.namelist import entries, fortran, replace_entries, text_value
from catena.coupler.elm.parameters import Changes, perturb_parameters
from catena.shared.errors import FailedPrecondition

_COPIED = re.compile(r".*(_in|_modelio\.nml|\.rc|\.streams.*|stream.*\.txt)$|^CASEROOT$")


def member_name(number: int) -> str:
    """`g00001`, counted from 1."""
    return f"g{number:05d}"


def make_member(parent: Path, folder: Path, changes: Changes, restart: Path | None = None) -> None:
    """Make a member's run directory from the one of a case that is ready to run.

    Parameters
    ----------
    parent : Path
        Run directory with its namelists.
    folder : Path
        `.../g00001`. Gets clm_params_00001.nc, surfdata_00001.nc and namelists that name them;
        paths into the parent's directory are rewritten. The executable stays where it is.
    changes : mapping
        Of parameters, as for :func:`~catena.coupler.elm.parameters.perturb_parameters`.
    restart : Path, optional
        What it starts from, in place of what the parent starts from.

    Raises
    ------
    FailedPrecondition
        When the parent has no namelists, or a file that they name is missing.
    InvalidRequest
        When a parameter is not as wanted.
    """
    if not (parent / "lnd_in").is_file():
        raise FailedPrecondition(f"'{parent}' has no lnd_in; prepare the case first")
    number = folder.name.removeprefix("g")
    land = entries((parent / "lnd_in").read_text())
    sources = {name: parent / text_value(land[name]) for name in ("paramfile", "fsurdat")}
    starts = {
        name: text_value(land[name])
        for name in ("finidat", "nrevsn")
        if text_value(land.get(name, ""))
    }
    for name, path in sources.items():
        if not path.is_file():
            raise FailedPrecondition(f"{name} of the case is missing: '{path}'")
    (folder / "timing" / "checkpoints").mkdir(parents=True, exist_ok=True)
    parameter_file = folder / f"clm_params_{number}.nc"
    surface_file = folder / f"surfdata_{number}.nc"
    perturb_parameters(sources["paramfile"], parameter_file, changes)
    copy_atomically(sources["fsurdat"], surface_file)
    own = {"paramfile": str(parameter_file), "fsurdat": str(surface_file)}
    for name, value in starts.items():
        source = restart or parent / value
        if not source.is_file():
            raise FailedPrecondition(f"there is no '{source}' to start {folder.name} from")
        copy_atomically(source, folder / Path(value).name)
        own[name] = str(folder / Path(value).name)
        if name == "nrevsn":
            _copy_pointers(parent, folder)
    # The parent's folder as a whole name: not the beginning of another one's.
    inside = re.compile(re.escape(str(parent)) + r"(?=[/'\"\s]|$)")
    for path in parent.iterdir():
        if path.is_file() and _COPIED.match(path.name):
            text = path.read_text()
            if path.name == "lnd_in":
                text = replace_entries(text, {name: fortran(value) for name, value in own.items()})
            text = inside.sub(lambda _: str(folder), text)
            write_atomically(folder / path.name, text.encode())


def continue_member(folder: Path, years: int, restart_years: int) -> None:
    """Let a member's run directory go on from what its pointer files name, as CONTINUE_RUN does.

    Parameters
    ----------
    folder : Path
        `.../g00001`.
    years : int
        Still to run.
    restart_years : int
        Between restart files.
    """
    path = folder / "drv_in"
    changes = {"start_type": "'continue'", "stop_n": str(years), "restart_n": str(restart_years)}
    write_atomically(path, replace_entries(path.read_text(), changes).encode())


def _copy_pointers(parent: Path, folder: Path) -> None:
    for pointer in ("rpointer.lnd", "rpointer.drv"):
        named = (parent / pointer).read_text().strip().removeprefix("./")
        copy_atomically(parent / pointer, folder / pointer)
        if not (folder / named).exists():
            copy_atomically(parent / named, folder / named)
