"""Tables of flux sites: names, positions, vegetation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import InvalidData

ALIASES = {
    "DK-NuF": "GL-NuF", "DK-ZaF": "GL-ZaF", "DK-ZaH": "GL-ZaH",
    "NO-Adv": "SJ-Adv", "NO-Blv": "SJ-Blv",
}  # fmt: skip
"""Sites of Greenland and Svalbard, under the code of either country."""

TABLES = ("location_fluxnet.csv", "siteinfo_fluxnet2015.csv")
_COLUMNS = {
    "Flux_name": "site", "sitename": "site", "Lat": "lat", "lat": "lat", "lon": "lon",
    "elv": "elevation", "LC": "vegetation", "classid": "vegetation",
}  # fmt: skip


def site_table(archive: Archive, file: ArchiveFile) -> pd.DataFrame:
    """Rows of a site table, in the order of the file; columns site, lat, lon and what it has.

    Raises
    ------
    InvalidData
        When it has no sites or no positions.
    """
    try:
        frame = pd.read_csv(
            io.BytesIO(archive.local(file).read_bytes()), keep_default_na=False, na_values=["NA"]
        )
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InvalidData(f"file {file.path}: no table ({str(error).splitlines()[0]})") from error
    known = {old: new for old, new in _COLUMNS.items() if old in frame}
    frame = frame[list(known)].rename(columns=known)
    if not {"site", "lat", "lon"} <= set(frame):
        raise InvalidData(
            f"file {file.path}: found the columns {', '.join(frame)}, wanted site, lat and lon"
        )
    return frame


class Sites:
    """Positions of sites, from the tables in an archive."""

    def __init__(self, archive: Archive, files: Sequence[ArchiveFile]) -> None:
        self._places: dict[str, dict[str, float | str]] = {}
        self.order: list[str] = []
        """Sites of ``location_fluxnet.csv`` by row: CARDAMOM's files go by this number."""
        tables = [file for file in files if PurePosixPath(file.path).name in TABLES]
        for file in sorted(tables, key=lambda file: TABLES.index(PurePosixPath(file.path).name)):
            frame = site_table(archive, file)
            if PurePosixPath(file.path).name == TABLES[0]:
                self.order = [str(site) for site in frame["site"]]
            for row in frame.to_dict("records"):
                place = self._places.setdefault(str(row.pop("site")), {})
                for name, value in row.items():
                    if value == value:
                        place.setdefault(str(name), value)

    def of(self, site: str) -> dict[str, float | str]:
        """Coordinates of one site, as far as they are known."""
        if site in self._places:
            return dict(self._places[site])
        alias = ALIASES.get(site) or {new: old for old, new in ALIASES.items()}.get(site, "")
        return dict(self._places.get(alias, {}))
