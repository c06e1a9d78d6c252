"""Coarse fields to fine ones: ORBIT's blocks at the coarse resolution, and a path around them.

Wang et al. 2025 (ORBIT-2, "Reslim"): the transformer sees the coarse fields, so that the sequence
is short; what it adds to an interpolation goes through a light convolution and PixelShuffle (Shi
et al. 2016). The last layer begins at zero: an untrained model is the interpolation.

Much of what an interpolation lacks is linear in the coarse fields, of all variables, but not alike
at all latitudes: cells narrow towards the poles, and balanced flow changes with the Coriolis
parameter. A linear convolution with kernels of its own for each band of latitudes beside the other
one learns that in a few hundred steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pixel_shuffle

from catena.models.orbit import drawn, initial, stacked_blocks
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_embedding import VariableAggregation, patches, unpatched
from catena.models.orbit_grids import REACH, band_shares, padded, resized_positions, upsampled

__all__ = ["DownscaleConfig", "OrbitDownscale", "Window", "initial_downscale"]


@dataclass(frozen=True)
class DownscaleConfig:
    """Everything that shapes the weights of a downscaling.

    Parameters
    ----------
    coarse : OrbitConfig
        Fields that come in, fields that go out, and the grid and patch of the coarse fields.
    factor : int
        Fine cells along one side of a coarse cell.
    features : int
        Channels of each of the two convolutions of fields.
    bands : int
        Of latitude, each with kernels of its own in the linear one.
    interpolation : {"bicubic", "bilinear"}
        What the model adds to.
    periodic : bool
        Whether columns go around the globe.

    Raises
    ------
    ValueError
        When a value cannot be.
    """

    coarse: OrbitConfig
    factor: int
    features: int = 64
    bands: int = 8
    interpolation: str = "bicubic"
    periodic: bool = True

    def __post_init__(self) -> None:
        if self.factor < 2 or self.features < 1 or self.bands < 1:
            raise ValueError(
                f"factor {self.factor} with {self.features} features and {self.bands} bands; "
                "wanted 2 or more, and 1"
            )
        if self.interpolation not in REACH:
            raise ValueError(
                f"interpolation {self.interpolation!r}; wanted one of {', '.join(REACH)}"
            )

    @property
    def fine_grid(self) -> tuple[int, int]:
        """Rows and columns of the fine fields."""
        rows, columns = self.coarse.grid
        return rows * self.factor, columns * self.factor

    def on_grid(self, grid: tuple[int, int]) -> DownscaleConfig:
        """The same model for another coarse grid."""
        return replace(self, coarse=replace(self.coarse, grid=grid))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        return cls(**{**values, "coarse": OrbitConfig.from_dict(values["coarse"])})


@dataclass(frozen=True)
class Window:
    """Where a part of a field lies.

    Parameters
    ----------
    grid : tuple of int
        Rows and columns of the whole coarse field.
    top, left : int
        Of the part, in coarse cells; whole patches.
    """

    grid: tuple[int, int]
    top: int = 0
    left: int = 0


class CoarseEmbedding(nn.Module):
    """Coarse fields to tokens that know their place and the resolution.

    Parameters
    ----------
    config : OrbitConfig
    """

    def __init__(self, config: OrbitConfig) -> None:
        super().__init__()
        self.config = config
        self.aggregation = VariableAggregation(
            len(config.variables), config.patch**2, config.width, config.heads
        )
        self.position = nn.Parameter(torch.empty(config.tokens, config.width))
        self.resolution = nn.Linear(1, config.width)

    def forward(
        self,
        fields: Tensor,
        variables: Tensor,
        spacing: Tensor,
        present: Tensor | None,
        window: Window,
    ) -> Tensor:
        """Tokens (B, L, D) of fields (B, V, h, w)."""
        size = self.config.patch
        tokens = self.aggregation(patches(fields, size), variables, present)
        octaves = spacing.log2()[:, None].to(self.resolution.weight.dtype)
        out: Tensor = tokens + self._places(fields, window) + self.resolution(octaves)[:, None]
        return out

    def _places(self, fields: Tensor, window: Window) -> Tensor:
        size = self.config.patch
        own, whole = (_patch_grid(grid, size) for grid in (self.config.grid, window.grid))
        position = resized_positions(self.position, own, whole)
        if fields.shape[2:] == window.grid:
            return position
        rows = torch.arange(fields.shape[2] // size) + window.top // size
        columns = (torch.arange(fields.shape[3] // size) + window.left // size) % whole[1]
        return position.reshape(*whole, -1)[rows][:, columns].flatten(0, 1)


class FeatureHead(nn.Module):
    """Tokens to features of coarse cells.

    Parameters
    ----------
    config : DownscaleConfig
    """

    def __init__(self, config: DownscaleConfig) -> None:
        super().__init__()
        coarse = config.coarse
        self.patch = coarse.patch
        self.norm = nn.LayerNorm(coarse.width)
        self.hidden = nn.ModuleList(
            nn.Linear(coarse.width, coarse.width) for _ in range(coarse.decoder_depth)
        )
        self.out = nn.Linear(coarse.width, config.features * coarse.patch**2)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Features (B, C, h, w) of tokens (B, L, D)."""
        tokens = self.norm(tokens)
        for layer in self.hidden:
            tokens = gelu(layer(tokens))
        return unpatched(self.out(tokens), grid, self.patch)


