"""Which archives a server may read: asked before a job starts, and again at every redirect.

A request names a location, and the server would go there with its own rights: to files of other
users, or to addresses that only machines inside may reach (server-side request forgery). So a
location must lie in a folder or below a prefix that the operator knows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catena.data_ingest.archive_places import Place, parse, shorten
from catena.shared.errors import FailedPrecondition, InvalidRequest
from catena.shared.settings import Settings


@dataclass(frozen=True)
class PublicArchive:
    """A well-known archive that anybody may read.

    Parameters
    ----------
    purpose : str
    prefixes : tuple of str
        Its locations, with the hosts that it sends its readers to.
    """

    purpose: str
    prefixes: tuple[str, ...]


PUBLIC: tuple[PublicArchive, ...] = (
    PublicArchive(
        "CMIP6 in zarr with intake-esm catalogs (Pangeo)",
        (
            "gs://cmip6",
            "https://storage.googleapis.com/cmip6",
            "s3://cmip6-pds",
            "https://cmip6-pds.s3.amazonaws.com",
            "https://cmip6-pds.s3.us-west-2.amazonaws.com",
        ),
    ),
    PublicArchive(
        "ERA5 in zarr (ARCO-ERA5)",
        (
            "gs://gcp-public-data-arco-era5",
            "https://storage.googleapis.com/gcp-public-data-arco-era5",
        ),
    ),
    PublicArchive(
        "Daymet (ORNL DAAC: THREDDS, single pixels; Earthdata login)",
        (
            "https://thredds.daac.ornl.gov/thredds",
            "https://daymet.ornl.gov/single-pixel",
            "https://data.ornldaac.earthdata.nasa.gov",
            "https://urs.earthdata.nasa.gov/oauth",
        ),
    ),
    PublicArchive(
        "CMIP6 as netCDF (ESGF index nodes)",
        tuple(
            f"https://{host}"
            for host in (
                "esgf-node.llnl.gov/esg-search",
                "esgf-node.ornl.gov/esg-search",
                "esgf-node.ornl.gov/proxy/search",
                "esgf-node.ipsl.upmc.fr/esg-search",
                "esgf-data.dkrz.de/esg-search",
                "esgf.ceda.ac.uk/esg-search",
                "esg-dn1.nsc.liu.se/esg-search",
                "esgf.nci.org.au/esg-search",
            )
        ),
    ),
    PublicArchive(
        "CMIP6 as netCDF (ESGF data nodes)",
        tuple(
            f"{scheme}://{host}/thredds"
            for host in (
                "aims3.llnl.gov",
                "esgf-data1.llnl.gov",
                "esgf-data2.llnl.gov",
                "esgf-node.ornl.gov",
                "esgf-data.ucar.edu",
                "esgdata.gfdl.noaa.gov",
                "dpesgf03.nccs.nasa.gov",
                "esgf.ceda.ac.uk",
                "esgf1.dkrz.de",
                "esgf2.dkrz.de",
                "esgf3.dkrz.de",
                "vesg.ipsl.upmc.fr",
                "esg1.umr-cnrm.fr",
                "esgf-data04.diasjp.net",
                "esgf-data.dkrz.de",
                "esgf.nci.org.au",
                "esg-dn1.nsc.liu.se",
                "noresg.nird.sigma2.no",
                "esg-cccr.tropmet.res.in",
                "crd-esgf-drc.ec.gc.ca",
            )
            for scheme in ("https", "http")
        ),
    ),
    PublicArchive(
        "weather forecasts (ECMWF open data)",
        (
            "https://data.ecmwf.int/forecasts",
            "s3://ecmwf-forecasts",
            "https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com",
            "gs://ecmwf-open-data",
            "https://storage.googleapis.com/ecmwf-open-data",
        ),
    ),
    PublicArchive(
        "ERA5 and others by request (Copernicus Climate Data Store, with the user's key)",
        (
            "https://cds.climate.copernicus.eu/api",
            "https://object-store.os-api.cci2.ecmwf.int",
        ),
    ),
)
"""The table, with each archive's purpose. Further ones: ``CATENA_ARCHIVES``."""


