"""Whose name the Climate Data Store is asked in: its address and the user's personal key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catena.shared.errors import FailedPrecondition

DEFAULT_URL = "https://cds.climate.copernicus.eu/api"
HOW = (
    "make a personal access token on the store's page and put it into CDSAPI_KEY, or into "
    "~/.cdsapirc as a line 'key: <token>'; accept the licence of each dataset on its page, once"
)


@dataclass(frozen=True)
class CdsAccount:
    """Address and key. The key is in no representation of it.

    Parameters
    ----------
    key : str
        Personal access token.
    url : str
        Without a slash at the end.
    """

    key: str = field(repr=False)
    url: str = DEFAULT_URL

    def __post_init__(self) -> None:
        """Check that it can be used.

        Raises
        ------
        FailedPrecondition
            Without a key, or with a key of the store that was closed in 2024 (``uid:key``).
        """
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if not self.key:
            raise FailedPrecondition(f"Climate Data Store: no key; {HOW}")
        if ":" in self.key:
            raise FailedPrecondition(
                "Climate Data Store: the key has the form <uid>:<key> of the store that was "
                f"closed in 2024; {HOW}"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> CdsAccount:
        """From ``CDSAPI_URL`` and ``CDSAPI_KEY``, else the file ``CDSAPI_RC`` or ``~/.cdsapirc``.

        Raises
        ------
        FailedPrecondition
            When neither holds a usable key.
        """
        environment = os.environ if environment is None else environment
        saved = _saved(environment)
        return cls(
            key=environment.get("CDSAPI_KEY") or saved.get("key", ""),
            url=environment.get("CDSAPI_URL") or saved.get("url", DEFAULT_URL),
        )

    def check_location(self, location: str) -> None:
        """Refuse to send the key anywhere but to the store that it is for.

        Raises
        ------
        FailedPrecondition
            For another address.
        """
        if location.rstrip("/") != self.url:
            raise FailedPrecondition(
                f"Climate Data Store: the key is for {self.url}, the location is {location}; set "
                "CDSAPI_URL (or the line 'url:' of ~/.cdsapirc) to the location if the key is for "
                "it"
            )

    def scrub(self, text: str) -> str:
        """The text without the key: whatever a server says may end in a log."""
        return text.replace(self.key, "<key>")


def is_store(location: str, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a location is the store's address: the public one, or the one that is set."""
    environment = os.environ if environment is None else environment
    named = environment.get("CDSAPI_URL") or _saved(environment).get("url", "")
    return location.rstrip("/") in (DEFAULT_URL, named.rstrip("/"))


def _saved(environment: Mapping[str, str]) -> dict[str, str]:
    """Lines ``name: value`` of the user's file; nothing if there is none."""
    path = Path(environment.get("CDSAPI_RC") or "~/.cdsapirc").expanduser()
    if not path.is_file():
        return {}
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {name.strip(): value.strip() for name, colon, value in lines if colon}
