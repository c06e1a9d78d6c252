"""The page that says why forecasts of fields came out as they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from catena.explainer.attribution.shapley import ADDITIVITY
from catena.explainer.orbit.explanation import OrbitExplanation
from catena.explainer.orbit.plots import (
    attention_maps,
    contribution_maps,
    distance_plot,
    influence_maps,
    method_bars,
)
from catena.explainer.orbit.words import lead_words
from catena.shared.report import (
    Block,
    Facts,
    Finding,
    Findings,
    Page,
    Picture,
    Section,
    Table,
    Terms,
    Text,
    number,
    plot,
    render,
    unit_label,
)

__all__ = ["page"]

GENERATED = (
    "The fields are GENERATED: formulas made them. What the model leans on here says nothing about "
    "forecasts of the Earth."
)
COMPLETE = 1e-4
"""Share of the range of the forecasts by which integrated gradients may miss their sum."""
MOST_TARGETS = 6
WORDS = (
    ("target", "What is explained: the mean of a forecast field over a box, at a lead."),
    ("background", "Times of training that forecasts are compared with: the usual."),
    ("contribution", "How far a variable at a place moved the forecast away from the usual one."),
    ("influence", "Mean square of contributions: how much a place matters, in whatever direction."),
    ("permutation", "How much worse forecasts become when a variable comes from another time."),
    ("attention", "What the model looked at; not what it did with it."),
    ("rollout", "Attention through all blocks, as a product of their maps."),
    ("upwind", "Against the wind over the box: where air comes from."),
)


def page(explanation: OrbitExplanation) -> str:
    """HTML of an explanation."""
    data = explanation.to_dataset()
    leads = ", ".join(lead_words(lead) for lead in data["lead"].values)
    times = [str(time)[:16].replace("T", " ") for time in data["time"].values]
    facts = [
        ("Model", explanation.model),
        ("Forecasts", f"{len(times)}, from {min(times)} to {max(times)}"),
        ("Leads", leads),
        ("Background", explanation.background),
        ("Trained on", explanation.trained_on),
        ("Grid", f"{data.sizes['lat']} x {data.sizes['lon']}"),
        ("Variables", str(data.sizes["variable"])),
    ]
    sections = [
        Section(
            "In words", [Text(explanation.words), Facts(facts), Findings(_findings(explanation))]
        )
    ]
    for place in range(min(data.sizes["target"], MOST_TARGETS)):
        sections.append(_target(data.isel(target=place), place))
    sections += [_methods(explanation), Section("Words", [Terms(WORDS)])]
    return render(
        Page(
            title=explanation.title,
            kicker="catena · explainer · forecasts of fields",
            lead="Which variables, and which places, moved the forecasts away from the usual.",
            notices=[
                *([GENERATED] if explanation.generated else []),
                *explanation.notes,
                *_left_out(data.sizes["target"]),
            ],
            sections=sections,
            footer="Written by catena. The page is complete in itself and loads nothing.",
        )
    )


def _left_out(targets: int) -> list[str]:
    """A sentence on the targets that the page has no room for."""
    if targets <= MOST_TARGETS:
        return []
    return [
        f"The first {MOST_TARGETS} of {targets} targets are shown; the numbers of all are in "
        "explanation.zarr."
    ]


def _target(one: xr.Dataset, place: int) -> Section:
    """Pictures of one target."""
    label, units = str(one["target"].item()), unit_label(str(one["target_units"].item()))
    blocks: list[Block] = []

    def show(figure: Any, kind: str, caption: str, alt: str) -> None:
        blocks.append(Picture(plot(figure, f"{kind}{place}", alt=alt), caption, alt))

    if "contribution" in one:
        last = one.isel(lead=-1)
        change = (last["prediction"] - last["reference"]).values
        sample = int(np.abs(change).argmax())
        show(
            contribution_maps(last, sample),
            "contributions",
            f"The forecast from {str(last['time'].values[sample])[:16].replace('T', ' ')} for "
            f"{lead_words(float(last['lead']))} ahead, the one furthest from the usual: "
            f"{change[sample]:+.3g} {units}. Red moved it up, blue down; figures are sums over the "
            "globe. The box is what was forecast.",
            f"Maps of contributions to {label}",
        )
        show(
            influence_maps(one),
            "influence",
            "Root mean square contribution of each cell over all forecasts, all variables "
            "together.",
            f"Maps of influence on {label} by lead",
        )
        show(
            distance_plot(one),
            "distance",
            "Share of the influence within a distance of the box, of all variables together and of "
            "the two that matter most. A line that rises later comes from further away.",
            f"Influence on {label} against distance by lead",
        )
        blocks.append(_whence(one))
    if any(str(name).startswith(BY_VARIABLE) for name in one):
        show(
            method_bars(one),
            "variables",
            "Share of each variable by each method. Methods that agree on the order can be "
            "believed on it; attention only says what was looked at.",
            f"Importance of variables for {label}",
        )
    if "attention_rollout" in one:
        show(
            attention_maps(one),
            "attention",
            "Where the model looked from the patches of the box, mean over forecasts: 1 is as much "
            "as if all patches were looked at alike.",
            f"Maps of attention for {label}",
        )
    return Section(label, blocks)


BY_VARIABLE = ("variable_contribution", "shap_", "permutation", "attention_importance")


def _whence(one: xr.Dataset) -> Table:
    """Where the influence of the variables comes from, by lead."""
    rows = []
    shares = one["influence_share"].values
    order = [0, *(1 + int(k) for k in np.argsort(-shares[:, 1:].mean(0))[:3])]
    for lead in range(one.sizes["lead"]):
        for source in order:
            at = one.isel(lead=lead, source=source)
            cells = [
                at[f"influence_{name}"].item()
                for name in ("share", "outside", "half", "east", "north", "upwind")
            ]
            rows.append(
                [
                    lead_words(float(one["lead"].values[lead])),
                    str(at["source"].item()),
                    *(f"{100 * share:.0f}" if np.isfinite(share) else "-" for share in cells[:2]),
                    *(f"{way:,.0f}" if np.isfinite(way) else "-" for way in cells[2:]),
                ]
            )
    return Table(
        ("Lead", "Source", "Share (%)", "Outside (%)", "Half within (km)", "East (km)",
         "North (km)", "Upwind (km)"),
        rows,
        "Influence by source: its share in all, how much of it lies outside the box, the distance "
        "that half of it lies within, and where its middle lies as seen from the box.",
        numeric=range(2, 8),
    )  # fmt: skip


def _findings(explanation: OrbitExplanation) -> list[Finding]:
    """Whether contributions add up."""
    found = []
    for method, facts in explanation.methods.items():
        if "completeness_max" not in facts:
            continue
        worst, name = facts["completeness_max"], method.replace("_", " ").replace("shap", "SHAP")
        good = worst <= (ADDITIVITY if method.endswith("_shap") else COMPLETE)
        found.append(
            Finding(
                "passed" if good else "doubtful",
                f"Contributions by {name} add up",
                f"to the forecast less the usual one, to within {number(100 * worst, 2)} % of the "
                "range of the forecasts.",
                "" if good else "Ask for more steps.",
            )
        )
    return found


def _methods(explanation: OrbitExplanation) -> Section:
    """What was computed, at what price, and how methods agree."""
    rows = [
        [
            name.replace("_", " ").replace("shap", "SHAP"),
            ", ".join(
                f"{key} {value}"
                for key, value in facts.items()
                if key not in ("cpu_s", "completeness_max")
            )
            or "-",
            number(100 * facts["completeness_max"], 2) if "completeness_max" in facts else "-",
            number(facts["cpu_s"], 2),
        ]
        for name, facts in explanation.methods.items()
    ]
    blocks: list[Block] = [
        Table(
            ("Method", "Settings", "Sum off by (% of range)", "CPU (s)"),
            rows,
            "The range is that of the forecasts and of those of the background.",
            numeric=(2, 3),
        )
    ]
    names, table = explanation.agreement["methods"], explanation.agreement["spearman"]
    if len(names) > 1:
        plain = [name.replace("_", " ").replace("shap", "SHAP") for name in names]
        blocks.append(
            Table(
                ("Spearman", *plain),
                [
                    [name, *("-" if value is None else f"{value:.2f}" for value in row)]
                    for name, row in zip(plain, table, strict=True)
                ],
                "Do methods rank the variables alike? 1: in the same order, -1: the other way "
                "round.",
                numeric=range(1, 1 + len(names)),
            )
        )
    return Section("Methods", blocks)