class AllowList:
    """What may be read.

    Parameters
    ----------
    prefixes : iterable of str
        Locations (URLs or folders); what lies below them may be read, whatever it is.
    folders : iterable of Path
        Folders of this machine that may be read.
    offline : bool
        A mirror stands for the whole network: every location may be asked for, none is reached.
    """

    def __init__(
        self, prefixes: Iterable[str] = (), folders: Iterable[Path] = (), *, offline: bool = False
    ) -> None:
        named = [parse(prefix, field="CATENA_ARCHIVES") for prefix in prefixes]
        self.named = tuple(place for place in named if place.scheme != "file")
        self.folders = tuple(
            folder.resolve()
            for folder in (*folders, *(_folder(p) for p in named if p.scheme == "file"))
        )
        self.offline = offline
        self.public = tuple(parse(prefix) for archive in PUBLIC for prefix in archive.prefixes)

    @classmethod
    def of(cls, settings: Settings) -> AllowList:
        """As the settings say: ``CATENA_ARCHIVES``, ``CATENA_DATA``, ``CATENA_MIRROR``."""
        folders = [folder for folder in (settings.data, settings.mirror) if folder is not None]
        return cls(settings.archives, folders, offline=settings.mirror is not None)

    def check(self, location: str, *, query: bool = False) -> Place:
        """Return the place if it may be read.

        Raises
        ------
        InvalidRequest
            When it may not; says what may, and how to add a place.
        """
        place = parse(location, query=query)
        if place.scheme == "file":
            real = _folder(place).resolve()
            if any(real.is_relative_to(folder) for folder in self.folders):
                return place
        elif self.offline or any(place.below(known) for known in (*self.named, *self.public)):
            return place
        raise InvalidRequest(self._refusal(place, location))

    def check_network(self, location: str) -> None:
        """Refuse to go to the network where a mirror stands for it.

        Raises
        ------
        FailedPrecondition
            In offline mode.
        """
        if self.offline:
            raise FailedPrecondition(
                f"{shorten(location)} is on the network, which is not asked while CATENA_MIRROR is "
                "set; put it into the mirror, or unset CATENA_MIRROR"
            )

    def check_peer(self, host: str, address: str) -> None:
        """Refuse a public host whose name leads to an address inside (DNS rebinding).

        Parameters
        ----------
        host : str
            As the URL has it.
        address : str
            Of the machine that is connected.

        Raises
        ------
        InvalidRequest
            Unless ``CATENA_ARCHIVES`` names the host.
        """
        if ipaddress.ip_address(address.partition("%")[0]).is_global:
            return
        if any(host.lower().strip("[]").removesuffix(".") == known.host for known in self.named):
            return
        raise InvalidRequest(
            f"location: the host {host!r} leads to {address}, an address inside this network; "
            "name the archive in CATENA_ARCHIVES if that is meant"
        )

    def _refusal(self, place: Place, location: str) -> str:
        if place.scheme == "file":
            return (
                f"location: {shorten(location)} is not in a folder that this server may read; "
                "wanted one below CATENA_DATA, CATENA_MIRROR or a folder named in CATENA_ARCHIVES "
                "(absolute paths, separated by commas); ask the operator to add it"
            )
        inside = " (an address inside this network)" if _internal(place.host) else ""
        known = "; ".join(archive.purpose for archive in PUBLIC)
        return (
            f"location: {shorten(location)} is not an archive that this server may read{inside}; "
            f"it may read: {known}; and what CATENA_ARCHIVES names. To add it, set CATENA_ARCHIVES "
            f"to a list of prefixes with {shorten(place.url)} in it and restart the server"
        )


def allowed(location: str, settings: Settings) -> Place:
    """Return the place of a location if a server with these settings may read it.

    Raises
    ------
    InvalidRequest
        See :meth:`AllowList.check`.
    """
    return AllowList.of(settings).check(location)


def _folder(place: Place) -> Path:
    return Path("/", *place.segments)


def _internal(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
