"""The page that says how good forecasts are, against what, and whether intervals hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.forecast_intervals import ForecastIntervals
from catena.forecaster.forecasters import About
from catena.forecaster.plots import (
    FLOW_UNITS,
    Hydrograph,
    hydrograph_plot,
    lead_plot,
    pit_plot,
    skill_map,
)
from catena.forecaster.queries import EvaluateForecastsQuery
from catena.forecaster.report_text import GLOSSARY, generated_notice, period_text
from catena.forecaster.skill import Evaluation, Shown, median
from catena.forecaster.storage import plain_numbers
from catena.shared.report import (
    Block,
    Facts,
    Finding,
    Findings,
    Page,
    Picture,
    Section,
    Status,
    Table,
    Terms,
    Text,
    number,
    plot,
    render,
    unit_label,
)

Array = NDArray[np.float64]

TABLE_LEADS = (1, 3, 7, 14, 21, 30)
MAP_LEAD = 7
NEAR = 0.03
"""Coverage may be off by so much."""
TIE = 0.01
"""Medians of efficiency that are closer count as equal."""
SHOWN_DAYS = 365


def evaluation_page(
    query: EvaluateForecastsQuery,
    title: str,
    about: About,
    weather: str,
    found: Evaluation,
    intervals: ForecastIntervals | None,
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    findings = [*_skill_findings(found), *_interval_findings(found)]
    facts = [
        ("Basins", str(len(found.basins))),
        ("Issue times", str(found.issues)),
        ("Days that are forecast", period_text((query.days.start, query.days.end))),
        ("Trained on", period_text(about.training_days)),
        ("Stopped by", period_text(about.validation_days)),
        ("Forecast weather", weather),
    ]
    sections = [
        Section("What was compared", [Facts(facts), Findings(findings)]),
        _skill_section(found),
        _map_section(found),
    ]
    if intervals is not None and found.levels:
        sections.append(_interval_section(found, intervals, tracked=query.track))
    levels = found.levels if intervals is not None else ()
    sections += [_hydrograph_section(found, levels), _basin_section(found, levels)]
    page = Page(
        title=title,
        kicker="catena · skill of streamflow forecasts",
        lead=f"{found.models[0]} and {len(found.models) - 1} others, on days that none was "
        "trained on.",
        notices=[*generated_notice(about), *_seen_notices(query, about, intervals)],
        sections=[*sections, Section("Words", [Terms(GLOSSARY)])],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page), _summary(title, found, findings)


def _seen_notices(
    query: EvaluateForecastsQuery, about: About, intervals: ForecastIntervals | None
) -> list[str]:
    """Whether judged days had a part in what is judged."""
    start, end = query.days.start, query.days.end
    found = []
    held = about.validation_days
    if held is not None and held[0] <= end and start <= held[1]:
        found.append(
            f"Days of validation ({period_text(held)}) are among those that are judged: training "
            "was stopped by them, so skill there is a little too good."
        )
    if intervals is not None and intervals.until >= start:
        found.append(
            f"The intervals have learned days up to {intervals.until}, some of which are judged: "
            "coverage there is too good."
        )
    return found


# ------------------------------------------------------------------ findings


def _skill_findings(found: Evaluation) -> list[Finding]:
    """Where the first model wins, ties and loses; in words, with figures."""
    medians = found.median_nse()
    first = medians[found.models[0]]
    findings = []
    for name in found.models[1:]:
        gain = first - medians[name]
        leads = [lead for lead in TABLE_LEADS if lead <= len(gain) and np.isfinite(gain[lead - 1])]
        if not leads:
            continue
        worst = min(leads, key=lambda lead: gain[lead - 1])
        said = ", ".join(f"{gain[lead - 1]:+.3f} at {lead} d" for lead in leads)
        status: Status = "passed" if gain[worst - 1] >= -TIE else "doubtful"
        lost = [str(lead) for lead in leads if gain[lead - 1] < -TIE]
        verb = "is not beaten by" if status == "passed" else f"loses at {', '.join(lost)} d to"
        findings.append(
            Finding(status, f"{found.models[0]} {verb} {name}", f"Gain in median NSE: {said}.")
        )
    return findings


def _interval_findings(found: Evaluation) -> list[Finding]:
    findings = []
    for place, level in enumerate(found.levels):
        coverage = basin_mean(found.picp[:, :, place])
        if np.isnan(coverage).all():
            continue
        low, high = float(np.nanmin(coverage)), float(np.nanmax(coverage))
        inside = low >= level - NEAR and high <= level + NEAR
        status: Status = "passed" if inside else "doubtful"
        findings.append(
            Finding(
                status,
                f"{100 * level:g} % intervals hold {100 * low:.1f} to {100 * high:.1f} % of the "
                "observations",
                "Mean over basins, lowest and highest over the leads.",
            )
        )
    return findings


def basin_mean(values: Array) -> Array:
    """Mean over basins, by lead; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# ------------------------------------------------------------------ sections


def _skill_section(found: Evaluation) -> Section:
    medians = found.median_nse()
    figure = lead_plot(medians, "median NSE over basins", bottom=-0.5)
    leads = [lead for lead in TABLE_LEADS if lead <= found.nse.shape[2]]
    rows = [[name, *(_two(values[lead - 1]) for lead in leads)] for name, values in medians.items()]
    columns = ["Median NSE", *(f"{lead} d" for lead in leads)]
    return Section(
        "How good are the forecasts?",
        [
            Picture(
                plot(figure, "skill", alt="Skill by lead of all models"),
                "Median over basins of the efficiency at each lead, of the days that all models "
                "forecast; values under -0.5 are not shown.",
            ),
            Table(columns, rows, numeric=tuple(range(1, len(columns)))),
        ],
    )


