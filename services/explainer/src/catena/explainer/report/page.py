"""The page of an explanation: words first, then figures that say how to read them, then trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from catena.explainer.report.contribution_plots import beeswarm_plot, lag_plot
from catena.explainer.report.flood_plot import flood_plot
from catena.explainer.report.internal_plots import attention_plot, gate_plot, importance_plot
from catena.explainer.report.knowledge import KnowledgeCheck, check_knowledge
from catena.explainer.report.matrix_plots import interaction_plot, trust_plot
from catena.explainer.report.page_tables import (
    basin_table,
    importance_table,
    knowledge_tables,
    method_table,
)
from catena.explainer.report.reading import Explained
from catena.explainer.report.words import explanation_words, main_method, method_words
from catena.shared.report import Block, Facts, Page, Picture, Section, Terms, Text, plot, render

GENERATED = (
    "The basins are GENERATED: weather and flow were made by formulas. Nothing here was measured, "
    "and what the model rests on says nothing about a real river."
)

GLOSSARY = (
    (
        "contribution",
        "What one input of one day added to a forecast, mm d⁻¹: contributions add up to the "
        "forecast less the reference.",
    ),
    (
        "reference",
        "What the model forecasts for the baselines, days of the training climate of the same "
        "basin: the mean of it, or by integrated gradients what it forecasts for their mean.",
    ),
    ("lag", "Days before the day of issue; 0 is the last day that is known, -3 three days ahead."),
    ("lead", "Days from the issue to the day that is forecast; lead 1 is the next day."),
    ("completeness", "How far the contributions are from adding up, as a share of the range."),
    (
        "share",
        "Mean absolute contribution of an input, its days added up first, over that of all inputs.",
    ),
    (
        "gate",
        "How far the network's fusion trusts the forecast weather of a lead: 1 takes it all, 0 "
        "takes the past only.",
    ),
    (
        "attention",
        "Where a network looks, in shares. Looking is not using: contributions say what counts.",
    ),
    ("permutation", "Rise of the error when an input is taken from another day."),
    ("recession constant", "Days in which the basin's flow falls to 1/e when nothing comes in."),
)


def explanation_page(dataset: xr.Dataset, about: Mapping[str, Any]) -> str:
    """HTML of an explanation of streamflow forecasts.

    Parameters
    ----------
    dataset : xr.Dataset
        As in ``explanation.zarr``; parts that it has not are left out of the page.
    about : mapping
        As in ``explanation.json``.

    Raises
    ------
    InvalidData
        When nothing can be said: see :meth:`Explained.of`.
    """
    x = Explained.of(dataset, about)
    checks = check_knowledge(dataset, about)
    words = str(about.get("words") or explanation_words(dataset, about, checks))
    sections = [
        Section("In words", [Text(words), Facts(_facts(x))]),
        _inputs_section(x),
        _days_section(x),
        _flood_section(x),
        _pairs_section(x),
        _internals_section(x),
        _knowledge_section(x, checks),
        _trust_section(x),
        _data_section(x),
        Section("Words", [Terms(GLOSSARY)]),
    ]
    page = Page(
        title=str(about.get("title") or "Why the model said so"),
        kicker="catena · explanation of streamflow forecasts",
        lead="What the forecasts rest on: which input, of which day, alone and together; and "
        "whether that is what hydrology expects.",
        notices=[GENERATED] if about.get("generated") else [],
        sections=[section for section in sections if section.blocks],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page)


def _facts(x: Explained) -> list[tuple[str, str]]:
    first, last = x.issue.min(), x.issue.max()
    found = [
        ("Model", method_words(str(x.about.get("model") or "not named"))),
        ("Basins", str(len(x.basins))),
        ("Forecasts", str(len(x.basin))),
        ("Issued", str(first) if first == last else f"{first} to {last}"),
        ("Leads", f"{x.leads[0]} to {x.leads[-1]} d"),
    ]
    if x.attributed:
        found.append(("Days of the past", str(int((x.lags >= 0).sum()))))
        method = main_method(x)
        if method:
            found.append(("Contributions by", method_words(method)))
    return found


def _picture(figure: Figure, name: str, alt: str, caption: str) -> Picture:
    return Picture(plot(figure, name, alt=alt), caption, alt=alt)


def _inputs_section(x: Explained) -> Section:
    if not x.attributed:
        return Section("What counts", [])
    figure = beeswarm_plot(x, x.parts(), x.shown_leads())
    caption = (
        "A point is one forecast. How far right: what the input added to it, all days together, "
        "against the reference. Red where the input was high for the basin, blue where it was low "
        "(days weighed by what they contribute), grey where it has no one value. Red on the right "
        "and blue on the left: more of it gives more flow. The most important input is on top."
    )
    blocks: list[Block] = [_picture(figure, "beeswarm", "Contributions of inputs", caption)]
    return Section("What counts", [*blocks, importance_table(x)])


def _days_section(x: Explained) -> Section:
    if not x.attributed:
        return Section("Which days count", [])
    caption = (
        "Mean absolute contribution of each input and day; the darker the more, on a logarithmic "
        "scale of its own for each row of panels. The line is the issue: left of it lies the past, "
        "right of it the forecast weather; the dotted line is the day that is forecast, and "
        "nothing right of it should count. The days within ten of the issue are drawn wider. Grey: "
        "there is no such input."
    )
    figure = lag_plot(x, x.parts(), x.shown_leads())
    return Section("Which days count", [_picture(figure, "lags", "Contributions by day", caption)])


def _flood_section(x: Explained) -> Section:
    if not x.attributed or "reference" not in x.data:
        return Section("A flood taken apart", [])
    caption = (
        "The forecast that holds the largest observed flow of each basin or class (the largest "
        "forecast where none was observed). From the dashed reference up: what raised the flow; "
        "down, paler: what lowered it. Up less down gives the forecast, the thick line; points are "
        "what was observed."
    )
    return Section(
        "A flood taken apart",
        [_picture(flood_plot(x, x.parts()), "flood", "Contributions to a flood", caption)],
    )


def _pairs_section(x: Explained) -> Section:
    figure = interaction_plot(x, x.parts())
    if figure is None:
        return Section("What counts together", [])
    caption = (
        "On the diagonal what each input contributes alone, below it what two contribute only "
        "together (both orders in one cell), in percent of all: rain that counts for more on wet "
        "ground stands where both meet. Cells add up to 100."
    )
    return Section("What counts together", [_picture(figure, "pairs", "Pairs of inputs", caption)])


def _internals_section(x: Explained) -> Section:
    parts = x.parts()
    drawn: tuple[tuple[str, str, str, Callable[..., Figure | None]], ...] = (
        (
            "gate",
            "Gate by lead",
            "Weight that the network gives to the forecast weather of a lead against the past: "
            "median over forecasts, and the range of the middle 80 %. It should fall as the "
            "weather gets noisier (thin line, where it is known).",
            gate_plot,
        ),
        (
            "attention",
            "Attention of leads to past days",
            "Which past days each lead looks at when past and forecast are fused, mean over "
            "forecasts; a row of a panel adds up to 1. Wide: the mean over heads; small: each "
            "head. Attention shows where the network looks, not what it makes of it.",
            attention_plot,
        ),
        (
            "importance",
            "Weights of variables and of past days",
            "Left: how the forecast of a lead is mixed from the variables' own forecasts; a column "
            "adds up to 1. Right: which past days each variable remembers, mean over leads.",
            importance_plot,
        ),
    )
    blocks: list[Block] = []
    for name, alt, caption, draw in drawn:
        figure = draw(x, parts)
        if figure is not None:
            blocks.append(_picture(figure, name, alt, caption))
    return Section("What the network shows of itself", blocks)


def _knowledge_section(x: Explained, checks: Sequence[KnowledgeCheck]) -> Section:
    if not checks:
        return Section("Is it what hydrology expects?", [])
    text = (
        "Each line is what process knowledge expects of a basin of its class, and what the "
        "contributions show. A check that fails asks a question of the model, or of the class "
        "that the basin was given; it proves neither wrong."
    )
    return Section("Is it what hydrology expects?", [Text(text), *knowledge_tables(x, checks)])


def _trust_section(x: Explained) -> Section:
    blocks: list[Block] = []
    if x.about.get("methods"):
        blocks.append(method_table(x.about["methods"], x.about.get("settings") or {}))
    notes = [str(note) for note in x.about.get("notes") or ()]
    if notes:
        blocks.append(Text(f"To be known: {'; '.join(notes)}."))
    figure = trust_plot(x, x.about)
    if figure is not None:
        caption = (
            "Completeness: how far contributions are from adding up to the forecast, the worst "
            "forecast of each lead; below the dotted line is good. Rank correlation: 1 where two "
            "methods put the inputs in the same order, 0 where their orders have nothing in common."
        )
        blocks.append(_picture(figure, "trust", "Completeness and agreement of methods", caption))
    return Section("Can it be trusted?", blocks)


def _data_section(x: Explained) -> Section:
    missing = ""
    if "observed" in x.data:
        share = float(np.isnan(x.data["observed"].values).mean())
        missing = f" {100 * share:.0f} % of the days that are forecast have no observation."
    made = "generated" if x.about.get("generated") else "recorded"
    training = (dict(x.about.get("samples") or {}).get("periods") or {}).get("training")
    usual = f" Baselines are days of {training[0]} to {training[1]}." if training else ""
    text = (
        f"{len(x.basin)} forecasts, issued {x.issue.min()} to {x.issue.max()}, of "
        f"{len(x.basins)} {made} basin{'s' * (len(x.basins) > 1)}.{missing} Inputs that are "
        f"missing contribute nothing.{usual}"
    )
    return Section("The data", [Text(text), basin_table(x)])
