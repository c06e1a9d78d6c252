"""CAMELS's tables with one row per basin: attributes, and scores of a published model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import xarray as xr

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.camels_text import forcing_head
from catena.data_ingest.sources.tables import (
    place_values,
    refuse,
    with_findings,
    with_places,
)
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData
from catena.shared.lexicon import rows

CATCHMENTS = "catchments.csv"


def attribute_table(archive: Archive, file: ArchiveFile) -> pd.DataFrame:
    """One ``camels_*.txt``: a row per basin, index ``gauge_id``.

    Raises
    ------
    InvalidData
        When it has no gauges, or a gauge twice.
    """
    data = archive.local(file).read_bytes()
    try:
        frame = pd.read_csv(io.BytesIO(data), sep=";", dtype={"gauge_id": str, "huc_02": str})
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InvalidData(f"file {file.path}: no table ({str(error).splitlines()[0]})") from error
    if "gauge_id" not in frame or frame["gauge_id"].isna().any():
        raise InvalidData(
            f"file {file.path}: found the columns {', '.join(map(str, frame.columns[:5]))}, "
            "wanted gauge_id and attributes, with ';' between them"
        )
    frame["gauge_id"] = frame["gauge_id"].str.zfill(8)
    twice = frame["gauge_id"][frame["gauge_id"].duplicated()]
    if len(twice):
        raise InvalidData(
            f"file {file.path}: dimension basin: found {twice.iloc[0]} twice, wanted it once"
        )
    if len(frame.columns) < 2 or frame.iloc[-1].isna().all():
        raise InvalidData(f"file {file.path}: found no attributes; the file is cut off")
    return frame.set_index("gauge_id")


def open_attributes(archive: Archive, key: str, files: Sequence[ArchiveFile]) -> xr.Dataset:
    """All attributes of all basins: numbers as variables (basin), words as coordinates.

    Raises
    ------
    InvalidData
        When no table can be read.
    """
    tables, findings = [], []
    for file in files:
        try:
            tables.append(attribute_table(archive, file))
        except InvalidData as error:
            findings.append(
                refuse(file.path, str(error), "attributes of basins", f"left out of {key}",
                       check="file", variable="")
            )  # fmt: skip
    if not tables:
        raise InvalidData(f"dataset {key}: no table can be read; the first: {findings[0].found}")
    table = pd.concat(tables, axis=1, join="outer").sort_index()
    return with_findings(_dataset(table), findings)


def _dataset(table: pd.DataFrame) -> xr.Dataset:
    known = rows("camels_attributes")
    basin = np.array(table.index, dtype=np.str_)
    dataset = xr.Dataset(coords={"basin": ("basin", basin)})
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            units = known[str(name)].units if str(name) in known else ""
            dataset[str(name)] = ("basin", column.to_numpy(np.float64), {"units": units})
        else:
            words = np.array(column.fillna("").str.strip(), dtype=np.str_)
            dataset = dataset.assign_coords({str(name): ("basin", words)})
    for name, column in (("lat", "gauge_lat"), ("lon", "gauge_lon")):
        if column in table:
            dataset = dataset.assign_coords({name: ("basin", table[column].to_numpy(np.float64))})
    if "area_gages2" in table:
        area = table["area_gages2"].to_numpy(np.float64) * 1e6
        dataset = dataset.assign_coords(area=("basin", area))
    return with_places(dataset.drop_vars(["gauge_lat", "gauge_lon"], errors="ignore")).chunk()


def open_scores(archive: Archive, key: str, files: Sequence[ArchiveFile]) -> xr.Dataset:
    """Scores of a published model, one column of numbers per file, in the order of the catchments.

    Raises
    ------
    InvalidData
        When a file has more or fewer values than there are catchments.
    """
    by_name = {PurePosixPath(file.path).name: file for file in files}
    catchments = pd.read_csv(
        io.BytesIO(archive.local(by_name[CATCHMENTS]).read_bytes()), dtype={"gauge_id": str}
    )
    if "gauge_id" not in catchments or catchments["gauge_id"].duplicated().any():
        raise InvalidData(
            f"dataset {key}: file {by_name[CATCHMENTS].path}: found columns "
            f"{', '.join(map(str, catchments.columns[:5]))} or a gauge twice, wanted gauge_id"
        )
    basins = catchments["gauge_id"].str.zfill(8).to_numpy()
    dataset = xr.Dataset(coords={"basin": ("basin", basins.astype(np.str_))})
    findings: list[Finding] = []
    for name, file in by_name.items():
        if name == CATCHMENTS:
            continue
        try:
            values = np.loadtxt(io.BytesIO(archive.local(file).read_bytes()), ndmin=1)
            if values.shape != basins.shape:
                raise ValueError(f"{values.size} values")
        except ValueError as error:
            findings.append(
                refuse(file.path, str(error).splitlines()[0], f"{basins.size} numbers",
                       f"one score per row of {CATCHMENTS}; left out", check="file", variable="")
            )  # fmt: skip
            continue
        dataset[PurePosixPath(name).stem.removesuffix("S")] = ("basin", values, {"units": "1"})
    if "gauge_name" in catchments:
        names = catchments["gauge_name"].fillna("").to_numpy().astype(np.str_)
        dataset = dataset.assign_coords(gauge_name=("basin", names))
    return with_findings(with_places(dataset), findings).chunk()


class Places:
    """What an archive says about its basins: position, elevation, area.

    The area in the third line of a forcing file is the one that CAMELS's own streamflow per area
    goes by (and Caravan's for these basins); the attributes give it for basins without forcing.
    """

    def __init__(self, archive: Archive, files: Sequence[ArchiveFile]) -> None:
        self._archive = archive
        self._forcing: dict[str, str] = {}
        topo: ArchiveFile | None = None
        for file in files:
            name = PurePosixPath(file.path).name
            if name.endswith("_forcing_leap.txt"):
                self._forcing.setdefault(name[:8], file.path)
            elif name == "camels_topo.txt":
                topo = topo or file
        self._topo: Mapping[str, Mapping[str, float]] = {}
        if topo is not None:
            try:
                self._topo = attribute_table(archive, topo).to_dict("index")
            except InvalidData:
                # Refused by name where the attributes are opened; here it is only missing.
                self._topo = {}

    def of(self, basin: str) -> dict[str, float | str]:
        """Coordinates of one basin, as far as they are known."""
        place: dict[str, float | str] = {}
        row = self._topo.get(basin)
        if row is not None:
            place = {"lat": row["gauge_lat"], "lon": row["gauge_lon"]}
            place["elevation"] = row["elev_mean"]
            place["area"] = float(row["area_gages2"]) * 1e6
        if basin in self._forcing:
            try:
                place["area"] = forcing_head(self._archive, self._forcing[basin])[2]
            except InvalidData:
                return place
        return place


def with_topography(dataset: xr.Dataset, places: Places) -> xr.Dataset:
    """Coordinates of basins that the opened files themselves do not have.

    Forcing files have a latitude of the basin without a longitude; where the attributes have both
    of the gauge, these are taken, so that the pair is of one point.
    """
    known = [places.of(str(basin)) for basin in dataset["basin"].values]
    pairs = all("lon" in place for place in known)
    for name in ("lat", "lon", "area"):
        if (name not in dataset.coords or (name == "lat" and pairs)) and any(
            name in place for place in known
        ):
            values = place_values([place.get(name) for place in known])
            dataset = dataset.assign_coords({name: ("basin", values)})
    return with_places(dataset)
