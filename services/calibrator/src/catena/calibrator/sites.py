"""Many sites at once: a table of observations to a dataset of draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from catena.calibrator.posterior import Posterior
from catena.calibrator.storage import About, draws_dataset
from catena.calibrator.tables import SiteTable
from catena.calibrator.training import child_seed
from catena.shared.errors import FieldViolation, InvalidData

BATCH = 500
"""Sites per step: bounds memory, and lets progress be told."""

MOST_NUMBERS = 200_000_000
"""Sites x draws x parameters of one artifact: 1.6 GB, which is made in memory."""


def sample_table(
    posterior: Posterior,
    about: About,
    table: SiteTable,
    *,
    draws: int,
    seed: int,
    method: str,
    progress: Callable[[float, str], None],
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Draw from the posterior of every site.

    Parameters
    ----------
    posterior : Posterior
    about : About
        Names and units.
    table : SiteTable
        Observations of s sites.
    draws : int
        Per site.
    seed : int
        The draws of a site depend on it and on the site's place in the table.
    method : str
    progress : callable

    Returns
    -------
    dataset : xarray.Dataset
        ``parameters`` (site, draw, parameter) in physical units, and diagnostics (site).
    summary : dict
        Counts for people, as JSON.

    Raises
    ------
    InvalidData
        When the draws would not fit into memory.
    """
    sites = len(table.sites)
    if sites * draws * about.prior.size > MOST_NUMBERS:
        most = MOST_NUMBERS // (sites * about.prior.size)
        raise InvalidData(
            "too many draws for one artifact",
            violations=[
                FieldViolation(
                    "draws",
                    f"got {draws} draws for each of {sites} sites and {about.prior.size} "
                    f"parameters; wanted at most {most}, or split the table",
                )
            ],
        )
    values = np.empty((sites, draws, about.prior.size))
    effective, distance = np.empty(sites), np.empty(sites)
    out_of_range = np.zeros(sites, bool)
    used: list[str] = []
    for start in range(0, sites, BATCH):
        rows = slice(start, start + BATCH)
        sample = posterior.sample(
            table.values[rows],
            table.error_sd[rows],
            table.observed[rows],
            draws=draws,
            seed=seed if start == 0 else child_seed(seed, start),
            method=method,
        )
        values[rows] = sample.values
        effective[rows] = sample.effective_size
        distance[rows] = sample.distance_sd
        out_of_range[rows] = sample.out_of_range
        used += [str(name) for name in np.broadcast_to(sample.method_used, len(sample.values))]
        done = min(start + BATCH, sites)
        progress(0.95 * done / sites, f"{done} of {sites} sites")
    dataset = draws_dataset(values, about, "site", list(table.sites))
    dataset["effective_size"] = ("site", effective, {"long_name": "effective sample size"})
    dataset["distance_sd"] = (
        "site",
        distance,
        {"long_name": "distance of the observation from what the model can give", "units": "1"},
    )
    dataset["out_of_range"] = (
        "site",
        out_of_range.astype(np.int8),
        {
            "long_name": "observation outside what the model can give",
            "flag_values": [0, 1],
            "flag_meanings": "inside outside",
        },
    )
    dataset["method_used"] = ("site", used, {"long_name": "method that drew"})
    summary = {
        "sites": sites,
        "draws": draws,
        "out_of_range": [site for site, far in zip(table.sites, out_of_range, strict=True) if far],
        "methods_used": {name: used.count(name) for name in sorted(set(used))},
    }
    return dataset, summary
