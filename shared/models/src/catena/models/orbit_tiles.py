"""Large fields, downscaled tile by tile.

Each tile is computed with a halo around it that is thrown away. Where the halo covers all that a
cell looks at, nothing changes; attention looks at all of a tile, and there the results of
neighbours may be blended across the seam.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from catena.models.orbit_downscale import OrbitDownscale, Window

__all__ = ["Tiles", "downscaled"]


@dataclass(frozen=True)
class Tiles:
    """How a field is cut.

    Parameters
    ----------
    size : tuple of int
        Rows and columns of a tile, in coarse cells.
    halo : int
        Cells around it that are computed too.
    blend : int
        Cells to both sides of a seam over which one tile's result turns into its neighbour's.

    Raises
    ------
    ValueError
        When cells are to be blended that are not computed, or a tile has none.
    """

    size: tuple[int, int]
    halo: int
    blend: int = 0

    def __post_init__(self) -> None:
        if min(self.size) < 1 or not 0 <= self.blend <= self.halo:
            raise ValueError(
                f"tiles of {self.size[0]} x {self.size[1]} with a halo of {self.halo}, blended "
                f"over {self.blend}; wanted 1 or more, and to blend no more than the halo"
            )
        if 2 * self.blend > min(self.size):
            raise ValueError(
                f"blended over {self.blend} cells to both sides of a seam with tiles of "
                f"{self.size[0]} x {self.size[1]}; wanted half a tile at most"
            )


@dataclass(frozen=True)
class _Span:
    """One tile along one side of the field: cells computed, and how much each counts."""

    first: int
    cells: Tensor
    weight: Tensor


@torch.no_grad()
def downscaled(
    model: OrbitDownscale,
    fields: Tensor,
    tiles: Tiles,
    variables: Tensor | None = None,
    spacing: Tensor | None = None,
    present: Tensor | None = None,
) -> Tensor:
    """Fine fields (B, V_out, H r, W r) of coarse ones (B, V, H, W), tile by tile.

    Parameters
    ----------
    model : OrbitDownscale
    fields, variables, spacing, present
        As the model takes them; only one tile at a time is on the model's device.
    tiles : Tiles

    Raises
    ------
    ValueError
        When tiles or halo are no whole patches, or tiles do not fill the field.
    """
    config = model.config
    patch, factor = config.coarse.patch, config.factor
    grid = (fields.shape[2], fields.shape[3])
    if any(cells % patch for cells in (*tiles.size, tiles.halo, *grid)):
        raise ValueError(
            f"tiles of {tiles.size[0]} x {tiles.size[1]} with a halo of {tiles.halo} on a grid of "
            f"{grid[0]} x {grid[1]}; wanted whole patches of {patch}"
        )
    device = next(model.parameters()).device
    outputs = len(config.coarse.outputs)
    fine = fields.new_zeros(len(fields), outputs, grid[0] * factor, grid[1] * factor)
    total = fields.new_zeros(grid[0] * factor, grid[1] * factor)
    for rows in _spans(grid[0], tiles.size[0], tiles, factor, around=False):
        for columns in _spans(grid[1], tiles.size[1], tiles, factor, around=config.periodic):
            part = fields[:, :, rows.cells][..., columns.cells].to(device)
            window = Window(grid, rows.first, columns.first)
            made = model(part, variables, spacing, present, window).to(fields.device)
            weight = rows.weight[:, None] * columns.weight
            down, across = _fine(rows.cells, factor)[:, None], _fine(columns.cells, factor)
            fine[..., down, across] += made * weight
            total[down, across] += weight
    return fine / total


def _spans(length: int, size: int, tiles: Tiles, factor: int, *, around: bool) -> list[_Span]:
    """Tiles along one side; the last may be shorter."""
    spans = []
    for start in range(0, length, size):
        stop = min(start + size, length)
        first, last = start - tiles.halo, stop + tiles.halo
        if not around:
            first, last = max(first, 0), min(last, length)
        elif last - first >= length:
            first, last = 0, length  # the whole circle, once
        places = first + (torch.arange((last - first) * factor) + 0.5) / factor
        away = places - (start + stop) / 2
        if around:
            away = (away + length / 2) % length - length / 2
        weight = _ramp((stop - start) / 2 - away.abs(), tiles.blend)
        spans.append(_Span(first % length, torch.arange(first, last) % length, weight))
    return spans


def _ramp(inside: Tensor, blend: int) -> Tensor:
    """How much a cell counts that lies so many coarse cells inside a tile's edge."""
    if blend == 0:
        return (inside > 0).float()
    return ((inside + blend) / (2 * blend)).clamp(0.0, 1.0)


def _fine(cells: Tensor, factor: int) -> Tensor:
    return (cells[:, None] * factor + torch.arange(factor)).flatten()
