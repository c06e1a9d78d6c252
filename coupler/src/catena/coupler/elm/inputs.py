"""The input files of a configuration by their content: other content gives other results."""

from __future__ import annotations

import hashlib
import subprocess
from functools import lru_cache
from pathlib import Path

from catena.coupler.elm.config import BypassForcing, ElmConfig


def input_digests(config: ElmConfig) -> dict[str, str]:
    """Digest of each input file by what it is.

    Parameters
    ----------
    config : ElmConfig
        Parameters, surface, domain, land use, restart file, forcing, CO2, aerosols, and files that
        its namelists name. Files of the data atmosphere, which may be very large, count by name,
        size and time of change; the others by content.
    """
    fields = ("parameter_file", "surface_file", "domain_file", "land_use_file", "finidat")
    files: dict[str, Path | None] = {name: getattr(config, name) for name in fields}
    forcing = config.forcing
    found: dict[str, str] = {}
    if isinstance(forcing, BypassForcing):
        files["forcing"] = forcing.directory / "all_hourly.nc"
        files["co2_file"], files["aerosol_file"] = forcing.co2_file, forcing.aerosol_file
    elif forcing.directory is not None:
        stamps = [
            f"{path.relative_to(forcing.directory)} {path.stat().st_size} {path.stat().st_mtime_ns}"
            for path in sorted(forcing.directory.rglob("*"))
            if path.is_file()
        ]
        found["forcing"] = hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:16]
    for section in (config.namelist, *(stage.namelist for stage in config.stages)):
        files |= {
            f"namelist.{name}": Path(value)
            for name, value in section.items()
            if isinstance(value, str) and value.startswith("/") and Path(value).is_file()
        }
    return found | {name: file_digest(path) for name, path in files.items() if path is not None}


def file_digest(path: Path) -> str:
    """Short digest of a file's content."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def checkout_revision(config: ElmConfig) -> str:
    """Commit of the checkout of E3SM; empty where it is no git repository."""
    told = subprocess.run(
        ["git", "-C", str(config.cime_root), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    return told.stdout.strip() if told.returncode == 0 else ""
