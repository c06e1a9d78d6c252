"""ELM's namelists: `user_nl_elm` written, `lnd_in` read and its paths rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from catena.coupler.elm.config import BypassForcing, ElmConfig, History
from catena.coupler.elm.stages import StageRun
from catena.shared.errors import InvalidRequest

_ENTRY = re.compile(r"""^\s*(\w+)\s*=\s*((?:'[^']*'|"[^"]*"|[^!'"])*)""")
"""An exclamation mark begins a comment, but not in a text."""


def fortran(value: Any) -> str:
    """A value as Fortran's namelists write it.

    Raises
    ------
    InvalidRequest
        When it is nothing a namelist can hold.
    """
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        if value.strip().startswith((".true.", ".false.", "'", '"')):
            return value.strip()
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Sequence) and value:
        return ", ".join(fortran(item) for item in value)
    raise InvalidRequest(f"namelist: got {value!r}, wanted a number, a text, a flag or a list")


def entries(text: str) -> dict[str, str]:
    """Entries of a namelist as text, lower-case names; groups are not told apart."""
    found = {}
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            found[entry[1].lower()] = entry[2].strip()
    return found


def text_value(value: str) -> str:
    """A text without its quotes."""
    value = value.strip()
    quote = value[:1]
    if quote in ("'", '"') and value.endswith(quote) and len(value) > 1:
        value = value[1:-1].replace(quote * 2, quote)
    return value.strip()


def replace_entries(text: str, changes: Mapping[str, str]) -> str:
    """The same namelist with other values; every name must be in it.

    Raises
    ------
    InvalidRequest
        When one is not.
    """
    left = dict(changes)
    lines = []
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry and entry[1].lower() in left:
            line = f" {entry[1]} = {left.pop(entry[1].lower())}"
        lines.append(line)
    if left:
        raise InvalidRequest(f"the namelist has no {', '.join(sorted(left))}; build it with them")
    return "\n".join(lines) + "\n"


def user_namelist(config: ElmConfig, run: StageRun) -> str:
    """Content of `user_nl_elm` for a stage, without spinup_state: an option of CIME sets that."""
    values: dict[str, Any] = {
        "fsurdat": str(config.surface_file),
        "paramfile": str(config.parameter_file),
    }
    if config.finidat is not None and run.before is None:
        values["finidat"] = str(config.finidat)
    if run.name == "ad_spinup":
        values["nyears_ad_carbon_only"] = config.nyears_ad_carbon_only
        if config.phosphorus_in_ad == "supplemented":
            values["suplphos"] = "ALL"
    if run.name == "transient":
        # The namelist builder has no default for a point; a blank keeps the cover of fsurdat. The
        # restart file is of another year than the start, which ELM would refuse.
        values["flanduse_timeseries"] = str(config.land_use_file or " ")
        values["check_finidat_year_consistency"] = False
        values["check_finidat_fsurdat_consistency"] = False
    if isinstance(config.forcing, BypassForcing):
        values |= {
            "metdata_type": "site",
            "metdata_bypass": str(config.forcing.directory),
            "co2_file": str(config.forcing.co2_file),
            "aero_file": str(config.forcing.aerosol_file),
        }
    values |= _history(config.history)
    values |= config.namelist | run.stage.namelist
    body = "".join(f" {name} = {fortran(value)}\n" for name, value in values.items())
    return f"! Written by catena for the stage {run.name}; changes here are overwritten.\n{body}"


def _history(streams: Sequence[History]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if any(stream.variables for stream in streams):
        values["hist_empty_htapes"] = True
    for number, stream in enumerate(streams, 1):
        if stream.variables:
            values[f"hist_fincl{number}"] = stream.variables
    values["hist_nhtfrq"] = tuple(stream.frequency for stream in streams)
    values["hist_mfilt"] = tuple(stream.records for stream in streams)
    values["hist_dov2xy"] = tuple(stream.gridded for stream in streams)
    return values
