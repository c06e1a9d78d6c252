"""CAMELS and Caravan: daily forcing, streamflow and attributes of basins.

=================================  ================  ===============================================
files                              product           dataset
=================================  ================  ===============================================
``*_forcing_leap.txt``             daymet, nldas,    (basin, time), one per product
                                   maurer, ...
``*_streamflow_qc.txt``            usgs              discharge, streamflow, flag (basin, time)
``*_model_output.txt``             sacsma            (member, basin, time), a member per seed
``camels_*.txt``                   attributes        (basin)
Caravan netCDF or CSV              caravan           (basin, time)
=================================  ================  ===============================================

Records of different length share the union of their dates. Gauge ids have 8 digits everywhere, so
forcing, streamflow and attributes of a basin join on ``basin``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

import xarray as xr

from catena.data_ingest.sources import camels_tables, camels_text, caravan
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.tables import (
    Member,
    Record,
    TableSource,
    chosen,
    first_line,
    joined,
    refuse,
    slug,
    with_bounds,
    words_only,
)
from catena.data_ingest.sources.tables_stack import stack
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_FORCING = re.compile(r"^(\d{8})_lump_([a-z]+)_forcing_leap\.txt$")
_FLOW = re.compile(r"^(\d{8})_streamflow_qc\.txt$")
_MODEL = re.compile(r"^(\d{8})_(\d{2})_model_output\.txt$")
_CSV = re.compile(r"^(\d{8})(_\w+)?\.csv$")
_ATTRIBUTES = re.compile(r"^camels_(clim|geol|hydro|name|soil|topo|vege)\.txt$")
_LIST = re.compile(r"basin.*(set|list)|(set|list).*basin", re.IGNORECASE)
_FORCING_PRODUCTS = ("daymet", "nldas", "nldas_extended", "maurer", "maurer_extended")
_BY_NAME = {"cida": "daymet", "nldas": "nldas", "maurer": "maurer"}
_VOCABULARIES = {
    "daymet": "camels_daymet", "exphydro": "camels_daymet",
    "nldas": "camels_nldas", "nldas_extended": "camels_nldas",
    "maurer": "camels_maurer", "maurer_extended": "camels_maurer",
    "usgs": "camels_usgs", "sacsma": "camels_model",
    "attributes": "camels_attributes", "scores": "camels_attributes",
}  # fmt: skip
_SOURCES = {
    "daymet": "Daymet", "exphydro": "Daymet", "nldas": "NLDAS", "nldas_extended": "NLDAS",
    "maurer": "Maurer", "maurer_extended": "Maurer", "usgs": "USGS", "sacsma": "SAC-SMA",
    "attributes": "CAMELS", "scores": "generative-model",
}  # fmt: skip
_FIXED = ("attributes", "scores")
_DATED = "date,prcp(mm/day)"


class Camels(TableSource):
    """CAMELS-US in its text layout, and Caravan."""

    name: ClassVar[str] = "camels"
    place: ClassVar[str] = "basin"

    def _datasets(
        self, archive: Archive, patterns: Sequence[str] | None
    ) -> tuple[list[Entry], list[Finding]]:
        files = archive.find()
        groups, refused = _classify(archive, files)
        entries: list[Entry] = []
        for product, named in sorted(groups.items()):
            found, again = _once(archive, product, named)
            refused += again
            picked = {
                name: file
                for name, file in found.items()
                if product in _FIXED or chosen(name[:8], patterns)
            }
            if picked:
                entries.append(_entry(product, picked))
        basins, again = caravan.group(
            [file for file in files if caravan.is_basin_file(file.path)],
            lambda basin: chosen(basin, patterns),
        )
        entries += [*basins, *_whole_tables(files)]
        return entries, [*refused, *again]

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry, lazily; files that cannot be read are left out by name.

        Raises
        ------
        InvalidData
            When none of its files can be read.
        """
        product = entry.facets.get("product", "")
        if product == "caravan":
            return caravan.open_basins(archive, entry)
        if product == "caravan_table":
            return caravan.open_table(archive, entry)
        if product == "attributes":
            return camels_tables.open_attributes(archive, entry.key, entry.files)
        if product == "scores":
            return camels_tables.open_scores(archive, entry.key, entry.files)
        if product not in _VOCABULARIES:
            raise InvalidData(f"dataset {entry.key}: no product '{product}' here; search again")
        places = camels_tables.Places(archive, archive.find())
        opened = (
            _open_runs(archive, entry)
            if product == "sacsma"
            else stack("basin", _members(archive, entry, product, places), key=entry.key)
        )
        if "discharge_QC" in opened:
            opened["discharge_QC"].attrs.update(camels_text.FLAG_ATTRIBUTES)
            opened["discharge"].attrs["ancillary_variables"] = "discharge_QC"
            # A flag describes data: as a coordinate it travels with them and is not converted.
            opened = opened.set_coords("discharge_QC")
        opened = camels_tables.with_topography(opened, places)
        opened.attrs.update(product=product, time_zone="local standard time of the basin")
        return with_bounds(opened, "1D")


