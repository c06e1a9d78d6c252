"""Fields, positions and patches on other grids."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

__all__ = ["band_shares", "padded", "resized_patches", "resized_positions", "upsampled"]

REACH = {"bilinear": 1, "bicubic": 2}
"""Cells to each side that a kind of interpolation looks at."""


def band_shares(rows: int, bands: int) -> Tensor:
    """Share of each band of latitudes in each row, (rows, bands), float32; they add up to one.

    Bands are as many equal parts of the field. A row in the middle of one is all of it; between two
    middles it goes over on a straight line.
    """
    places = (torch.arange(rows) + 0.5) / rows * bands - 0.5
    away = places.clamp(0.0, bands - 1.0)[:, None] - torch.arange(bands)
    return (1.0 - away.abs()).clamp(min=0.0)


def padded(fields: Tensor, cells: int, periodic: bool) -> Tensor:
    """Fields (B, V, H, W) with some cells more on every side.

    Columns go on around the globe where the grid is periodic; all else repeats the outermost cell.
    """
    wrap = "circular" if periodic else "replicate"
    return pad(pad(fields, (cells, cells, 0, 0), wrap), (0, 0, cells, cells), "replicate")


def upsampled(fields: Tensor, factor: int, kind: str, periodic: bool) -> Tensor:
    """Fields (B, V, H, W) interpolated to cells that are `factor` times smaller.

    Cells are areas: the centres of the fine ones lie evenly inside the coarse one.

    Raises
    ------
    ValueError
        When the kind of interpolation is not known.
    """
    if kind not in REACH:
        raise ValueError(f"interpolation {kind!r}; wanted one of {', '.join(REACH)}")
    reach = REACH[kind]
    fine = interpolate(
        padded(fields, reach, periodic), scale_factor=factor, mode=kind, align_corners=False
    )
    cut = reach * factor
    return fine[..., cut:-cut, cut:-cut]


def resized_positions(position: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Position embedding of another grid, by bilinear interpolation between patches.

    Parameters
    ----------
    position : Tensor, (old[0] * old[1], D)
        Rows of patches first.
    old, new : tuple of int
        Rows and columns of patches.

    Raises
    ------
    ValueError
        When the embedding is not one of `old`.
    """
    if len(position) != old[0] * old[1]:
        raise ValueError(
            f"{len(position)} positions came for {old[0]} x {old[1]} patches; "
            f"{old[0] * old[1]} wanted"
        )
    if old == new:
        return position
    square = position.T.reshape(1, -1, *old)
    return interpolate(square, new, mode="bilinear", align_corners=False)[0].flatten(1).T


def resized_patches(tokeniser: Tensor, size: int) -> Tensor:
    """Tokenisers (V, p^2, D) for patches of `size` x `size` pixels.

    As Beyer et al. 2023 (FlexiViT, section 3.4): tokens of patches of another size are those that
    the old tokeniser would give for the patch interpolated to the old size, or, where patches
    become larger, such that interpolated old patches keep their tokens.

    Raises
    ------
    ValueError
        When the patches that came are not square.
    """
    old = round(tokeniser.shape[1] ** 0.5)
    if old * old != tokeniser.shape[1]:
        raise ValueError(f"a tokeniser of {tokeniser.shape[1]} pixels; wanted a square patch")
    if old == size:
        return tokeniser
    small, large = min(old, size), max(old, size)
    unit = torch.eye(small**2, dtype=torch.float64).view(-1, 1, small, small)
    grown = interpolate(unit, (large, large), mode="bilinear", align_corners=False)
    # (small^2, large^2): x grown is x @ grow, and so <x grown, w> = <x, grow w>.
    grow = grown.flatten(1)
    change = grow if size < old else torch.linalg.pinv(grow)
    return torch.einsum("np,vpd->vnd", change, tokeniser.double()).to(tokeniser.dtype)
