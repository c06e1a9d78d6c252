"""The page of issued forecasts: hydrographs of what was seen and what is expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catena.forecaster.forecast_intervals import ForecastIntervals
from catena.forecaster.forecasters import About
from catena.forecaster.issue import Issued
from catena.forecaster.plots import FLOW_UNITS, Hydrograph, hydrograph_plot
from catena.forecaster.report_text import GLOSSARY, generated_notice, period_text
from catena.shared.report import (
    Facts,
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

SHOWN_BEFORE = 60
"""Days of observed flow before the issue time."""
MOST_SHOWN = 24
TABLE_LEADS = (1, 3, 7, 14, 30)


def issue_page(
    title: str,
    about: About,
    weather: str,
    made: Issued,
    levels: Sequence[float],
    intervals: ForecastIntervals | None,
) -> str:
    """HTML of the forecasts of the last issue time.

    Parameters
    ----------
    title : str
    about : About
    weather : str
        What forecast weather was used, in words.
    made : Issued
    levels : sequence of float
        Of its bounds.
    intervals : ForecastIntervals, optional
    """
    issue = made.records.days[made.issues[-1]]
    shown = made.records.basins[:MOST_SHOWN]
    text = f"{len(made.records)} basins, {about.leads} days ahead, by {about.name}."
    if len(shown) < len(made.records):
        text += f" The first {len(shown)} are shown; all are in forecasts.zarr."
    facts = [
        ("Issued", str(issue)),
        ("Model", about.name),
        ("Trained on", period_text(about.training_days)),
        ("Forecast weather", weather),
    ]
    if intervals is not None:
        facts.append(("Intervals know", f"observations up to {intervals.until}"))
    page = Page(
        title=title,
        kicker="catena · streamflow forecast",
        lead=text,
        notices=generated_notice(about),
        sections=[
            Section(
                "What is expected",
                [Facts(facts), _pictures(made, levels, shown), _table(made, levels)],
            ),
            _notes_section(made),
            Section("Words", [Terms(GLOSSARY)]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page)


def _pictures(made: Issued, levels: Sequence[float], basins: Sequence[str]) -> Picture:
    panels = []
    last = int(made.issues[-1])
    before = slice(max(last - SHOWN_BEFORE, 0), last + 1)
    leads = made.forecasts.flow.shape[2]
    none = np.empty((0, leads))
    for basin in basins:
        row = made.records.row(basin)
        lower = none if made.bounds is None else made.bounds.lower[row, -1].T
        upper = none if made.bounds is None else made.bounds.upper[row, -1].T
        panels.append(
            Hydrograph(
                basin,
                made.records.days[before],
                made.records.flow[row, before].astype(np.float64),
                made.records.days[last] + np.arange(1, leads + 1),
                made.forecasts.flow[row, -1],
                levels,
                lower,
                upper,
                issue=made.records.days[last],
            )
        )
    figure = hydrograph_plot(panels)
    caption = f"{SHOWN_BEFORE} days of observed flow, then the forecast; the dotted line is now."
    return Picture(plot(figure, "hydrographs", alt="Hydrographs of all basins"), caption)


def _table(made: Issued, levels: Sequence[float]) -> Table:
    leads = [lead for lead in TABLE_LEADS if lead <= made.forecasts.flow.shape[2]]
    rows = []
    for row, basin in enumerate(made.records.basins):
        cells = [basin]
        for lead in leads:
            text = _shown(made.forecasts.flow[row, -1, lead - 1])
            if made.bounds is not None and levels:
                widest = int(np.argmax(levels))
                low, high = (
                    side[row, -1, lead - 1, widest]
                    for side in (made.bounds.lower, made.bounds.upper)
                )
                text += f" ({_shown(low)} to {_shown(high)})"
            cells.append(text)
        rows.append(cells)
    caption = f"Streamflow in {unit_label(FLOW_UNITS)}"
    if made.bounds is not None and levels:
        caption += f", in brackets the {100 * max(levels):g} % interval"
    columns = ["Basin", *(f"Day {lead}" for lead in leads)]
    return Table(columns, rows, f"{caption}.", numeric=tuple(range(1, len(columns))))


def _shown(value: float) -> str:
    if np.isnan(value):
        return "-"
    return "∞" if np.isinf(value) else number(float(value))


def _notes_section(made: Issued) -> Section:
    rows = [[basin, "; ".join(notes)] for basin, notes in made.notes.items() if notes]
    if not rows:
        return Section("What was missing", [Text("Nothing: all inputs were there.")])
    return Section("What was missing", [Table(["Basin", "Note"], rows)])
