"""Which sites fell back, and why: a section of the pages about spin-ups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.ensemble_runner import spin_plots as plots
from catena.ensemble_runner.spin_result import USED, SpunUpSites
from catena.ensemble_runner.spin_words import in_a_sentence, reasons, reasons_of
from catena.shared.report import Block, Picture, Section, Table, Text, number, plot

Array = NDArray[np.float64]

SHOWN_SITES = 12


def fallback_section(
    lat: Array,
    lon: Array,
    cell: NDArray[np.int64],
    made: SpunUpSites,
    label: str,
    unseen: NDArray[np.bool_] | None = None,
) -> Section:
    """Which sites did not pass without fallback, why, and what became of them.

    Parameters
    ----------
    lat, lon : float64 (cell,)
    cell : int64 (site,)
    made : SpunUpSites
    label : str
        Of the method.
    unseen : bool (site,), optional
        Sites of blocks that no method has learned from; the others are marked on the map.
    """
    told = reasons(made)
    blocks: list[Block] = []
    fell = np.flatnonzero(made.passed_first == 0)
    if not fell.size:
        blocks.append(Text(f"No site: all {made.used.size:,} passed after {in_a_sentence(label)}."))
        return Section("Which sites fell back, and why?", blocks)
    rows = [[words, f"{count:,}", percent(count / made.used.size)] for words, count in told]
    blocks.append(
        Table(
            ("What the check said", "Sites", "Share"),
            rows,
            f"After {in_a_sentence(label)}, at the first look; a site is counted by each thing "
            "that was said of it.",
            numeric=(1, 2),
        )
    )
    if lat.size >= plots.LEAST_CELLS:
        worst = np.zeros(lat.size, dtype=np.int64)
        np.maximum.at(worst, cell, made.used)
        learned = None if unseen is None else np.unique(cell[~unseen])
        blocks.append(
            Picture(
                plot(
                    plots.used_map(worst, lat, lon, USED, learned),
                    "used",
                    alt="Map of the cells that passed and that fell back",
                ),
                "Cells by where their state is from: the method as it was, the method and the "
                "check's polishing, native spin-up; failed: no equilibrium even so. Of several "
                "parameter sets the worst counts."
                + (" Dots: in blocks that were learned from." if learned is not None else ""),
            )
        )
    order = fell[np.argsort(-np.abs(np.nan_to_num(made.nee_checked[fell], nan=np.inf)))]
    table = [
        [
            f"{lat[cell[site]]:.2f}, {lon[cell[site]]:.2f}",
            ", ".join(reasons_of(made, int(site))),
            said(made.nee_checked[site], 2, digits=True),
            said(made.drift_checked[site], 2, digits=True),
            "∞" if np.isinf(made.unfamiliar[site]) else said(made.unfamiliar[site], 2, digits=True),
            f"{made.fallback_years[site]:.0f}",
            USED[made.used[site]],
            said(made.nee[site], 2, digits=True),
            said(made.drift[site], 2, digits=True),
        ]
        for site in order[:SHOWN_SITES]
    ]
    columns = (
        "Place", "At the first look", "NEE", "drift", "Unfamiliar", "Years of fallback", "Ended as",
        "NEE", "drift",
    )  # fmt: skip
    count = min(SHOWN_SITES, fell.size)
    which = (
        f"The {count} of {fell.size} sites that were farthest from equilibrium"
        if fell.size > count
        else "All of them"
    )
    blocks.append(
        Table(
            columns,
            table,
            f"{which}. NEE and drift of the pool that moves most, gC m⁻² yr⁻¹: after the check's "
            "polishing, and at the end.",
            numeric=(2, 3, 4, 5, 7, 8),
        )
    )
    return Section("Which sites fell back, and why?", blocks)


def said(value: float, places: int, *, digits: bool = False) -> str:
    """A number with so many decimal places, or significant digits; a dash where there is none."""
    if not np.isfinite(value):
        return "-"
    return number(float(value), places) if digits else f"{value:.{places}f}"


def percent(value: float) -> str:
    """A share in per cent; a dash where there is none."""
    return f"{100 * value:.1f} %" if np.isfinite(value) else "-"
