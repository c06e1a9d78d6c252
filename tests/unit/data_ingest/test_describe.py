"""A search of the catalog by place, as the rpc asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from catena.data_ingest.describe import search_catalog
from catena.data_ingest.queries import SearchCatalogQuery
from catena.shared.catalog import Catalog

BOXES = {
    "europe": (35.0, 70.0, -10.0, 30.0),
    "alaska": (55.0, 70.0, -165.0, -140.0),
    "fiji": (-20.0, -15.0, 176.0, 179.0),
    "globe": (-90.0, 90.0, -180.0, 178.0),
}


class Held:
    """One catalog, of whatever query."""

    def __init__(self) -> None:
        self.catalog = Catalog.from_rows([_row(name) for name in [*BOXES, "nowhere"]])

    def get(self, query: SearchCatalogQuery) -> Catalog:
        return self.catalog


def _row(name: str) -> dict[str, Any]:
    box = zip(("lat_min", "lat_max", "lon_min", "lon_max"), BOXES.get(name, ()), strict=False)
    plain = {"source": "gridded", "dataset": name, "variable": "tas", "path": name}
    return {**plain, "mode": "copy", "format": "zarr", **dict(box)}


@pytest.mark.parametrize(
    ("west", "east", "found"),
    [
        (-180, 180, {"europe", "alaska", "globe"}),
        (0, 360, {"europe", "alaska", "globe"}),
        (-10, 350, {"europe", "alaska", "globe"}),
        (-180, -130, {"alaska", "globe"}),
        (180, 230, {"alaska", "globe"}),
        (0, 180, {"europe", "globe"}),
        (170, -150, {"alaska", "globe"}),
    ],
)
def test_a_box_finds_what_overlaps_it(west: float, east: float, found: set[str]) -> None:
    box = {"south": 0, "north": 90, "west": west, "east": east}
    query = SearchCatalogQuery.from_plain({"region": box})
    rows = search_catalog(query, Held()).rows  # type: ignore[arg-type]
    assert {row.columns["dataset"] for row in rows} == found
