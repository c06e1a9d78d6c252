"""Which file of a flux archive belongs where: by its name, or by its first line or header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from catena.data_ingest.sources import flux_netcdf, flux_tables
from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.flux_sites import TABLES
from catena.data_ingest.sources.tables import first_line, refuse, words_only
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_MONTHLY = re.compile(r"^validation_([A-Z]{2}-[A-Za-z0-9]{3})\.csv$")
_CBF = re.compile(r"^flux_site_(\d+)\.cbf$")
_AUXILIARY = re.compile(r"^(?:FLX|AMF)_.*_(AUXMETEO|AUXNEE|ERAI|ERA5|BIF)[_.].*")
_OLD_SITE = re.compile(r"([A-Z]{2})-?([A-Z][A-Za-z0-9]{2})(?=\d{2,4}\D|\D)")
_FREQUENCIES = {"HH": "30min", "HR": "1hr", "DD": "day", "WW": "week", "MM": "mon", "YY": "yr"}


@dataclass(frozen=True)
class Place:
    """Where a file belongs.

    Parameters
    ----------
    group : str
        Key of the dataset.
    product, vocabulary, source_id : str
    site : str
    frequency : str
    resolution : str
        FLUXNET's two letters, where steps depend on them.
    role : str
        Part of a dataset that has several files of one site.
    """

    group: str
    product: str
    site: str
    frequency: str
    vocabulary: str
    source_id: str
    resolution: str = ""
    role: str = ""


def place_of(archive: Archive, file: ArchiveFile, order: Sequence[str] = ()) -> Place | Finding:
    """Dataset of a file, or why it is refused.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    order : sequence of str
        Sites by row of ``location_fluxnet.csv``.
    """
    name = PurePosixPath(file.path).name
    place = _by_name(name, order)
    if place is not None:
        return place
    if name in TABLES:
        return refuse(
            file.path, "a table of sites", "series of data",
            "not data of its own: its positions become coordinates of the sites",
        )  # fmt: skip
    if _AUXILIARY.match(name):
        return refuse(file.path, "auxiliary file of a FLUXNET product", "FULLSET, SUBSET or BASE",
                      "downscaled reanalysis, parameters or metadata, no tower data")  # fmt: skip
    if words := words_only(file):
        return words
    if name.lower().endswith((".nc", ".nc4")):
        return _netcdf(archive, file)
    if name.lower().endswith((".csv", ".txt", ".dat")):
        return _text(archive, file)
    return refuse(file.path, f"the name {name}", "a file of a flux archive",
                  "no layout that this source knows; name it as the archive does")  # fmt: skip


def _by_name(name: str, order: Sequence[str]) -> Place | None:
    if match := flux_tables.FULLSET.match(name):
        site, _, resolution = match.groups()
        return Place(
            f"fluxnet2015_{site}_{resolution}", "fluxnet2015", site, _FREQUENCIES[resolution],
            flux_tables.vocabulary_of(resolution), "FLUXNET2015", resolution,
        )  # fmt: skip
    if match := flux_tables.BASE.match(name):
        site, resolution = match.groups()
        return Place(
            f"ameriflux_{site}_{resolution}", "ameriflux_base", site, _FREQUENCIES[resolution],
            "ameriflux_base", "AmeriFlux", resolution,
        )  # fmt: skip
    if match := _MONTHLY.match(name):
        return Place("fluxnet_monthly", "fluxnet_monthly", match[1], "mon", "fluxnet_monthly",
                     "FLUXNET2015", "MM")  # fmt: skip
    if match := _CBF.match(name):
        row = int(match[1])
        site = order[row - 1] if 1 <= row <= len(order) else name.removesuffix(".cbf")
        return Place("cardamom", "cardamom", site, "mon", "cardamom", "CARDAMOM-FluxVal", "MM")
    return None


def _netcdf(archive: Archive, file: ArchiveFile) -> Place | Finding:
    try:
        names = flux_netcdf.variables_of(archive, file)
    except (InvalidData, OSError, ValueError) as error:
        return refuse(file.path, str(error).splitlines()[0], "a netCDF that can be read",
                      "left out; the other files go on", check="file", variable="")  # fmt: skip
    layout = flux_netcdf.layout_of(names)
    if layout is None:
        return refuse(
            file.path, f"the variables {', '.join(names[:10])}",
            "site forcing of ELM, PEcAn or PLUMBER2, or CalLMIP's daily fluxes",
            "no layout that this source knows",
        )  # fmt: skip
    site = flux_netcdf.site_of(file)
    frequency = "day" if layout.name == "callmip" else "subdaily"
    stem = "" if layout.name in ("elm_site", "callmip") else f"_{_years(file)}"
    return Place(f"{layout.name}_{site}{stem}".rstrip("_"), layout.name, site, frequency,
                 layout.name, layout.name)  # fmt: skip


def _years(file: ArchiveFile) -> str:
    return "_".join(re.findall(r"(?<!\d)(?:19|20)\d{2}(?!\d)", PurePosixPath(file.path).name))


def _text(archive: Archive, file: ArchiveFile) -> Place | Finding:
    name = PurePosixPath(file.path).name
    head = first_line(archive, file.path)
    folder = flux_netcdf.SITE.search(file.path)
    if head in (flux_tables.P_MODEL_HEAD, flux_tables.GPP_HEAD):
        site = folder[1] if folder else "site"
        role = "gpp" if head == flux_tables.GPP_HEAD else "forcing"
        return Place(f"p_model_{site}", "p_model", site, "day", "p_model", "P-model", "DD", role)
    if head.split() == flux_tables.REDDYPROC_HEAD.split():
        old = _OLD_SITE.search(name)
        site = f"{old[1]}-{old[2]}" if old else PurePosixPath(name).stem
        return Place(
            f"reddyproc_{site}", "reddyproc", site, "30min", "reddyproc", "REddyProc", "HH"
        )
    return refuse(file.path, *_why_no_table(head, name))


def _why_no_table(head: str, name: str) -> tuple[str, str, str]:
    """Found, wanted, why, for a text that is no series of a site."""
    cells = re.split(r"[\s,;]+", head.strip())
    numbers = sum(bool(re.fullmatch(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", cell)) for cell in cells)
    if cells and numbers == len(cells) and len(cells) > 3:
        return (
            f"{len(cells)} columns of numbers without names", "names and units of the columns",
            "the source does not state what the columns are: nothing is guessed",
        )  # fmt: skip
    if head.startswith("lon,lat,elv"):
        return (
            f"the columns {head}", "series of data",
            "not data of its own: position and soil water of the site beside it",
        )  # fmt: skip
    if "spinup" in head:
        return f"the columns {head[:80]}", "data", "settings of a simulation, not data"
    if "site.id" in head or "FLUX.id" in head:
        return f"the columns {head[:80]}", "data", "numbers of sites in another database, not data"
    return (
        f"the columns {head[:120]}", "a table of FLUXNET, AmeriFlux, REddyProc or the P-model",
        f"{name} has no layout that this source knows",
    )  # fmt: skip