Groups = dict[str, list[tuple[str, ArchiveFile]]]


def _classify(archive: Archive, files: Sequence[ArchiveFile]) -> tuple[Groups, list[Finding]]:
    """Files by product, each with the name of its basin (and run); the rest is refused."""
    groups: Groups = {}
    refused: list[Finding] = []
    for file in files:
        if caravan.is_basin_file(file.path) or _is_netcdf(file):
            continue
        place = _place(archive, file)
        if isinstance(place, Finding):
            refused.append(place)
        else:
            groups.setdefault(place[0], []).append((place[1], file))
    scores = groups.get("scores", [])
    if scores and not any(name == camels_tables.CATCHMENTS for name, _ in scores):
        refused += [
            refuse(file.path, f"scores without {camels_tables.CATCHMENTS}", "names of the basins",
                   "values in an order that nothing tells")
            for _, file in groups.pop("scores")
        ]  # fmt: skip
    return groups, refused


def _place(archive: Archive, file: ArchiveFile) -> tuple[str, str] | Finding:
    path = PurePosixPath(file.path)
    name = path.name
    if match := _FORCING.match(name):
        folder = next((part for part in reversed(path.parts) if part in _FORCING_PRODUCTS), "")
        product = folder or _BY_NAME.get(match[2], "")
        if product:
            return product, match[1]
        return refuse(file.path, f"forcing '{match[2]}'", ", ".join(_FORCING_PRODUCTS))
    if match := _FLOW.match(name):
        return "usgs", match[1]
    if match := _MODEL.match(name):
        return "sacsma", f"{match[1]}_{match[2]}"
    if _ATTRIBUTES.match(name):
        return "attributes", name
    if name == camels_tables.CATCHMENTS or re.match(r"^\w+_(NSE|KGE)S?\.csv$", name):
        return "scores", name
    if words := words_only(file):
        return words
    if _LIST.search(name):
        return refuse(file.path, "a list of basins", "data", "not data: a selection of somebody")
    if match := _CSV.match(name):
        return _table_of_basin(archive, file, match[1])
    return refuse(
        file.path, f"the name {name}", "a file of CAMELS or Caravan",
        "no layout that this source knows; name it as the archive does",
    )  # fmt: skip


def _table_of_basin(archive: Archive, file: ArchiveFile, basin: str) -> tuple[str, str] | Finding:
    head = first_line(archive, file.path)
    if head.startswith(_DATED):
        return "exphydro", basin
    return refuse(
        file.path, f"the columns {head[:150]}", "a column of dates, and units",
        "states of a model without dates and without units: nothing says when or how much",
        variable=head[:150] or "-",
    )  # fmt: skip


def _is_netcdf(file: ArchiveFile) -> bool:
    return file.path.lower().endswith((".nc", ".nc4"))


