"""Words that the forecaster's pages have in common."""

from __future__ import annotations

from catena.forecaster.forecasters import About

GLOSSARY = (
    ("lead", "Days between the issue time and the day that is forecast; lead 1 is the next day."),
    ("NSE", "Nash-Sutcliffe efficiency: 1 is perfect, 0 as good as the mean of the observations."),
    ("KGE", "Kling-Gupta efficiency: correlation, variability and bias in one; 1 is perfect."),
    (
        "forecast",
        "The mean of what may come. Rare floods pull it up, so it can lie above a narrow interval.",
    ),
    ("interval", "Range that should hold the observation as often as its percentage says."),
    ("coverage (PICP)", "Share of observations that were inside their interval."),
    ("width (MPIW)", "Mean width of an interval; of two with right coverage the narrow one wins."),
    ("interval score (Winkler)", "Width plus a penalty for misses: lower is better."),
    ("CRPSS", "Skill of the whole distribution against climatology: 1 is perfect, 0 no better."),
    ("PIT", "Where observations fall in the distributions that were forecast; flat is right."),
    ("persistence", "The forecast that flow stays as it is."),
    ("climatology", "The usual flow of the time of the year, from training days."),
    ("GR4J + MOS", "A process model with snow, corrected by its last errors for each lead."),
)


def generated_notice(about: About) -> list[str]:
    """What must not be missed where no basin is real."""
    if not about.generated:
        return []
    return [
        "The basins are GENERATED: weather and flow were made by formulas. Nothing here was "
        "measured, and no score says anything about a real river."
    ]


def period_text(period: tuple[str, str] | None) -> str:
    """Days in words."""
    return "none" if period is None else f"{period[0]} to {period[1]}"
