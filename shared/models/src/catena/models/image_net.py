"""What a satellite sees of a basin, as one short vector: a vision transformer over one chip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from catena.models.attention import SelfBlock
from catena.models.static_net import ENCODING

CLOUD_FLOOR = 1e-3
"""Weight of a patch that is all cloud, so that a chip under clouds still has a mean."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """Architecture of an :class:`ImageNet`.

    Parameters
    ----------
    size, patch : int
        Pixels along a side of the chip and of a patch.
    bands : int
        Spectral bands; the cloud mask is one more.
    width, heads, layers : int
        Sizes of the transformer.
    outputs : int
        Length of the encoding.
    """

    size: int = 64
    patch: int = 8
    bands: int = 6
    width: int = 64
    heads: int = 4
    layers: int = 2
    outputs: int = ENCODING


class ImageNet(nn.Module):
    """Patches as tokens, self-attention, and the mean of the tokens that see the ground.

    After Dosovitskiy et al. (2021, ICLR, section 3.1), with positions as a sum of rows and columns
    and a mean in the place of the class token. What lies under clouds is not looked at: it is set
    to zero, the mean of scaled bands, and the mask tells that it is.

    Parameters
    ----------
    config : ImageConfig

    Raises
    ------
    ValueError
        When the chip cannot be cut into whole patches.
    """

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        if config.patch < 1 or config.size % config.patch:
            raise ValueError(
                f"a chip of {config.size} pixels cannot be cut into whole patches of "
                f"{config.patch}; want a divisor"
            )
        self._config = config
        side, d = config.size // config.patch, config.width
        self.patches = nn.Conv2d(config.bands + 1, d, config.patch, stride=config.patch)
        self.row = nn.Parameter(0.02 * torch.randn(d, side, 1))
        self.column = nn.Parameter(0.02 * torch.randn(d, 1, side))
        self.blocks = nn.ModuleList(SelfBlock(d, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, config.outputs)

    def forward(self, chips: Tensor) -> Tensor:
        """Encodings (N, outputs), each in (-1, 1).

        Parameters
        ----------
        chips : Tensor, (N, bands + 1, size, size)
            Scaled bands, then the cloud mask: 1 where a pixel does not show the ground.

        Raises
        ------
        ValueError
            When the chips have another shape.
        """
        config = self._config
        wanted = (config.bands + 1, config.size, config.size)
        if chips.ndim != 4 or chips.shape[1:] != wanted:
            raise ValueError(
                f"chips of shape {tuple(chips.shape)} came; (basins, {wanted[0]}, {wanted[1]}, "
                f"{wanted[2]}) wanted: {config.bands} bands and the cloud mask"
            )
        cloud = chips[:, -1:]
        ground = chips[:, :-1].masked_fill(cloud > 0.5, 0.0)
        tokens = self.patches(torch.cat([ground, cloud], 1)) + self.row + self.column
        tokens = tokens.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        clear = 1.0 - avg_pool2d(cloud, config.patch).flatten(1)[..., None] + CLOUD_FLOOR
        mean = (clear * self.norm(tokens)).sum(1) / clear.sum(1)
        out: Tensor = self.out(mean).tanh()
        return out
