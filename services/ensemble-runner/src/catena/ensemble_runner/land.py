"""The land under a forcing: surfaces of a request, of a known site, or of a map of plants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from catena.coupler.embedded.grid import EDGE
from catena.coupler.forcing import SITES, DailyForcing, SiteFacts
from catena.coupler.surface_map import NATURAL, TREES
from catena.coupler.surface_places import made_up_soil, plants_at
from catena.ensemble_runner import vocabulary
from catena.ensemble_runner.models import Land
from catena.shared.artifacts import Artifact
from catena.shared.checks.findings import Finding
from catena.shared.errors import CatenaError, FieldViolation, InvalidRequest
from catena.shared.query import RefQuery
from catena.shared.site_netcdf import site_in

MADE_UP_PLANTS, MADE_UP_SOIL = "generated_plants", "generated_soil"
"""Checks of the notes by which reports know what was made up."""


def site_of(asked: vocabulary.Forcing) -> SiteFacts | None:
    """What is known of the site of a driver file; None for datasets and unknown sites."""
    if asked.files is None:
        return None
    return SITES.get(asked.site or site_in(asked.file))


def read_land(
    asked: vocabulary.HasLand,
    weather: vocabulary.Forcing,
    forcing: DailyForcing,
    open_ref: Callable[[RefQuery], Artifact],
) -> tuple[DailyForcing, tuple[Land, ...]]:
    """Land of each cell, and the forcing of the cells that have some.

    Parameters
    ----------
    asked : Setup or SpinUpSetup
    weather : vocabulary.Forcing
        What of the request `forcing` was read by.
    forcing : DailyForcing
    open_ref : callable
        Opens an artifact.

    Raises
    ------
    InvalidRequest
        When surfaces do not fit the cells, or nothing is known of the place.
    InvalidData
        When a map cannot be read, or too few plants grow there.
    """
    if asked.surface_map is not None:
        return _mapped(asked.surface_map, forcing, open_ref)
    if asked.surfaces:
        land = tuple(
            Land(
                tuple((pft.name, pft.fraction) for pft in surface.pfts),
                tuple((s.bottom_m, s.sand_percent, s.clay_percent) for s in surface.soil),
            )
            for surface in asked.surfaces
        )
    else:
        facts = site_of(weather)
        if facts is None or not facts.soil:
            raise _wrong("setup.surfaces", "is missing; nothing is known of this place")
        soil = tuple((s.bottom / 100, s.sand, s.clay) for s in facts.soil)
        land = (Land(tuple(facts.pft.items()), soil),)
    if len(land) not in (1, forcing.cells):
        raise _wrong(
            "setup.surfaces",
            f"got {len(land)} for {forcing.cells} cells; wanted one, or one for each",
        )
    return forcing, land * forcing.cells if len(land) == 1 else land


def _mapped(
    asked: vocabulary.SurfaceMap,
    forcing: DailyForcing,
    open_ref: Callable[[RefQuery], Artifact],
) -> tuple[DailyForcing, tuple[Land, ...]]:
    held = open_ref(asked.files) if asked.files is not None else None
    lat, lon = np.asarray(forcing.lat), np.asarray(forcing.lon)
    try:
        found = plants_at(
            lat,
            lon,
            held.local_path(asked.file) if held is not None else None,
            slots=asked.plants,
            plants=TREES if asked.trees else NATURAL,
            cells=asked.cells,
        )
    except CatenaError as error:
        raise _wrong("setup.surface_map", error.message) from error
    sand, clay = made_up_soil(found.plants.lat, found.plants.lon, asked.seed)
    land = tuple(
        Land(
            tuple(found.plants.of_cell(cell).items()),
            tuple(zip(EDGE[1:].tolist(), sand[cell].tolist(), clay[cell].tolist(), strict=True)),
        )
        for cell in range(found.kept.size)
    )
    notes = [
        Finding(
            check=MADE_UP_SOIL, action="noted", found=f"seed {asked.seed}", wanted="a soil map",
            why="sand and clay are generated: they change smoothly along the map",
        )
    ]  # fmt: skip
    if found.made_up:
        notes.append(
            Finding(
                check=MADE_UP_PLANTS, action="noted", found="no map", wanted="a map of plants",
                why="plants are generated: forests by latitude, grass in the west",
            )
        )  # fmt: skip
    if found.kept.size < forcing.cells:
        notes.append(
            Finding(
                check="cells_left_out", action="noted",
                found=f"{forcing.cells} cells", wanted=f"{found.kept.size}",
                why="the others have none of these plants, or less of them than was wanted",
            )
        )  # fmt: skip
    forcing = forcing.of_cells(found.kept)
    return replace(forcing, notes=(*forcing.notes, *notes)), land


def _wrong(name: str, text: str) -> InvalidRequest:
    return InvalidRequest("the request cannot be run", violations=[FieldViolation(name, text)])
