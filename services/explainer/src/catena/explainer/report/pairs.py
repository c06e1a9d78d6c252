"""How much pairs of inputs count together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.explainer.report.reading import Explained, Rows, nanmean

Array = NDArray[np.float64]


def pair_shares(
    x: Explained, rows: Rows | None = None, place: int | None = None
) -> tuple[Array, list[str], int] | None:
    """Shares of inputs alone and of pairs in what contributes.

    A share off the diagonal is that of the pair, both orders together, and stands in both places:
    the diagonal and one triangle add up to 1.

    Parameters
    ----------
    x : Explained
    rows : (N,) array of bool, optional
        Samples; all if left out.
    place : int, optional
        Of the lead among those of interactions; the middle one if left out.

    Returns
    -------
    shares : (G, G) array
    names : list of str
    lead : int
    or None where the explanation has no interactions of these samples.
    """
    if "interaction" not in x.data:
        return None
    order = ("sample", "interaction_lead", "group", "other_group")
    values = x.data["interaction"].transpose(*order).values
    leads = x.data["interaction_lead"].values
    place = len(leads) // 2 if place is None else place
    chosen = values[:, place] if rows is None else values[rows, place]
    size = nanmean(np.abs(np.asarray(chosen, np.float64)))
    if np.isnan(size).all():
        return None
    alone = np.eye(len(size), dtype=bool)
    size = np.where(alone, size, size + size.T)
    whole = float(np.nansum(np.triu(size)))
    shares = size / whole if whole > 0 else np.full_like(size, np.nan)
    return shares, [str(name) for name in x.data["group"].values], int(leads[place])
