"""``artifact.json``: what an artifact is and what it holds.

It is written last and in one step: no manifest, no artifact. It carries the *integrity* digest,
over the content without anything that depends on the clock; the *identity* (which request it
answers) is the name of the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from catena.shared.artifacts.paths import check_relative
from catena.shared.errors import ArtifactCorrupt, UnsafePath, VersionMismatch

MANIFEST = "artifact.json"
SCHEMA_VERSION: Literal[1] = 1

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _safe(path: str) -> str:
    try:
        return check_relative(path)
    except UnsafePath as error:
        raise ValueError(error.message) from None


SafePath = Annotated[str, AfterValidator(_safe)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Model):
    """One file of an artifact.

    `timed` files (reports, cost tables) differ from run to run and do not enter the digest.
    """

    path: SafePath
    size: int = Field(ge=0, description="bytes")
    sha256: Hash
    timed: bool = False


class InputRef(_Model):
    """An artifact that this one was made from."""

    uri: SafePath
    digest: Digest
    kind: str = ""


class Lineage(_Model):
    """Where an artifact comes from.

    Parameters
    ----------
    service, method : str
        Who made it.
    request : dict
        The canonical request.
    inputs : list of InputRef
        Artifacts it was made from.
    code_version : str
        Digest of the sources that made it.
    seed : int, optional
        Seed of every random number in it.
    """

    service: str = ""
    method: str = ""
    request: dict[str, Any] = Field(default_factory=dict)
    inputs: tuple[InputRef, ...] = ()
    code_version: str = ""
    seed: int | None = None


class Manifest(_Model):
    """Content of ``artifact.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: str = Field(min_length=1)
    title: str = ""
    digest: Digest
    identity: SafePath
    root: Annotated[str, StringConstraints(pattern=r"^(files|attempts/[0-9]+)$")]
    files: tuple[FileEntry, ...]
    units: dict[str, str] = Field(default_factory=dict)
    lineage: Lineage = Field(default_factory=Lineage)
    costs: dict[str, float] = Field(default_factory=dict)
    create_time: AwareDatetime

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files)

    def to_json(self) -> bytes:
        """Bytes of ``artifact.json``."""
        return canonical_json(self.model_dump(mode="json"), indent=1)

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """Read and check ``artifact.json``.

        Parameters
        ----------
        data : bytes
            The file.
        where : str
            Name of the artifact, for messages.

        Raises
        ------
        ArtifactCorrupt
            When it is no manifest, or its digest does not fit its list of files.
        VersionMismatch
            When a newer catena wrote it.
        """
        try:
            plain = json.loads(data)
            version = plain["schema_version"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ArtifactCorrupt(
                f"the manifest of '{where}' is not readable; remove its folder from the store and "
                "make it again"
            ) from None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise VersionMismatch(
                f"'{where}' has manifest version {version}, this catena reads up to "
                f"{SCHEMA_VERSION}; update catena"
            )
        try:
            manifest = cls.model_validate(plain)
        except ValidationError as error:
            fields = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
            raise ArtifactCorrupt(
                f"the manifest of '{where}' has unusable fields ({', '.join(fields[:5])}); "
                "remove its folder from the store and make it again"
            ) from None
        names = [entry.path for entry in manifest.files]
        expected = content_digest(manifest.kind, manifest.units, manifest.files)
        if manifest.digest != expected or len(set(names)) != len(names):
            raise ArtifactCorrupt(
                f"the manifest of '{where}' was changed: its digest does not fit its files; "
                "remove its folder from the store and make it again"
            )
        return manifest


def content_digest(kind: str, units: Mapping[str, str], files: Iterable[FileEntry]) -> str:
    """Integrity digest: the same content gives the same digest, whenever and wherever it is made.

    Parameters
    ----------
    kind : str
        What the artifact is.
    units : mapping
        Unit of each quantity.
    files : iterable of FileEntry
        Timed ones are left out.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits, over kind, units and the sorted (path, sha256).
    """
    content = {
        "kind": kind,
        "units": dict(units),
        "files": sorted([entry.path, entry.sha256] for entry in files if not entry.timed),
    }
    return f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"


def canonical_json(value: object, indent: int | None = None) -> bytes:
    """JSON with sorted keys, so that equal values are equal bytes.

    Raises
    ------
    ValueError
        For NaN and infinities: JSON has none.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, sort_keys=True, separators=separators, indent=indent, allow_nan=False)
    return (text + ("" if indent is None else "\n")).encode()
