"""Names of CMIP6 files: what the folders and the file name say about the content.

The data reference syntax (DRS, Taylor et al. 2018, "CMIP6 Global Attributes, DRS, Filenames,
Directory Structure, and CV's") puts a file at ``CMIP6/<activity>/<institution>/<source>/
<experiment>/<member>/<table>/<variable>/<grid>/<version>/<name>``. Archives deviate: CEDA has
``<grid>/files/d20190807``, some add a folder below the version, some keep only the file names, and
the next generation archive of ETH (cmip6-ng) has names of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.checks.findings import Finding

MEMBER = r"(?:s\d{4}-)?r\d+i\d+p\d+f\d+"
_NAME = re.compile(
    r"(?P<variable_id>[A-Za-z0-9]+)_(?P<table_id>[A-Za-z0-9]+)_(?P<source_id>[A-Za-z0-9-]+)_"
    rf"(?P<experiment_id>[A-Za-z0-9-]+)_(?P<member_id>{MEMBER})_(?P<grid_label>g[a-z0-9]*)"
    r"(?:_(?P<period>\d{4,14}(?:-\d{4,14})?)(?:-clim)?)?\.nc"
)
_NG_NAME = re.compile(
    r"(?P<variable_id>[A-Za-z0-9]+)_(?P<ng_frequency>ann|mon|day)_(?P<source_id>[A-Za-z0-9-]+)_"
    rf"(?P<experiment_id>[A-Za-z0-9-]+)_(?P<member_id>{MEMBER})_(?P<grid_label>g\d{{3}}|native)\.nc"
)
_VERSION = re.compile(r"[vd](\d{8})")
_NG_FREQUENCY = {"ann": "yr", "mon": "mon", "day": "day"}
DRS = (
    "activity_id", "institution_id", "source_id", "experiment_id", "member_id", "table_id",
    "variable_id", "grid_label",
)  # fmt: skip
"""Facets in the order of the folders."""
_YEAR, _MONTH = 372.0, 31.0  # days of a calendar in which every month has 31


@dataclass(frozen=True)
class Placed:
    """A file of data with what its place says.

    Parameters
    ----------
    file : ArchiveFile
    facets : dict
        Columns of the catalog; `version` is ``v`` and eight digits, or missing.
    period : str
        As in the name, e.g. ``185001-201412``; empty for fixed fields.
    begin, end : float
        The period in days of 31-day months: to order files and to see gaps and overlaps. The end is
        the begin of what follows.
    store : bool
        Whether it is a zarr store instead of a file.
    """

    file: ArchiveFile
    facets: dict[str, str] = field(default_factory=dict)
    period: str = ""
    begin: float = 0.0
    end: float = 0.0
    store: bool = False

    @property
    def version(self) -> str:
        """Empty if the place does not tell."""
        return self.facets.get("version", "")

    @property
    def dataset(self) -> str:
        """Name without the version; equal for all versions."""
        return dataset_id(self.facets)

    def with_facets(self, **more: str) -> Placed:
        """The same file, knowing more."""
        return replace(self, facets={**self.facets, **{n: v for n, v in more.items() if v}})


def place(file: ArchiveFile) -> Placed | Finding:
    """What folders and name say about a file, or why they say nothing usable.

    Parameters
    ----------
    file : ArchiveFile
        A netCDF file, or the folder of a zarr store.
    """
    *folders, name = file.path.rstrip("/").split("/")
    if not name.endswith(".nc"):
        return _place_store(file, [*folders, name])
    if match := _NG_NAME.fullmatch(name):
        facets = match.groupdict()
        facets["frequency"] = _NG_FREQUENCY[facets.pop("ng_frequency")]
        return Placed(file, _with_start_year(facets))
    match = _NAME.fullmatch(name)
    if match is None:
        return Finding(
            check="layout",
            action="refused",
            file=file.path,
            variable="-",
            found=f"file name {name}",
            wanted="<variable>_<table>_<source>_<experiment>_<member>_<grid>[_<period>].nc",
            why="the name does not say what the file holds; give it its CMIP6 name",
        )
    facets = {name: value for name, value in match.groupdict().items() if value}
    period = facets.pop("period", "")
    drs = _from_folders(folders)
    for key in set(facets) & set(drs):
        if facets[key] != drs[key]:
            return Finding(
                check="layout",
                action="refused",
                file=file.path,
                variable=facets["variable_id"],
                found=f"{key} {facets[key]} in the file name",
                wanted=f"{key} {drs[key]} as in its folder",
                why="name and folder contradict each other; move the file where it belongs",
            )
    facets = _with_start_year({**facets, **drs})
    facets["frequency"] = frequency(facets["table_id"])
    begin, end = _span(period)
    if period and end <= begin:
        return Finding(
            check="layout",
            action="refused",
            file=file.path,
            variable=facets["variable_id"],
            dimension="time",
            found=f"period {period}",
            wanted="a first time before the last",
            why="the period in the name ends before it begins; correct the name",
        )
    return Placed(file, facets, period, begin, end)


def dataset_id(facets: dict[str, str]) -> str:
    """Name of a dataset without its version, as ESGF writes it; what is not known is left out."""
    if "table_id" not in facets:  # cmip6-ng
        parts = ["cmip6-ng"]
        names: tuple[str, ...] = (
            "variable_id",
            "frequency",
            "source_id",
            "experiment_id",
            "member_id",
            "grid_label",
        )
    else:
        parts, names = ["CMIP6"], DRS
    return ".".join([*parts, *(facets[name] for name in names if name in facets)])


def frequency(table: str) -> str:
    """Frequency of a CMIP6 table: ``Amon`` is mon, ``E3hr`` 3hr, ``Ofx`` fx, ``Oyr`` yr."""
    if found := re.search(r"(\d)hr", table):
        return f"{found[1]}hr"
    for word in ("mon", "day", "fx", "yr", "dec", "subhr"):
        if word in table:
            return word
    return "1hr" if table.endswith("hr") else ""


def start_year(member: str) -> str:
    """Start year of a decadal forecast: ``s1960-r1i1p1f1`` is 1960; else empty."""
    return member[1:5] if member.startswith("s") else ""


def normal_version(text: str) -> str:
    """``v20190311`` for ``20190311``, ``v20190311`` or ``d20190311``; empty for anything else."""
    match = _VERSION.fullmatch(f"v{text}" if text.isdecimal() else text)
    return f"v{match[1]}" if match else ""


def _place_store(file: ArchiveFile, folders: list[str]) -> Placed | Finding:
    folders[-1] = folders[-1].removesuffix(".zarr")
    facets = _from_folders(folders)
    if set(DRS) <= set(facets):
        facets = _with_start_year(facets)
        facets["frequency"] = frequency(facets["table_id"])
        return Placed(file, facets, store=True)
    return Finding(
        check="layout",
        action="refused",
        file=file.path,
        variable="-",
        found=f"name {folders[-1] or file.path}",
        wanted=".../<source>/<experiment>/<member>/<table>/<variable>/<grid>/<version>",
        why="neither a netCDF file nor a zarr store at a CMIP6 place",
    )


def _from_folders(folders: list[str]) -> dict[str, str]:
    """Facets from folders; the member anchors them, because roots and ends differ."""
    anchors = [i for i, name in enumerate(folders) if re.fullmatch(MEMBER, name)]
    if not anchors or anchors[-1] < 4 or len(folders) < anchors[-1] + 4:
        return {}
    begin = anchors[-1] - 4
    facets = dict(zip(DRS, folders[begin : begin + 8], strict=True))
    for name in folders[begin + 8 :]:
        # Below "files" CEDA says d20190807 for what the version v20190807 links to.
        if version := normal_version(name):
            facets["version"] = version
            break
    return facets


def _with_start_year(facets: dict[str, str]) -> dict[str, str]:
    year = start_year(facets["member_id"])
    return {**facets, "dcpp_start_year": year} if year else facets


def _span(period: str) -> tuple[float, float]:
    if not period:
        return 0.0, 0.0
    first, _, last = period.partition("-")
    return _begin(first), _end(last or first)


def _parts(digits: str) -> tuple[int, int, int, int, int]:
    cuts = [digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:12]]
    year, month, day, hour, minute = (int(part) if part else -1 for part in cuts)
    return year, month, day, hour, minute


def _begin(digits: str) -> float:
    year, month, day, hour, minute = _parts(digits)
    days = year * _YEAR + (max(month, 1) - 1) * _MONTH + max(day, 1) - 1
    return days + max(hour, 0) / 24 + max(minute, 0) / 1440


def _end(digits: str) -> float:
    """Begin of the year, month, day, hour or minute after the last one."""
    year, month, day, hour, minute = _parts(digits)
    lengths = (_YEAR, _MONTH, 1.0, 1 / 24, 1 / 1440)
    given = sum(part >= 0 for part in (year, month, day, hour, minute))
    return _begin(digits) + lengths[given - 1]
