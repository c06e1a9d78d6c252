"""Requests about flux sites: statistics for a calibration, and submission files of CalLMIP.

Field names are those of the protobuf messages in
``catena/api/ensemble_runner/v1/ensemble_runner.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from catena.coupler.callmip.protocol import MODEL
from catena.ensemble_runner.vocabulary import (
    CaseRef,
    DatasetRef,
    DrawsRef,
    FileName,
    FilesRef,
    Key,
    RunsRef,
    Seed,
    StatisticsRef,
    Words,
    needed,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query, QueryModel

SITE = r"[A-Z]{2}-[A-Za-z0-9]{3}"
SiteCode = Annotated[str, StringConstraints(pattern=rf"^{SITE}$")]
"""Code of a site as FLUXNET has them."""
HeldBack = Annotated[int, Field(ge=1, le=100)]


class TowerFluxes(QueryModel):
    """What a tower measured day by day."""

    files: FilesRef
    file: Annotated[FileName, StringConstraints(min_length=1)]
    site: Annotated[str, StringConstraints(pattern=rf"^({SITE})?$")] = ""
    as_published: bool = False


class TowerRuns(QueryModel):
    """Daily runs of a site and what its tower measured."""

    runs: Annotated[tuple[RunsRef, ...], Field(max_length=20)]
    tower: TowerFluxes

    def violations(self) -> Iterator[FieldViolation]:
        """At least one ensemble."""
        yield from needed(self, "runs")


class SummariseFluxesQuery(Query):
    """Bring runs and towers to one table."""

    sites: Annotated[tuple[TowerRuns, ...], Field(max_length=100)]
    held_back_years: HeldBack
    least_days: Annotated[int, Field(ge=1, le=366)] = 5
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """At least one site."""
        yield from needed(self, "sites")


class DrawFluxesQuery(Query):
    """Make a tower's file out of a run."""

    runs: RunsRef
    site: SiteCode
    member: Annotated[int, Field(ge=0)] = 0
    error_fraction: Annotated[float, Field(gt=0, le=10)] = 0.2
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.3
    seed: Seed = 0


class SubmittedSite(QueryModel):
    """A site before and after the calibration."""

    site: SiteCode
    prior: CaseRef
    posterior: RunsRef
    tower: TowerFluxes | None = None
    monthly: DatasetRef | None = None
    monthly_key: Key = ""

    def violations(self) -> Iterator[FieldViolation]:
        """A key belongs to a dataset, and a tower to its site."""
        if self.monthly is None and self.monthly_key:
            yield FieldViolation("monthly_key", "is given without monthly; leave it out")
        if self.tower is not None and self.tower.site not in ("", self.site):
            yield FieldViolation(
                "tower.site", f"got {self.tower.site!r}, wanted {self.site!r} as the site itself"
            )


class WriteSubmissionQuery(Query):
    """Write submission files and a report."""

    model: Annotated[str, StringConstraints(pattern=MODEL.pattern, max_length=64)]
    sites: Annotated[tuple[SubmittedSite, ...], Field(max_length=100)]
    held_back_years: HeldBack
    statistics: StatisticsRef
    draws: DrawsRef
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Each site once, one of them with a tower."""
        yield from needed(self, "sites")
        yield from _once([site.site for site in self.sites])
        if self.sites and all(site.tower is None for site in self.sites):
            yield FieldViolation("sites", "none has a tower; give the sites that were calibrated")


def _once(codes: Sequence[str]) -> Iterator[FieldViolation]:
    for i, code in enumerate(codes):
        if code in codes[:i]:
            yield FieldViolation(f"sites[{i}].site", f"got {code!r} twice; give each site once")
