"""Flux towers: forcing of sites, observed fluxes, and drivers of site models.

===================================  ==================================================
files                                dataset (``product``)
===================================  ==================================================
``FLX_*``/``AMF_*_FULLSET_HH_*``     FLUXNET2015 of a site and resolution (fluxnet2015)
``AMF_*_BASE_HH_*``                  AmeriFlux BASE of a site (ameriflux_base)
netCDF of one site                   elm_site, pecan_met, plumber2, callmip
``validation_<site>.csv``            monthly fluxes of all sites (fluxnet_monthly)
``flux_site_<row>.cbf``              CARDAMOM's drivers of all sites (cardamom)
tables of the P-model, REddyProc     one site each (p_model, reddyproc)
===================================  ==================================================

Clocks stay as they are: UTC in ELM's forcing, local standard time elsewhere (attribute
``time_zone``). AmeriFlux and FLUXNET give files to registered users only, as archives to unpack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

import xarray as xr

from catena.data_ingest.sources import cardamom, flux_netcdf, flux_tables
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.flux_layout import Place, place_of
from catena.data_ingest.sources.flux_sites import Sites
from catena.data_ingest.sources.tables import (
    Member,
    Record,
    TableSource,
    chosen,
    joined,
    refuse,
    slug,
    with_bounds,
)
from catena.data_ingest.sources.tables_stack import stack
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_GROUPED = {"fluxnet_monthly": "MS", "cardamom": "MS"}
_CBF = re.compile(r"flux_site_(\d+)\.cbf$")


class Flux(TableSource):
    """Sites of flux towers."""

    name: ClassVar[str] = "flux"
    place: ClassVar[str] = "site"

    def _datasets(
        self, archive: Archive, patterns: Sequence[str] | None
    ) -> tuple[list[Entry], list[Finding]]:
        refused: list[Finding] = []
        groups: dict[str, list[tuple[Place, ArchiveFile]]] = {}
        files = archive.find()
        order = Sites(archive, files).order
        for file in files:
            place = place_of(archive, file, order)
            if isinstance(place, Finding):
                refused.append(place)
            elif chosen(place.site, patterns):
                groups.setdefault(place.group, []).append((place, file))
        entries = []
        for group, members in sorted(groups.items()):
            members, again = _once(members)
            refused += again
            if members:
                entries.append(_entry(group, members))
        return entries, refused

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry, lazily; files that cannot be read are left out by name.

        Raises
        ------
        InvalidData
            When none of its files can be read.
        """
        product = entry.facets["product"]
        if product in {layout.name for layout in flux_netcdf.LAYOUTS}:
            return flux_netcdf.open_site(archive, entry.key, entry.files[0])
        sites = Sites(archive, archive.find())
        if product == "p_model":
            members = [_p_model(archive, entry, sites)]
        else:
            members = [_member(archive, entry, product, file, sites) for file in entry.files]
        dataset = stack("site", members, key=entry.key)
        step = _GROUPED.get(product) or flux_tables.STEPS.get(entry.facets["resolution"], "1D")
        flags = [str(name) for name in dataset.data_vars if str(name).endswith("_QC")]
        for flag in flags:
            dataset[flag].attrs["long_name"] = f"Quality of {flag.removesuffix('_QC')}"
            dataset[flag.removesuffix("_QC")].attrs["ancillary_variables"] = flag
        # Flags describe data: as coordinates they travel with them and are not converted.
        dataset = with_bounds(dataset.set_coords(flags), step)
        dataset.attrs.update(product=product, time_zone="local standard time")
        return dataset


def _entry(group: str, members: list[tuple[Place, ArchiveFile]]) -> Entry:
    first = members[0][0]
    facets = {
        "product": first.product,
        "site": joined(place.site for place, _ in members),
        "frequency": first.frequency,
        "source_id": first.source_id,
        "table_id": "site",
    }
    if first.resolution:
        facets["resolution"] = first.resolution
    return Entry(
        key=slug(group),
        files=tuple(file for _, file in members),
        vocabulary=first.vocabulary,
        facets=facets,
    )


def _once(
    members: list[tuple[Place, ArchiveFile]],
) -> tuple[list[tuple[Place, ArchiveFile]], list[Finding]]:
    """One file per role in a dataset: of two the longer is read."""
    best: dict[str, tuple[Place, ArchiveFile]] = {}
    refused = []
    for place, file in sorted(members, key=lambda each: _shorter(each[1])):
        role = f"{place.site} {place.role}"
        if role in best:
            refused.append(
                refuse(file.path, f"site {place.site} for the second time in {place.group}",
                       "one file", f"{best[role][1].path} is read, it is longer",
                       check="duplicate")
            )  # fmt: skip
        else:
            best[role] = (place, file)
    return sorted(best.values(), key=lambda each: (each[0].site, each[0].role)), refused


def _shorter(file: ArchiveFile) -> tuple[int, int, str]:
    """Order of files from long to short: by the period in their names, then by size."""
    match = re.search(r"(?<!\d)((?:19|20)\d{2})-((?:19|20)\d{2})(?!\d)", file.path)
    return int(match[1]) - int(match[2]) if match else 0, -(file.size or 0), file.path


def _member(
    archive: Archive, entry: Entry, product: str, file: ArchiveFile, sites: Sites
) -> Member:
    name = PurePosixPath(file.path).name
    if product == "cardamom":
        match = _CBF.search(name)
        row = int(match[1]) if match else 0
        site = sites.order[row - 1] if 1 <= row <= len(sites.order) else name.removesuffix(".cbf")
    elif product == "reddyproc":
        site = entry.facets["site"]
    elif product == "fluxnet_monthly":
        site = name.removeprefix("validation_").removesuffix(".csv")
    else:
        site = flux_netcdf.site_of(file)
    return Member(site, file, _reader(archive, entry, product, file, sites.of(site)))


def _reader(
    archive: Archive, entry: Entry, product: str, file: ArchiveFile, place: dict[str, float | str]
) -> Callable[[], Record]:
    resolution = entry.facets.get("resolution", "")
    if product == "cardamom":
        return lambda: cardamom.cbf(archive, file, place)
    if product == "fluxnet_monthly":
        return lambda: flux_tables.monthly(archive, file, place)
    if product == "fluxnet2015":
        return lambda: flux_tables.fluxnet(archive, file, resolution, place)
    if product == "ameriflux_base":
        return lambda: flux_tables.base(archive, file, resolution, place)
    if product == "reddyproc":
        return lambda: flux_tables.reddyproc(archive, file, place)
    raise InvalidData(f"dataset {entry.key}: no product '{product}' here; search again")


def _p_model(archive: Archive, entry: Entry, sites: Sites) -> Member:
    """Forcing and observed GPP of one site, side by side."""
    by_name = {PurePosixPath(file.path).name: file for file in entry.files}
    forcing = by_name.get("p_model_drivers_forcing.csv", entry.files[0])
    observed = by_name.get("p_model_validation.csv")

    def read() -> Record:
        place = sites.of(entry.facets["site"])
        record = flux_tables.p_model_forcing(archive, forcing, place)
        if observed is None:
            return record
        _, gpp = flux_tables.p_model_gpp(archive, observed)
        if not gpp.times.equals(record.times):
            raise InvalidData(
                f"file {observed.path}: dimension time: found {gpp.times[0]} to {gpp.times[-1]}, "
                f"wanted the days of {forcing.path}"
            )
        return Record(
            record.times, {**record.values, **gpp.values}, coords=record.coords, notes=record.notes
        )

    return Member(entry.facets["site"], forcing, read)
