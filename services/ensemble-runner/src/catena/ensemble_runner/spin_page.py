"""The page about sites that one method has spun up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catena.coupler.spin_up.check import CheckPlan
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.ensemble_runner import spin_plots as plots
from catena.ensemble_runner.spin_compared import mean_of_cells, median_abs
from catena.ensemble_runner.spin_conservation import Conservation
from catena.ensemble_runner.spin_fallback import fallback_section
from catena.ensemble_runner.spin_result import FAILED, SpunUpSites
from catena.ensemble_runner.spin_sites import SpinUpSites
from catena.ensemble_runner.spin_words import GLOSSARY, check_words, in_a_sentence, status_of
from catena.shared.report import (
    Block,
    Facts,
    Finding,
    Page,
    Picture,
    Section,
    Table,
    Terms,
    Text,
    duration,
    number,
    plot,
    render,
)


def single_page(
    title: str,
    label: str,
    made: SpunUpSites,
    sites: SpinUpSites,
    case: EmbeddedCase,
    *,
    check: CheckPlan,
    kept: Conservation,
    facts: Sequence[tuple[str, str]],
    notices: Sequence[str],
) -> str:
    """Write the page.

    Parameters
    ----------
    title, label : str
        Of the page; of the method.
    made : SpunUpSites
    sites : SpinUpSites
    case : EmbeddedCase
    check : CheckPlan
    kept : Conservation
    facts : sequence of (str, str)
        About the data.
    notices : sequence of str
    """
    ended, alone = float((made.used != FAILED).mean()), float(made.passed_first.mean())
    method = in_a_sentence(label)
    verdict = Finding(
        status_of(ended),
        f"{100 * ended:.1f} % of the sites are at equilibrium after {method}",
        f"{100 * alone:.1f} % passed the check without fallback. Whether their pools are right "
        "tells a comparison with a long native spin-up (CompareSpinUps).",
    )
    lat, lon = sites.columns.lat, sites.columns.lon
    described = [
        ("Model", f"{case.model} {case.version}"),
        ("Sites", f"{sites.count:,} in {sites.columns.cells:,} cells"),
        *facts,
        ("Cycle of the forcing", f"{case.cycle_years} years"),
        *check_words(check, case.cycle_years),
    ]
    page = Page(
        title=title,
        kicker="catena · spin-up",
        lead=f"Each site was spun up by {method}, run natively for some cycles, and judged.",
        notices=notices,
        verdict=verdict,
        sections=[
            Section("What was spun up", [Facts(described)]),
            Section("How quiet, and at which cost?", _quiet(made, sites, check.criterion.nee)),
            fallback_section(lat, lon, sites.cell, made, label),
            Section("Is nothing lost?", [Text(_kept(kept))]),
            Section("Words", [Terms(GLOSSARY)]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page)


def _kept(kept: Conservation) -> str:
    """What the states hold, and how well the model conserves it, in words."""
    if not kept.sites:
        return "No state can be run: nothing can be said of what they hold."
    return (
        f"The columns hold {number(kept.carbon, 4)} gC and {number(kept.nitrogen, 4)} gN m⁻² on "
        f"average. A cycle of the model from {kept.sites:,} of the states changes what a column "
        "holds by what its fluxes say: the largest gap is "
        f"{number(kept.carbon_error, 2)} gC and {number(kept.nitrogen_error, 2)} gN m⁻² yr⁻¹."
    )


def _quiet(made: SpunUpSites, sites: SpinUpSites, limit: float) -> list[Block]:
    lat, lon = sites.columns.lat, sites.columns.lon
    rows = [
        [words, number(median_abs(nee), 3), f"{100 * float((np.abs(nee) <= limit).mean()):.1f} %"]
        for words, nee in (
            ("first cycle after the method", made.nee_first),
            ("as the check judged, settled and polished", made.nee_checked),
            ("at the end, after the fallback", made.nee),
        )
    ]
    spent = ", ".join(
        f"{duration(seconds / sites.count)} for {words}"
        for name, words in (("method", "the method"), ("check", "check and fallback"))
        for seconds in [made.cpu_s.get(name, 0.0)]
    )
    years = [made.years, made.check_years, made.fallback_years]
    simulated = " + ".join(number(float(np.nanmean(each)), 3) for each in years)
    blocks: list[Block] = [
        Table(
            ("When", "Median of |NEE|", f"Within {limit:g}"),
            rows,
            "NEE is the mean of a whole cycle of the forcing, gC m⁻² yr⁻¹.",
            numeric=(1, 2),
        ),
        Text(f"CPU of a site: {spent}. Simulated years, mean: {simulated} (method, check, "
             "fallback)."),
    ]  # fmt: skip
    if lat.size >= plots.LEAST_CELLS:
        panels = [
            plots.Map(words, "", mean_of_cells(nee, sites.cell, lat.size))
            for words, nee in (
                ("first cycle", made.nee_first),
                ("as judged", made.nee_checked),
                ("at the end", made.nee),
            )
        ]
        blocks.append(
            Picture(
                plot(
                    plots.nee_maps(panels, lat, lon, limit),
                    "nee",
                    alt="Maps of net ecosystem exchange before and after the check",
                ),
                "Net ecosystem exchange, means over the parameter sets of a cell.",
            )
        )
    return blocks
