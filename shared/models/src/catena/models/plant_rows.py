"""Sites as rows of one plant each, so that all plants learn from each other.

A pool of a plant is one column for all plants (carbon in leaves, whoever bears them), not one for
each: a plant that grows at a few sites only would be learned from these few. A site of two plants
is two rows, which share what belongs to the column; what both say of the column is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PRESENCE", "PlantRows", "Rows"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

PRESENCE = "plants"
"""Kind of input that says which plants a site has: 1, and 0 or NaN where it has not."""
OF_COLUMN = -1


@dataclass(frozen=True, eq=False)
class Rows:
    """Which site and which plant each row is.

    Parameters
    ----------
    site, plant : int64 (row,)
        By site; the plant is -1 where a site has none.
    sites : int
    """

    site: Ints
    plant: Ints
    sites: int


@dataclass(frozen=True, eq=False)
class PlantRows:
    """How pools and inputs of sites are those of rows, and back.

    Parameters
    ----------
    plants : tuple of str
    outputs : tuple of str
        Names of what is predicted of a row: pools of the column, then those of a plant.
    output, plant : int64 (pool,)
        Of each pool of a site: its place among the outputs, and its plant, -1 for the column's.
    sources : mapping of str to int64 (plant + 1, number)
        By kind of input: where a row's numbers stand among those of a site, -1 for a number that
        its plant has not. The last row is that of sites without plants.
    """

    plants: tuple[str, ...]
    outputs: tuple[str, ...]
    output: Ints
    plant: Ints
    sources: Mapping[str, Ints]

    @classmethod
    def of(
        cls, plants: Sequence[str], pools: Sequence[str], inputs: Mapping[str, Sequence[str]]
    ) -> Self:
        """By names: what is called ``<what>.<plant>`` is of a plant.

        Parameters
        ----------
        plants : sequence of str
            In the order of the input :data:`PRESENCE`.
        pools : sequence of str
        inputs : mapping of str to sequence of str
            Names of the numbers of each kind; kinds that lack (and series) are the column's.
        """
        place = {name: n for n, name in enumerate(plants)}
        stems, owner = _parted(pools, place)
        outputs = tuple(dict.fromkeys(stems))
        sources = {}
        for kind, names in inputs.items():
            if kind == PRESENCE:
                continue
            mine, whose = _parted(names, place)
            if (whose == OF_COLUMN).all():
                continue
            columns = {stem: n for n, stem in enumerate(dict.fromkeys(mine))}
            source = np.full((len(plants) + 1, len(columns)), -1, dtype=np.int64)
            for n, (stem, own) in enumerate(zip(mine, whose, strict=True)):
                source[slice(None) if own == OF_COLUMN else own, columns[stem]] = n
            sources[kind] = source
        output = np.array([outputs.index(stem) for stem in stems], dtype=np.int64)
        return cls(tuple(plants), outputs, output, owner, sources)

    def rows(self, inputs: Mapping[str, ArrayLike]) -> Rows:
        """A row for each plant of each site, and one for a site without any.

        Raises
        ------
        ValueError
            When the inputs do not say which plants there are.
        """
        if PRESENCE not in inputs:
            raise ValueError(
                f"inputs {sorted(inputs)} came; '{PRESENCE}' is wanted too: which plants sites have"
            )
        there = np.nan_to_num(np.asarray(inputs[PRESENCE], np.float64)) > 0.0
        if there.ndim != 2 or there.shape[1] != len(self.plants):
            raise ValueError(
                f"'{PRESENCE}' of shape {there.shape}; wanted (sites, {len(self.plants)}) for "
                f"{', '.join(self.plants)}"
            )
        bare = ~there.any(axis=1, keepdims=True)
        site, plant = np.nonzero(np.concatenate([there, bare], axis=1))
        return Rows(site, np.where(plant == len(self.plants), OF_COLUMN, plant), len(there))

    def inputs(self, inputs: Mapping[str, ArrayLike], rows: Rows) -> dict[str, NDArray[Any]]:
        """Inputs of rows.

        Numbers of plants are those of the row's own; of :data:`PRESENCE` come the own plant, then
        the site's others, 1 or 0 each.
        """
        made: dict[str, NDArray[Any]] = {}
        for kind, values in inputs.items():
            mine = np.asarray(values)[rows.site]
            if kind == PRESENCE:
                there = np.nan_to_num(mine) > 0.0
                own = rows.plant[:, np.newaxis] == np.arange(len(self.plants))
                made[kind] = np.concatenate([own, there & ~own], axis=1).astype(np.float64)
            elif kind in self.sources:
                made[kind] = _taken(mine, self.sources[kind][rows.plant])
            else:
                made[kind] = mine
        return made

    def folded(self, flags: ArrayLike, kind: str) -> NDArray[Any]:
        """What is said of each number of a kind (its logarithm is taken), of those of rows."""
        values = np.asarray(flags)
        if kind not in self.sources or values.ndim == 0:
            return values
        return np.asarray(values[self.sources[kind].max(axis=0)])

    def folded_pools(self, flags: ArrayLike) -> NDArray[Any]:
        """What is said of each pool, of the outputs."""
        values = np.broadcast_to(np.asarray(flags), self.output.shape)
        made = np.empty(len(self.outputs), dtype=values.dtype)
        made[self.output] = values
        return made

    def targets(self, pools: ArrayLike, rows: Rows) -> Array:
        """Pools of sites (site, pool) as those of rows (row, output); NaN where there is none."""
        source = np.full((len(self.plants) + 1, len(self.outputs)), -1, dtype=np.int64)
        for n, (output, plant) in enumerate(zip(self.output, self.plant, strict=True)):
            source[slice(None) if plant == OF_COLUMN else plant, output] = n
        return _taken(np.asarray(pools, np.float64)[rows.site], source[rows.plant])

    def pools(self, outputs: Array, rows: Rows) -> Array:
        """Inverse of :meth:`targets`; of the column the mean of what a site's rows say."""
        made = np.full((rows.sites, self.output.size), np.nan)
        count = np.bincount(rows.site, minlength=rows.sites)
        for n, (output, plant) in enumerate(zip(self.output, self.plant, strict=True)):
            said = outputs[:, output]
            if plant == OF_COLUMN:
                made[:, n] = np.bincount(rows.site, said, minlength=rows.sites) / count
            else:
                own = rows.plant == plant
                made[rows.site[own], n] = said[own]
        return made

    def largest(self, values: Array, rows: Rows) -> Array:
        """Of each site the largest number of its rows, (site,)."""
        made = np.full(rows.sites, -np.inf)
        np.maximum.at(made, rows.site, values)
        return made

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "plants": list(self.plants),
            "outputs": list(self.outputs),
            "output": self.output.tolist(),
            "plant": self.plant.tolist(),
            "sources": {kind: source.tolist() for kind, source in self.sources.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        sources = {kind: np.array(one, np.int64) for kind, one in values["sources"].items()}
        output, plant = (np.array(values[name], np.int64) for name in ("output", "plant"))
        return cls(tuple(values["plants"]), tuple(values["outputs"]), output, plant, sources)


def _parted(names: Sequence[str], plants: Mapping[str, int]) -> tuple[list[str], Ints]:
    """Names without their plant, and which plant that is."""
    stems, owner = [], []
    for name in names:
        stem, _, end = name.partition(".")
        stems.append(stem if end in plants else name)
        owner.append(plants.get(end, OF_COLUMN))
    return stems, np.array(owner, dtype=np.int64)


def _taken(values: NDArray[Any], source: Ints) -> Array:
    """Numbers (row, number) from places in each row; NaN for -1."""
    found = np.take_along_axis(values, np.maximum(source, 0), axis=1)
    return np.where(source >= 0, found, np.nan)
