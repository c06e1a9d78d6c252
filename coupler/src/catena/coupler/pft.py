"""Plant functional types (PFTs) by name: an index means another plant in another parameter file."""

from __future__ import annotations

from collections.abc import Sequence

from catena.shared.errors import InvalidRequest

PFT_NAMES = (
    "not_vegetated",
    "needleleaf_evergreen_temperate_tree",
    "needleleaf_evergreen_boreal_tree",
    "needleleaf_deciduous_boreal_tree",
    "broadleaf_evergreen_tropical_tree",
    "broadleaf_evergreen_temperate_tree",
    "broadleaf_deciduous_tropical_tree",
    "broadleaf_deciduous_temperate_tree",
    "broadleaf_deciduous_boreal_tree",
    "broadleaf_evergreen_shrub",
    "broadleaf_deciduous_temperate_shrub",
    "broadleaf_deciduous_boreal_shrub",
    "c3_arctic_grass",
    "c3_non-arctic_grass",
    "c4_grass",
    "c3_crop",
    "c3_irrigated",
)
"""Natural PFTs of ELM and CLM in the order of their index (Oleson et al. 2013, table 2.1)."""


def pft_index(name: str, names: Sequence[str] = PFT_NAMES) -> int:
    """Index of a PFT.

    Parameters
    ----------
    name : str
        As in the parameter file's variable ``pftname``.
    names : sequence of str
        The file's own names, where it has others than :data:`PFT_NAMES`.

    Raises
    ------
    InvalidRequest
        When there is none of that name.
    """
    wanted = name.strip()
    for index, known in enumerate(names):
        if known.strip() == wanted:
            return index
    raise InvalidRequest(
        f"there is no plant functional type '{name}'; known are {', '.join(names)}"
    )
