"""Shape of an ORBIT model, and the sizes that were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

__all__ = ["SIZES", "OrbitConfig", "variable_ids"]


@dataclass(frozen=True)
class OrbitConfig:
    """Everything that shapes the weights of an ORBIT model.

    Parameters
    ----------
    variables : tuple of str
        Fields that the model knows, one name per channel (level included, e.g. ``ta_85000``). An
        input may have any of them.
    outputs : tuple of str
        Fields that it predicts; each one of `variables`.
    grid : tuple of int
        Rows and columns (H, W) of the fields.
    patch : int
        Rows and columns of a patch.
    width, depth, heads : int
        Length of a token, transformer blocks, attention heads.
    feed : int
        Width of the feed-forward part, in tokens' widths.
    decoder_depth : int
        Hidden layers of the head.
    drop_path : float
        Share of samples that skip the last block while training; less in the blocks before.

    Raises
    ------
    ValueError
        When the sizes do not fit together: names what came and what was wanted.
    """

    variables: tuple[str, ...]
    outputs: tuple[str, ...]
    grid: tuple[int, int]
    patch: int = 4
    width: int = 256
    depth: int = 8
    heads: int = 4
    feed: int = 4
    decoder_depth: int = 2
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if not self.variables or len(set(self.variables)) != len(self.variables):
            raise ValueError(f"variables {list(self.variables)}; wanted one at least, each once")
        unknown = sorted(set(self.outputs) - set(self.variables))
        if unknown or not self.outputs or len(set(self.outputs)) != len(self.outputs):
            raise ValueError(
                f"outputs {list(self.outputs)} of variables {list(self.variables)}; wanted one at "
                f"least, each once, all among the variables (unknown: {unknown or 'none'})"
            )
        if (
            min(self.patch, self.width, self.heads, self.feed, *self.grid) < 1
            or min(self.depth, self.decoder_depth) < 0
        ):
            raise ValueError(f"sizes of {self}; wanted whole numbers above zero")
        if any(side % self.patch for side in self.grid):
            raise ValueError(
                f"grid {self.grid[0]} x {self.grid[1]} is not divisible by the patch of "
                f"{self.patch}; choose another patch, or regrid the fields"
            )
        if self.width % self.heads or self.width % 4:
            raise ValueError(
                f"width {self.width} with {self.heads} heads; wanted a multiple of the heads and "
                "of 4 (sines and cosines of two coordinates)"
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path {self.drop_path}; wanted 0 or more, less than 1")

    @property
    def tokens(self) -> int:
        """Patches of one field: the length of the sequence."""
        return (self.grid[0] // self.patch) * (self.grid[1] // self.patch)

    @property
    def head_width(self) -> int:
        """Length of one head's part of a token."""
        return self.width // self.heads

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave, lists in the place of tuples."""
        values = dict(values)
        for name in ("variables", "outputs", "grid"):
            values[name] = tuple(values[name])
        return cls(**values)

    @classmethod
    def of_size(
        cls,
        size: str,
        variables: Sequence[str],
        outputs: Sequence[str] | None = None,
        grid: tuple[int, int] = (128, 256),
        **more: Any,
    ) -> Self:
        """A published size for these fields.

        Raises
        ------
        ValueError
            When the size is not among :data:`SIZES`.
        """
        if size not in SIZES:
            raise ValueError(f"size {size!r}; wanted one of {', '.join(SIZES)}")
        shape = {**SIZES[size], **more}
        return cls(
            tuple(variables), tuple(variables if outputs is None else outputs), grid, **shape
        )


SIZES: dict[str, dict[str, int]] = {
    "8M": {"width": 256, "depth": 8, "heads": 4},
    "115M": {"width": 1024, "depth": 8, "heads": 16},
    "1B": {"width": 3072, "depth": 8, "heads": 16},
    "10B": {"width": 8192, "depth": 11, "heads": 32},
    "113B": {"width": 12288, "depth": 62, "heads": 64},
}
"""ORBIT (SC24, table 1) by the name of the number of parameters at 91 variables; 113B has the
depth that makes 113e9 (the paper's 56 blocks make 102e9)."""


def variable_ids(config: OrbitConfig, names: Sequence[str]) -> Tensor:
    """Rows of the embedding tables for channels of an input, int64, shape (V,).

    Raises
    ------
    ValueError
        When a name is unknown to the model, or comes twice.
    """
    place = {name: number for number, name in enumerate(config.variables)}
    unknown = [name for name in names if name not in place]
    if unknown or len(set(names)) != len(names):
        raise ValueError(
            f"variables {list(names)}; wanted each once, of those that the model knows: "
            f"{list(config.variables)} (unknown: {unknown or 'none'})"
        )
    return torch.tensor([place[name] for name in names], dtype=torch.int64)
