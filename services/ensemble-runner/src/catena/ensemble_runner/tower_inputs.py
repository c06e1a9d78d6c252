"""From requests about flux sites and the artifacts that they name to numbers, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.callmip.observations import Observations, read_observations
from catena.ensemble_runner.daily_series import fluxes
from catena.ensemble_runner.inputs import Open, dataset_row, field
from catena.ensemble_runner.storage import RUNS
from catena.ensemble_runner.tower_queries import TowerFluxes, TowerRuns
from catena.ensemble_runner.tower_statistics import SiteFluxes, Statistics
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]

STATISTICS = "statistics.zarr"
SUMMARY = "statistics.json"
DRAWN = "fluxes.json"
"""A file beside a tower's that was made from a run: only such artifacts have it."""


def read_tower(asked: TowerFluxes, open_ref: Open) -> tuple[Observations, bool]:
    """What a tower measured, and whether it is synthetic.

    Raises
    ------
    InvalidData
        As :func:`catena.coupler.callmip.observations.read_observations`.
    """
    held = open_ref(asked.files)
    seen = read_observations(
        held.local_path(asked.file), site=asked.site, as_published=asked.as_published
    )
    return seen, DRAWN in held.names


def read_towers(
    asked: Sequence[TowerRuns], open_ref: Open
) -> tuple[list[SiteFluxes], xr.Dataset, bool]:
    """Fluxes of all sites, their common members, and whether an observation is synthetic.

    Raises
    ------
    InvalidData
        When runs and tower do not fit, or sites were run with different members; names the field.
    """
    sites: list[SiteFluxes] = []
    found = xr.Dataset()
    synthetic = False
    for i, one in enumerate(asked):
        with field(f"sites[{i}].tower"):
            seen, drawn = read_tower(one.tower, open_ref)
        ensembles = [open_ref(runs).open_dataset(RUNS) for runs in one.runs]
        with field(f"sites[{i}].runs"):
            several = [fluxes(dataset, seen.dates()) for dataset in ensembles]
            members = _joined_members(ensembles)
        if i and not _same(found, members):
            text = "its members are not those of the first site; run all sites with one draw"
            raise InvalidData(
                "the sites do not fit together",
                violations=[FieldViolation(f"sites[{i}].runs", text)],
            )
        found = members
        sites.append(
            SiteFluxes(
                seen, {flux: np.concatenate([one[flux] for one in several]) for flux in several[0]}
            )
        )
        synthetic = synthetic or drawn
    return sites, found, synthetic


_MEMBERS = ("parameters", "parameter_low", "parameter_high")


def _joined_members(ensembles: Sequence[xr.Dataset]) -> xr.Dataset:
    """Parameters of the members of several ensembles; units and ranges are those of the first."""
    first = ensembles[0][list(_MEMBERS)].drop_vars("member", errors="ignore").compute()
    names = first["parameter"].to_numpy()
    rows = []
    for one in ensembles:
        own = list(one["parameter"].to_numpy())
        if sorted(own) != sorted(names):
            raise InvalidData(
                f"found the parameters {', '.join(map(str, own))} in one of the ensembles, wanted "
                f"{', '.join(map(str, names))}, as in the first"
            )
        rows.append(one["parameters"].to_numpy()[:, [own.index(name) for name in names]])
    joined = first.drop_vars("parameters")
    if "parameter_long_name" not in joined.coords:
        joined = joined.assign_coords(parameter_long_name=("parameter", [""] * len(names)))
    joined["parameters"] = (("member", "parameter"), np.concatenate(rows))
    return joined


def _same(one: xr.Dataset, other: xr.Dataset) -> bool:
    return bool(
        np.array_equal(one["parameter"].to_numpy(), other["parameter"].to_numpy())
        and np.array_equal(one["parameters"].to_numpy(), other["parameters"].to_numpy())
    )


def statistics_dataset(found: Statistics, members: xr.Dataset) -> xr.Dataset:
    """Statistics, their errors, and the members' parameters as one dataset.

    Parameters
    ----------
    found : Statistics
    members : xarray.Dataset
        Their parameters with units and ranges.
    """
    labels = found.labels
    made = xr.Dataset(
        {
            "simulated": (("member", "statistic"), found.simulated),
            "observed": ("statistic", found.observed),
            "error_sd": ("statistic", found.error_sd),
            "measurement_sd": ("statistic", found.measurement_sd),
            "sampling_sd": ("statistic", found.sampling_sd),
            "model_sd": ("statistic", found.model_sd),
            **{name: members[name] for name in _MEMBERS},
        },
        coords={
            "statistic": [label.name for label in labels],
            "statistic_units": ("statistic", [label.units for label in labels]),
            "statistic_long_name": ("statistic", [label.long_name for label in labels]),
            "parameter": members["parameter"],
            "parameter_units": members["parameter_units"],
            "parameter_long_name": members["parameter_long_name"],
        },
        attrs={"Conventions": "CF-1.11", "title": "statistics of daily fluxes at flux sites"},
    )
    for name, words in (
        ("simulated", "members' means over the days that were observed"),
        ("observed", "observed means"),
        ("error_sd", "standard deviation of the error: all parts"),
        ("measurement_sd", "part of it: measurement"),
        ("sampling_sd", "part of it: weather of single days in means of few days"),
        ("model_sd", "part of it: structure of the model, from its best members"),
    ):
        made[name].attrs["long_name"] = words
    return made


def statistics_summary(
    found: Statistics, sites: Sequence[SiteFluxes], **known: Any
) -> dict[str, Any]:
    """JSON form of all but the numbers."""
    return {
        **known,
        "sites": [
            {
                "site": site.observed.site,
                "notes": [note.to_dict() for note in site.observed.notes],
            }
            for site in sites
        ],
        "statistics": [
            {"name": label.name, "site": label.site, "flux": label.flux, "when": label.when,
             "days": label.days}
            for label in found.labels
        ],
        "best_members": found.best.tolist(),
    }  # fmt: skip


def read_monthly(ref: Any, key: str, site: str, open_ref: Open) -> xr.Dataset:
    """Monthly fluxes of a site out of a dataset of data-ingest, without other dimensions than time.

    Raises
    ------
    InvalidData
        When the site is not in it.
    """
    artifact = open_ref(ref)
    dataset = artifact.open_dataset(dataset_row(artifact, key)["name"])
    if "site" in dataset.dims:
        names = [str(name) for name in dataset["site"].to_numpy()]
        if site not in names:
            raise InvalidData(f"found the sites {', '.join(names[:12])}, wanted {site}")
        dataset = dataset.isel(site=names.index(site))
    return dataset