class BandedConvolution(nn.Module):
    """A linear convolution of 3 x 3 cells with kernels, and a constant, for each band of rows.

    Between the middles of bands kernels lie on straight lines: rows have no jumps.

    Parameters
    ----------
    bands, inputs, outputs : int
        Bands from the first row of a whole field to the last; channels.
    """

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bands = bands
        self.kernels = nn.Conv2d(bands * (inputs + 1), outputs, 3, bias=False)

    def forward(self, fields: Tensor, window: Window, periodic: bool) -> Tensor:
        """Features (B, C, h, w) of fields (B, V, h, w)."""
        shares = band_shares(window.grid[0], self.bands)[window.top :][: fields.shape[2]]
        shares = shares.to(fields.device, fields.dtype).T[:, None, :, None]
        known = torch.cat([fields, torch.ones_like(fields[:, :1])], 1)
        out: Tensor = self.kernels(padded((known[:, None] * shares).flatten(1, 2), 1, periodic))
        return out


class OrbitDownscale(nn.Module):
    """Fields on a coarse grid to fields on a grid that is `factor` times finer.

    Parameters
    ----------
    config : DownscaleConfig
    """

    def __init__(self, config: DownscaleConfig) -> None:
        super().__init__()
        self.config = config
        coarse = config.coarse
        self.embedding = CoarseEmbedding(coarse)
        self.blocks = stacked_blocks(
            coarse.width, coarse.heads, coarse.feed, coarse.depth, coarse.drop_path
        )
        self.head = FeatureHead(config)
        variables, features = len(coarse.variables), config.features
        self.gather = nn.Conv2d(variables + features, features, 3)
        self.linear = BandedConvolution(config.bands, variables, features)
        self.spread = nn.Conv2d(2 * features, len(coarse.outputs) * config.factor**2, 3)
        self.outputs = [coarse.variables.index(name) for name in coarse.outputs]

    def forward(
        self,
        fields: Tensor,
        variables: Tensor | None = None,
        spacing: Tensor | None = None,
        present: Tensor | None = None,
        window: Window | None = None,
    ) -> Tensor:
        """Fine fields, (B, V_out, h r, w r), normalised as the coarse ones.

        Parameters
        ----------
        fields : Tensor, (B, V, h, w)
            Normalised coarse fields, of any grid that whole patches fill.
        variables : Tensor, (V,), int64
            Which they are (:func:`catena.models.orbit_config.variable_ids`); all by default.
        spacing : Tensor, (B,)
            Distance of coarse rows, degrees; 1 by default.
        present : Tensor, (B, V), bool, optional
            False where a sample lacks a variable.
        window : Window, optional
            Where the fields lie, when they are part of larger ones.

        Raises
        ------
        ValueError
            When patches do not fill the grid.
        """
        grid, size = (fields.shape[2], fields.shape[3]), self.config.coarse.patch
        if grid[0] % size or grid[1] % size:
            raise ValueError(f"a grid of {grid[0]} x {grid[1]}; wanted whole patches of {size}")
        if variables is None:
            variables = torch.arange(fields.shape[1], device=fields.device)
        if spacing is None:
            spacing = fields.new_ones(len(fields))
        if present is not None:
            fields = torch.where(present[..., None, None], fields, 0.0)
        window = window or Window(grid)
        tokens = self.embedding(fields, variables, spacing, present, window)
        for block in self.blocks.values():
            tokens = block(tokens)
        # A part that is as wide as the field goes around the globe as the field does.
        periodic = self.config.periodic and grid[1] == window.grid[1]
        known = fields.new_zeros(len(fields), len(self.config.coarse.variables), *grid)
        known[:, variables] = fields
        features = torch.cat([known.to(tokens.dtype), self.head(tokens, grid)], 1)
        features = gelu(self.gather(padded(features, 1, periodic)))
        features = torch.cat([features, self.linear(known, window, periodic)], 1)
        added = pixel_shuffle(self.spread(padded(features, 1, periodic)), self.config.factor)
        base = known[:, self.outputs]
        return added + upsampled(base, self.config.factor, self.config.interpolation, periodic)


def initial_downscale(
    config: DownscaleConfig, name: str, shape: tuple[int, ...], seed: int, dtype: torch.dtype
) -> Tensor:
    """Weights to begin with: those of ORBIT, and nothing added to the interpolation."""
    if name.startswith("spread."):
        return torch.zeros(shape, dtype=dtype)
    if name.startswith("linear."):
        # Of the channels of all bands, those of one and a half are not zero in a row.
        return drawn(name, shape, seed, math.sqrt(config.bands / math.prod(shape[1:])), dtype)
    return initial(config.coarse, name, shape, seed, dtype)


def _patch_grid(grid: tuple[int, int], size: int) -> tuple[int, int]:
    return grid[0] // size, grid[1] // size