def _whole_tables(files: Sequence[ArchiveFile]) -> list[Entry]:
    tables = [file for file in files if _is_netcdf(file) and not caravan.is_basin_file(file.path)]
    stems = [PurePosixPath(file.path).stem for file in tables]
    return [
        Entry(
            key=slug(stem if stems.count(stem) == 1 else file.path),
            files=(file,),
            vocabulary="caravan",
            facets={"product": "caravan_table", "frequency": "day", "source_id": "ERA5-Land",
                    "table_id": "basin"},
            referable=True,
        )
        for stem, file in zip(stems, tables, strict=True)
    ]  # fmt: skip


def _once(
    archive: Archive, product: str, named: Sequence[tuple[str, ArchiveFile]]
) -> tuple[dict[str, ArchiveFile], list[Finding]]:
    """One file per basin: copies are refused, and so is the shorter of two that differ."""
    files: dict[str, list[ArchiveFile]] = {}
    for name, file in named:
        files.setdefault(name, []).append(file)
    kept: dict[str, ArchiveFile] = {}
    refused: list[Finding] = []
    for name, several in files.items():
        # The longest, and of copies the one that lies least deep.
        best = min(several, key=lambda file: (-(file.size or 0), file.path.count("/"), file.path))
        kept[name] = best
        for file in several:
            if file is best:
                continue
            same = file.size == best.size and _equal(archive, file, best)
            refused.append(
                refuse(
                    file.path, f"{'a copy' if same else 'another version'} of {best.path}",
                    f"one file of {name} in {product}",
                    "the same bytes" if same else "the longer one is read", check="duplicate",
                )
            )  # fmt: skip
    return kept, refused


def _equal(archive: Archive, one: ArchiveFile, other: ArchiveFile) -> bool:
    if one.checksum and one.checksum == other.checksum:
        return True
    return archive.local(one).read_bytes() == archive.local(other).read_bytes()


def _entry(product: str, files: dict[str, ArchiveFile]) -> Entry:
    names = sorted(files)
    facets = {"product": product, "source_id": _SOURCES[product], "table_id": "basin"}
    facets["frequency"] = "fx" if product in _FIXED else "day"
    if product not in _FIXED:
        facets["basin"] = joined(name[:8] for name in names)
    return Entry(
        key=product,
        files=tuple(files[name] for name in names),
        vocabulary=_VOCABULARIES[product],
        facets=facets,
    )


def _members(
    archive: Archive, entry: Entry, product: str, places: camels_tables.Places
) -> list[Member]:
    members = []
    for file in entry.files:
        basin = PurePosixPath(file.path).name[:8]
        members.append(Member(basin, file, _reader(archive, file, product, basin, places)))
    return members


def _reader(
    archive: Archive, file: ArchiveFile, product: str, basin: str, places: camels_tables.Places
) -> Callable[[], Record]:
    if product == "usgs":
        place = places.of(basin)
        return lambda: camels_text.streamflow(archive, file, basin, place)
    if product == "exphydro":
        return lambda: camels_text.dated_csv(archive, file, first_line(archive, file.path))
    return lambda: camels_text.forcing(archive, file)


def _open_runs(archive: Archive, entry: Entry) -> xr.Dataset:
    """Runs of the model with different seeds: one member each, on all basins that have it."""
    runs: dict[str, list[Member]] = {}
    for file in entry.files:
        match = _MODEL.match(PurePosixPath(file.path).name)
        if match:
            member = Member(match[1], file, _model_reader(archive, file))
            runs.setdefault(match[2], []).append(member)
    stacked = [stack("basin", members, key=entry.key) for _, members in sorted(runs.items())]
    seeds = xr.DataArray(sorted(runs), dims="member", name="member")
    seeds.attrs["long_name"] = "Seed of the optimiser that calibrated the run"
    return xr.concat(
        stacked, dim=seeds, join="outer", coords="minimal", compat="override",
        combine_attrs="override",
    )  # fmt: skip


def _model_reader(archive: Archive, file: ArchiveFile) -> Callable[[], Record]:
    return lambda: camels_text.model_output(archive, file)