def _map_section(found: Evaluation) -> Section:
    lead = min(MAP_LEAD, found.nse.shape[2])
    score = found.nse[0, :, lead - 1]
    if not np.isfinite(found.latitude + found.longitude).any():
        return Section("Where?", [Text("No basin's place is known: there is no map.")])
    figure = skill_map(found.latitude, found.longitude, found.basins, score, f"NSE at {lead} d")
    return Section(
        "Where?",
        [
            Picture(
                plot(figure, "map", alt="Map of skill"),
                f"Efficiency of {found.models[0]} at lead {lead} at each gauge.",
            )
        ],
    )


def _interval_section(found: Evaluation, intervals: ForecastIntervals, *, tracked: bool) -> Section:
    coverage = {
        f"{100 * level:g} % interval": 100 * basin_mean(found.picp[:, :, place])
        for place, level in enumerate(found.levels)
    }
    wanted = (100 * found.levels[-1], f"wanted: {100 * found.levels[-1]:g} %")
    learned = (
        "They learned from each observation as it came in, with the delay of its lead."
        if tracked
        else f"They know observations up to {intervals.until} and learned from none since."
    )
    skill = found.crpss
    leads = [lead for lead in TABLE_LEADS if lead <= len(skill)]
    rows = []
    for place, level in enumerate(found.levels):
        for name, values in (
            (f"{100 * level:g} %: coverage, %", 100 * basin_mean(found.picp[:, :, place])),
            (f"{100 * level:g} %: width, {unit_label(FLOW_UNITS)}", median(found.mpiw[..., place])),
            (
                f"{100 * level:g} %: interval score, {unit_label(FLOW_UNITS)}",
                median(found.winkler[..., place]),
            ),
        ):
            rows.append([name, *(_number(values[lead - 1]) for lead in leads)])
    rows.append(["CRPSS against climatology", *(_two(skill[lead - 1]) for lead in leads)])
    blocks: list[Block] = [
        Text(f"Method: {intervals.method.replace('_', ' ')}. {learned}"),
        Picture(
            plot(
                lead_plot(coverage, "coverage (%)", wanted=wanted),
                "coverage",
                alt="Coverage of the intervals by lead",
            ),
            "Share of observations inside their interval, mean over basins.",
        ),
        Table(
            ["", *(f"{lead} d" for lead in leads)],
            rows,
            "Coverage: mean over basins; width and interval score: median over basins.",
            numeric=tuple(range(1, len(leads) + 1)),
        ),
    ]
    if found.pit:
        panels = {f"lead {lead} d": values for lead, values in found.pit.items()}
        blocks.append(
            Picture(
                plot(pit_plot(panels), "pit", alt="Histograms of PIT values"),
                "Flat is right; a bowl is too narrow, a hump too wide, a slope shifted.",
            )
        )
    return Section("Do the intervals hold?", blocks)


def _hydrograph_section(found: Evaluation, levels: Sequence[float]) -> Section:
    panels = [_panel(one, levels) for one in found.shown]
    if not panels:
        return Section("Hydrographs", [Text("No basin could be shown.")])
    figure = hydrograph_plot(panels)
    caption = f"Forecasts of each lead, put together over the last {SHOWN_DAYS} days of the period."
    return Section(
        "Hydrographs",
        [Picture(plot(figure, "hydrographs", alt="Hydrographs with intervals"), caption)],
    )


def _panel(one: Shown, levels: Sequence[float]) -> Hydrograph:
    last = one.days >= one.days[-1] - SHOWN_DAYS
    return Hydrograph(
        f"{one.basin}, {one.lead} d ahead",
        one.days[last],
        one.observed[last],
        one.days[last],
        one.flow[last],
        levels,
        one.lower[:, last],
        one.upper[:, last],
    )


def _basin_section(found: Evaluation, levels: Sequence[float]) -> Section:
    leads = [lead for lead in (1, 7, 30) if lead <= found.nse.shape[2]]
    rows = []
    for row, basin in enumerate(found.basins):
        cells = [basin]
        for lead in leads:
            cells += [_two(found.nse[0, row, lead - 1]), _two(found.kge[0, row, lead - 1])]
        if levels:
            cells += [_number(100 * found.picp[row, lead - 1, -1]) for lead in leads]
        rows.append(cells)
    columns = ["Basin", *(f"{kind} {lead} d" for lead in leads for kind in ("NSE", "KGE"))]
    if levels:
        columns += [f"inside {100 * levels[-1]:g} % at {lead} d" for lead in leads]
    return Section(
        "Basin by basin",
        [Table(columns, rows, numeric=tuple(range(1, len(columns))))],
    )


def _two(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return "∞" if np.isinf(value) else number(float(value))


def _summary(title: str, found: Evaluation, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "title": title,
        "models": list(found.models),
        "basins": list(found.basins),
        "issues": found.issues,
        "levels": list(found.levels),
        "median_nse": {n: plain_numbers(v) for n, v in found.median_nse().items()},
        "coverage": [
            plain_numbers(basin_mean(found.picp[:, :, place])) for place in range(len(found.levels))
        ],
        "crpss": plain_numbers(found.crpss),
        "pit": {
            str(lead): np.histogram(values[np.isfinite(values)], 10, (0.0, 1.0))[0].tolist()
            for lead, values in found.pit.items()
        },
        "findings": [{"status": f.status, "title": f.title, "said": f.said} for f in findings],
    }
