"""ERA5-Land's amounts since 00 UTC as rates of their own hour: plain fixes, before all checks.

The amount at 01 UTC is that of the first hour, the one at 00 UTC that of the whole day before.
After the differences a rate still stands at the end of its hour, so the values move by one step.
Source: ERA5-Land documentation, section on accumulations.
"""

from __future__ import annotations

import xarray as xr

from catena.shared.checks.findings import Finding, Fix

DAY_S = 86400.0
_SINCE_MIDNIGHT = frozenset(
    ("tp", "total_precipitation", "sf", "snowfall", "smlt", "snowmelt", "ro", "runoff", "sro")
    + ("surface_runoff", "e", "evaporation", "total_evaporation", "pev", "potential_evaporation")
    + ("ssrd", "surface_solar_radiation_downwards", "strd", "surface_thermal_radiation_downwards")
    + ("ssr", "surface_net_solar_radiation", "str", "surface_net_thermal_radiation")
    + ("slhf", "surface_latent_heat_flux", "sshf", "surface_sensible_heat_flux")
)


def land_fixes(header: xr.Dataset) -> tuple[Fix, ...]:
    """What makes rates out of the amounts of an ERA5-Land file.

    Parameters
    ----------
    header : xarray.Dataset
        As opened; only names and units are looked at.
    """
    fixes: list[Fix] = []
    if "valid_time" in header.dims:
        fixes.append(Fix("rename", {"names": {"valid_time": "time"}}))
    for name in _amounts(header):
        rate = f"{header[name].attrs.get('units', '')} s-1".strip()
        fixes += [
            Fix("deaccumulate", {"variable": name, "dim": "time", "reset_s": DAY_S}),
            Fix("set_attributes", {"variable": name, "attributes": {"units": rate}}),
            Fix("shift_values", {"variable": name, "steps": -1}),
        ]
    return tuple(fixes) if len(fixes) > 1 else ()


def land_findings(dataset: xr.Dataset, file: str) -> list[Finding]:
    """The same in words, for the artifact."""
    return [
        Finding(
            "accumulation",
            "converted",
            f"'{dataset[name].attrs.get('units', '')}' since 00 UTC, at the end of the step",
            "a rate, at the start of the step",
            "ERA5-Land accumulates over the day: differences from step to step",
            file=file,
            variable=name,
            dimension="time",
        )
        for name in _amounts(dataset)
    ]


def _amounts(dataset: xr.Dataset) -> list[str]:
    return sorted(_SINCE_MIDNIGHT & set(map(str, dataset.data_vars)))
