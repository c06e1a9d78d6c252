"""Which sites are learned from, chosen on and judged on: whole blocks, never sites among others.

Neighbours have nearly the same climate, and so nearly the same equilibrium: a site whose neighbour
was learned is no test. Parameter sets that several sites share are kept apart in the same way.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from catena.coupler.spin_up.case import Floats, Sites
from catena.shared.errors import InvalidRequest

TRAINING, VALIDATION, TEST = range(3)
PARTS = ("training", "validation", "test")
"""By the number that stands in a file's ``split``."""
LEFT_OUT = -1
"""A block of one part under a parameter set of another one."""
SHARES = (0.70, 0.15, 0.15)
"""Of the sites, as far as whole blocks allow."""
WIDEST = 30.0
"""Degrees; the usual blocks of the globe."""
ACROSS = 6
"""Blocks along the longer side of a region that is smaller than the globe."""
PARAMETER_BLOCKS = 20
"""Blocks of neighbouring parameter sets, where there is one place only."""

SplitBy = Literal["space", "parameters"]


def block_width(lat: Floats, lon: Floats) -> float:
    """Width of blocks in degrees: a sixth of the region, at most 30."""
    extent = max(float(np.ptp(lat)), float(np.ptp(lon)))
    return min(WIDEST, extent / ACROSS)


def spatial_blocks(lat: Floats, lon: Floats, degrees: float) -> Sites:
    """Number of each site's block, int64 (site,); a cell of any size lies in one by its centre.

    Parameters
    ----------
    lat, lon : float64 (site,)
        Degrees; longitudes of both conventions count alike.
    degrees : float
        Width of a block.
    """
    rows = np.floor(lat / degrees)
    columns = np.floor(np.mod(lon, 360.0) / degrees)
    _, block = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
    return np.asarray(block, dtype=np.int64).reshape(lat.shape)


def parameter_blocks(parameters: Floats, blocks: int, seed: int) -> Sites:
    """Blocks of neighbouring parameter sets (k-means), int64 (site,).

    Parameters
    ----------
    parameters : float64 (site, parameter)
    blocks, seed : int
    """
    varies = parameters.std(axis=0) > 0.0
    scaled = parameters[:, varies] / parameters[:, varies].std(axis=0)
    rows, row = np.unique(scaled, axis=0, return_inverse=True)
    count = min(blocks, len(rows))
    _, block = kmeans2(rows, count, minit="++", seed=np.random.default_rng(seed))
    return np.asarray(block, dtype=np.int64)[row.reshape(len(parameters))]


def parts(block: Sites, shares: tuple[float, ...] = SHARES, seed: int = 0) -> Sites:
    """Part of each site, int64 (site,); blocks are whole and come in a drawn order.

    Parameters
    ----------
    block : int64 (site,)
    shares : tuple of float
        Of the sites, of training, validation and test; each gets one block at least.
    seed : int

    Raises
    ------
    InvalidRequest
        When there are less than three blocks.
    """
    names, counts = np.unique(block, return_counts=True)
    if len(names) < len(PARTS):
        raise InvalidRequest(
            f"{len(names)} blocks of sites came; {len(PARTS)} at least were wanted, for "
            f"{', '.join(PARTS)}: take smaller blocks or a wider sample"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    # The test comes first, so that it is the same however much there is to learn from.
    wanted = np.cumsum([shares[TEST], shares[VALIDATION]]) / sum(shares) * counts.sum()
    before = np.cumsum(counts[order]) - counts[order]
    part = np.full(len(names), TRAINING, dtype=np.int64)
    part[order[before < wanted[1]]] = VALIDATION
    part[order[before < wanted[0]]] = TEST
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    for number, least in ((TEST, 0), (VALIDATION, 1), (TRAINING, len(names) - 1)):
        if not (part == number).any():
            part[order[least]] = number
    return part[np.searchsorted(names, block)]


def split(
    lat: Floats, lon: Floats, parameters: Floats, degrees: float | None = None, seed: int = 0
) -> tuple[Sites, SplitBy]:
    """Part of each site by blocks of space, or of parameter sets where there is one place only.

    Parameters
    ----------
    lat, lon : float64 (site,)
    parameters : float64 (site, parameter)
    degrees : float, optional
        Width of blocks of space; :func:`block_width` by default.
    seed : int

    Returns
    -------
    part : int64 (site,)
        0 training, 1 validation, 2 test, -1 where a site lies in a block of one part under a
        parameter set of another one.
    by : {"space", "parameters"}

    Raises
    ------
    InvalidRequest
        When neither places nor parameter sets make three blocks.
    """
    if degrees is not None and not degrees > 0.0:
        raise InvalidRequest(f"blocks of {degrees:g} degrees came; a width above 0 was wanted")
    width = block_width(lat, lon) if degrees is None else degrees
    blocks = spatial_blocks(lat, lon, width) if width > 0.0 else np.zeros(lat.size, np.int64)
    sets = _parameter_sets(parameters)
    if np.unique(blocks).size < len(PARTS):
        if np.unique(sets).size < len(PARTS):
            raise InvalidRequest(
                f"{lat.size} sites lie in {np.unique(blocks).size} blocks of {width:g} degrees, "
                f"under {np.unique(sets).size} parameter sets; three of either were wanted: learn "
                "from more cells or more parameter sets"
            )
        return parts(parameter_blocks(parameters, PARAMETER_BLOCKS, seed), seed=seed), "parameters"
    part = parts(blocks, seed=seed)
    shared = np.bincount(sets).max() > 1 and _crosses(sets, part)
    if shared and np.unique(sets).size >= len(PARTS):
        of_set = parts(sets, seed=seed)
        part = np.where(of_set == part, part, LEFT_OUT)
    return part, "space"


def _parameter_sets(parameters: Floats) -> Sites:
    if not parameters.shape[1]:
        return np.zeros(len(parameters), dtype=np.int64)
    _, row = np.unique(parameters, axis=0, return_inverse=True)
    return np.asarray(row, dtype=np.int64).reshape(len(parameters))


def _crosses(sets: Sites, part: Sites) -> bool:
    """Whether a parameter set stands in more than one part."""
    seen: NDArray[np.bool_] = np.zeros((sets.max() + 1, len(PARTS)), dtype=bool)
    seen[sets, part] = True
    return bool((seen.sum(axis=1) > 1).any())
