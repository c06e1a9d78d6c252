"""The embedded model beside ELM itself at Missouri Ozark, and beside observations at four sites."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from ensemble_cases import YEAR_S, advance, data, noleap, observed_site, spun_up

from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.forcing import CO2_1850_PPM

SITES = ("US-Ha1", "US-MMS", "US-NR1", "US-WCr")
SPIN_YEARS = (40, 200, 60)
CO2_PPM = 385.0
"""Of the years with observations, 2000 to 2014."""
LATENT_HEAT = 2.501e6
"""J kg-1; of the days' evapotranspiration (kg m-2 d-1)."""


def measure() -> dict[str, float | None]:
    """Figures at real sites; none without the data."""
    folder = data()
    if folder is None:
        print("sites: CATENA_DATA names no folder; left out", file=sys.stderr)
        return {}
    figures: dict[str, float | None] = {**_beside_elm(folder)}
    for site in SITES:
        figures |= _beside_observations(folder, site)
    return figures


def _beside_elm(folder: Path) -> dict[str, float]:
    """Means over the weather's years at the end of the spin-up, as ELM's restart was made."""
    columns, forcing = observed_site("US-MOz")
    one = ParameterSet.default(1)
    state = spun_up(columns, forcing, one, SPIN_YEARS)
    cycle = noleap(forcing).with_co2(CO2_1850_PPM)
    run = advance(columns, cycle, one, state, variables=("GPP", "EFLX_LH_TOT"), frequency="year")
    with (folder / "elm_runs" / "USMOz_final_annual.csv").open() as lines:
        rows = list(csv.DictReader(lines))[-len(run.first) :]
    gpp = float(run.history("GPP").mean()) * YEAR_S
    heat = float(run.history("EFLX_LH_TOT").mean())
    elm_gpp = float(np.mean([float(row["GPP"]) for row in rows]))
    elm_heat = float(np.mean([float(row["LH"]) for row in rows]))
    return {
        "moz_gpp": gpp,
        "moz_lh": heat,
        "elm_gpp": elm_gpp,
        "elm_lh": elm_heat,
        "elm_gpp_bias": (gpp - elm_gpp) / elm_gpp,
        "elm_lh_bias": heat - elm_heat,
        "moz_budget": float(run.budget.max()),
    }


def _beside_observations(folder: Path, site: str) -> dict[str, float | None]:
    """Monthly correlation (None where nothing grows) and bias; GPP in gC m-2 d-1, ET in mm d-1."""
    columns, forcing = observed_site(site)
    one = ParameterSet.default(1)
    state = spun_up(columns, forcing, one, SPIN_YEARS)
    run = advance(
        columns,
        forcing.with_co2(CO2_PPM),
        one,
        state,
        variables=("GPP", "EFLX_LH_TOT"),
        frequency="month",
    )
    months = {
        (int(run.days.year[day]), int(run.days.month[day])): number
        for number, day in enumerate(run.first)
    }
    simulated = {
        "GPP": run.history("GPP")[0, 0] * 86400.0,
        "ET": run.history("EFLX_LH_TOT")[0, 0] * 86400.0 / LATENT_HEAT,
    }
    path = folder / "flux_sites" / "monthly_fluxnet2015" / f"validation_{site}.csv"
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    label = site.replace("-", "").lower()
    figures: dict[str, float | None] = {}
    for name, values in simulated.items():
        pairs = [
            (values[months[when]], float(row[name]))
            for row in rows
            if (when := (int(row["Date"][:4]), int(row["Date"][4:]))) in months
            and np.isfinite(float(row[name] or "nan"))
        ]
        ours, theirs = np.array(pairs).T
        alive = ours.std() > 0.0
        r = float(np.corrcoef(ours, theirs)[0, 1]) if alive else None
        figures[f"{label}_{name.lower()}_r"] = r
        figures[f"{label}_{name.lower()}_bias"] = float((ours - theirs).mean())
        figures[f"{label}_{name.lower()}_observed"] = float(theirs.mean())
    return figures
