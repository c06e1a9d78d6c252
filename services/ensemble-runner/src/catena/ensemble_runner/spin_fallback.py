"""Which sites fell back, and why: a section of the pages about spin-ups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.ensemble_runner import spin_plots as plots
from catena.ensemble_runner.spin_result import USED, SpunUpSites
from catena.ensemble_runner.spin_words import reason_of, reasons
from catena.shared.report import Block, Picture, Section, Table, Text, number, plot

Array = NDArray[np.float64]

SHOWN_SITES = 12


def fallback_section(
    lat: Array, lon: Array, cell: NDArray[np.int64], made: SpunUpSites, label: str
) -> Section:
    """Which sites did not pass at once, what the check said of them, and what became of them.

    Parameters
    ----------
    lat, lon : float64 (cell,)
    cell : int64 (site,)
    made : SpunUpSites
    label : str
        Of the method.
    """
    told = reasons(made)
    blocks: list[Block] = []
    fell = np.flatnonzero(made.passed_first == 0)
    if not fell.size:
        blocks.append(Text(f"No site: all {made.used.size:,} passed after {label}."))
        return Section("Which sites fell back, and why?", blocks)
    rows = [[words, f"{count:,}", percent(count / made.used.size)] for words, count in told]
    blocks.append(
        Table(
            ("What the check said", "Sites", "Share"),
            rows,
            f"After {label}; a site is counted by the first thing that was said of it.",
            numeric=(1, 2),
        )
    )
    if lat.size >= plots.LEAST_CELLS:
        worst = np.zeros(lat.size, dtype=np.int64)
        np.maximum.at(worst, cell, made.used)
        blocks.append(
            Picture(
                plot(
                    plots.used_map(worst, lat, lon, USED),
                    "used",
                    alt="Map of the cells that passed and that fell back",
                ),
                "Cells; of several parameter sets the worst counts.",
            )
        )
    order = fell[np.argsort(-np.abs(np.nan_to_num(made.nee_checked[fell], nan=np.inf)))]
    table = [
        [
            f"{lat[cell[site]]:.2f}, {lon[cell[site]]:.2f}",
            said(made.nee_checked[site], 2, digits=True),
            said(made.drift_checked[site], 2, digits=True),
            said(made.unfamiliar[site], 2, digits=True),
            f"{made.fallback_years[site]:.0f}",
            said(made.nee[site], 2, digits=True),
            reason_of(made, int(site)),
        ]
        for site in order[:SHOWN_SITES]
    ]
    columns = (
        "Place", "NEE", "Drift", "Unfamiliar", "Years of fallback", "NEE after", "Why",
    )  # fmt: skip
    count = min(SHOWN_SITES, fell.size)
    blocks.append(
        Table(
            columns, table, f"The {count} of {fell.size} sites that were farthest from equilibrium."
            if fell.size > count else "All of them.", numeric=range(1, 6),
        )
    )  # fmt: skip
    return Section("Which sites fell back, and why?", blocks)


def said(value: float, places: int, *, digits: bool = False) -> str:
    """A number with so many decimal places, or significant digits; a dash where there is none."""
    if not np.isfinite(value):
        return "-"
    return number(float(value), places) if digits else f"{value:.{places}f}"


def percent(value: float) -> str:
    """A share in per cent; a dash where there is none."""
    return f"{100 * value:.1f} %" if np.isfinite(value) else "-"
