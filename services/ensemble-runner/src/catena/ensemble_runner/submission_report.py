"""The page about a submission: how much the calibration helped, where, and at which cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES, UNITS
from catena.ensemble_runner.submission_scores import (
    CALIBRATION,
    LEAST_DAYS,
    MONTHLY,
    VALIDATION,
    Change,
    Coverage,
    MonthlyScore,
    SiteRuns,
    coverage90,
)
from catena.shared.report import (
    FIRST,
    INK,
    SECOND,
    STYLE,
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
    duration,
    number,
    plot,
    render,
    unit_label,
)

Array = NDArray[np.float64]

NAMES = {"nee": "NEE", "hfls": "LE", "hfss": "H"}
_PERIODS = {CALIBRATION: "calibration years", VALIDATION: "held-back years"}
_GLOSSARY = (
    ("before", "The model with its default parameters: the file called Prior."),
    ("after", "Mean of the model's runs with draws of the posterior: the file called Posterior."),
    ("NEE, LE, H", "Net ecosystem exchange of carbon (positive into the air), latent and sensible "
     "heat."),
    ("held-back years", "The last years of a record; nothing was fitted or chosen on them."),
    ("weighted by season", "Every season counts by its length, not by how many of its days were "
     "measured."),
    ("covered", "Part of the observations inside of the 90 % that the model's draws, the error of "
     "measurement and the model error of the calibration years span."),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter before (its range) and after (5, 50 and 95 % of the draws)."""

    name: str
    units: str
    default: float
    low: float
    high: float
    after: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Submitted:
    """All that the page tells.

    Parameters
    ----------
    title, model, source : str
        `source` is the land model with its version.
    runs : sequence of SiteRuns
        Of sites with a tower.
    changes, coverages, monthly : sequences
    files : sequence of (str, int, int)
        Name, rules that it passed, rules that it broke.
    parameters : sequence of Parameter
    notes : sequence of str
        What was mended in observations.
    costs : sequence of (str, float)
        Step and its wall-clock seconds.
    synthetic, generated_weather : bool
    statistics : int
        What was calibrated on.
    """

    title: str
    model: str
    source: str
    runs: Sequence[SiteRuns]
    changes: Sequence[Change]
    coverages: Sequence[Coverage]
    monthly: Sequence[MonthlyScore]
    files: Sequence[tuple[str, int, int]]
    parameters: Sequence[Parameter]
    notes: Sequence[str]
    costs: Sequence[tuple[str, float]]
    synthetic: bool
    generated_weather: bool
    statistics: int


def summary(found: Submitted) -> dict[str, Any]:
    """Figures of the page as JSON; without times."""
    return {
        "title": found.title,
        "model": found.model,
        "source": found.source,
        "synthetic": found.synthetic,
        "generated_weather": found.generated_weather,
        "changes": [
            {
                "site": each.site, "flux": each.before.flux, "period": each.before.period,
                "days": each.before.days, "units": each.before.units,
                "rmse_reduction": _plain(each.reduction),
                **{
                    f"{name}_{stage}": _plain(getattr(score, name))
                    for stage, score in (("before", each.before), ("after", each.after))
                    for name in ("rmse", "bias", "correlation")
                },
            }
            for each in found.changes
        ],
        "rmse_reduction": reductions(found.changes),
        "monthly": [
            {name: _plain(value) for name, value in vars(each).items()} for each in found.monthly
        ],
        "coverage90": {
            f"{steps}_{period}": _plain(coverage90(found.coverages, steps, period))
            for steps in ("day", "month")
            for period in _PERIODS
        },
        "coverages": [vars(each) for each in found.coverages],
        "files": [
            {"file": name, "passed": passed, "failed": failed}
            for name, passed, failed in found.files
        ],
        "checklist_failures": sum(failed for _, _, failed in found.files),
        "parameters": [
            {"name": each.name, "units": each.units, "default": each.default, "low": each.low,
             "high": each.high, "after": list(each.after)}
            for each in found.parameters
        ],
    }  # fmt: skip


def reductions(found: Sequence[Change]) -> dict[str, dict[str, float | None]]:
    """Relative reduction of the RMSE by period and flux: the mean over the sites."""
    made: dict[str, dict[str, float | None]] = {}
    for period in _PERIODS:
        made[period] = {}
        for flux in FLUXES:
            some = [
                each.reduction
                for each in found
                if (each.before.period, each.before.flux) == (period, flux)
            ]
            made[period][flux] = _plain(float(np.mean(some))) if some else None
    return made


def write_page(found: Submitted) -> str:
    """One self-contained HTML page."""
    return render(
        Page(
            title=found.title,
            kicker="catena · CalLMIP Phase 1",
            lead=_lead(found),
            notices=_notices(found),
            verdict=_verdict(found),
            sections=[
                Section("Before and after, day by day", [
                    Text("Agreement of daily values on the days that were observed, weighted by "
                         "season. Bias is simulated minus observed."),
                    _changes_table(found.changes),
                ]),
                Section("The year, month by month", [
                    _picture(runs, number_) for number_, runs in enumerate(found.runs)
                ]),
                *_monthly_section(found.monthly),
                Section("Can the spread be believed?", _coverage_blocks(found)),
                Section("Parameters", [_parameters_table(found)]),
                Section("Files and the protocol's checklist", [_files_table(found)]),
                Section("How it was made", _made(found)),
                Section("Words", [Terms(_GLOSSARY)]),
            ],
            footer="Written by catena. The page is complete in itself and loads nothing.",
        )
    )  # fmt: skip


def _lead(found: Submitted) -> str:
    sites = ", ".join(runs.observed.site for runs in found.runs)
    return (
        f"{len(found.parameters)} parameters calibrated jointly at {sites}, on {found.statistics} "
        "means of months of the year."
    )


def _notices(found: Submitted) -> list[str]:
    made = []
    if found.synthetic:
        made.append(
            "An observation is synthetic: it was made from a run of the model plus noise, nobody "
            "measured it."
        )
    if found.generated_weather:
        made.append("The weather is generated. Nothing here says anything about a real site.")
    if found.source.startswith("embedded"):
        made.append(
            "The runs are those of catena's embedded land model, a small one with ELM's names and "
            "stages; ELM itself was not run."
        )
    return [*made, *found.notes]


def _verdict(found: Submitted) -> Finding:
    worse = [
        f"{NAMES[each.before.flux]} at {each.site} in the {_PERIODS[each.before.period]}"
        for each in found.changes
        if not each.reduction > 0
    ]
    failures = sum(failed for _, _, failed in found.files)
    if failures:
        return Finding("failed", "Not ready", f"{failures} rules of the checklist are broken.")
    if worse:
        return Finding(
            "doubtful",
            "Better, but not everywhere",
            f"The RMSE did not shrink for {', '.join(worse)}.",
        )
    return Finding("passed", "Better everywhere", "Every flux is closer to what was measured, also "
                   "in the years that were held back; the checklist passes.")  # fmt: skip


def _changes_table(found: Sequence[Change]) -> Table:
    rows = []
    for each in found:
        flux, units = NAMES[each.before.flux], unit_label(each.before.units)
        rows.append([
            each.site, flux, _PERIODS[each.before.period], str(each.before.days),
            f"{number(each.before.rmse)} → {number(each.after.rmse)} {units}",
            f"{100 * each.reduction:+.0f} %",
            f"{number(each.before.bias)} → {number(each.after.bias)}",
            f"{each.before.correlation:.2f} → {each.after.correlation:.2f}",
        ])  # fmt: skip
    columns = ("site", "flux", "period", "days", "RMSE", "reduction", "bias", "correlation")
    return Table(columns, rows, numeric=(3, 5))


def _monthly_section(found: Sequence[MonthlyScore]) -> list[Section]:
    if not found:
        return []
    by: dict[tuple[str, str], dict[str, MonthlyScore]] = {}
    for each in found:
        by.setdefault((each.site, each.flux), {})[each.stage] = each
    rows = []
    for (site, flux), pair in by.items():
        before, after = pair["before"], pair["after"]
        units = unit_label(before.units)
        rows.append([
            site, MONTHLY[flux][0], str(before.months),
            f"{number(before.rmse)} → {number(after.rmse)} {units}",
            f"{100 * (1 - after.rmse / before.rmse):+.0f} %",
            f"{number(before.bias)} → {number(after.bias)}",
            f"{before.correlation:.2f} → {after.correlation:.2f}",
        ])  # fmt: skip
    columns = ("site", "flux", "months", "RMSE", "reduction", "bias", "correlation")
    text = Text("Monthly means of a tower that the calibration has not seen.")
    return [Section("A site that was not calibrated", [text, Table(columns, rows, numeric=(2, 4))])]


def _coverage_blocks(found: Submitted) -> list[Block]:
    items = []
    for steps, words in (("day", "days"), ("month", "months")):
        value = coverage90(found.coverages, steps, VALIDATION)
        good = 0.85 <= value <= 0.95
        items.append(Finding(
            "passed" if good else "doubtful",
            f"{100 * value:.0f} % of the held-back {words} are covered",
            "Wanted are 90 %; 85 to 95 % pass.",
        ))  # fmt: skip
    rows = [
        [each.site, NAMES[each.flux], each.steps, _PERIODS[each.period], str(each.count),
         f"{100 * each.inside / each.count:.0f} %"]
        for each in found.coverages
        if each.count
    ]  # fmt: skip
    columns = ("site", "flux", "steps", "period", "observations", "covered")
    return [Findings(items), Table(columns, rows, numeric=(4, 5))]


def _parameters_table(found: Submitted) -> Table:
    rows = []
    for each in found.parameters:
        low, middle, high = each.after
        shrunk = 1 - (high - low) / (0.9 * (each.high - each.low))
        rows.append([
            each.name, each.units, number(each.default),
            f"{number(each.low)} to {number(each.high)}",
            f"{number(middle)} ({number(low)} to {number(high)})",
            f"{100 * shrunk:.0f} %",
        ])  # fmt: skip
    columns = ("parameter", "units", "default", "prior range", "posterior (5 to 95 %)", "narrowed")
    return Table(columns, rows, numeric=(2, 5))


def _files_table(found: Submitted) -> Table:
    rows = [[name, str(passed), str(failed)] for name, passed, failed in found.files]
    return Table(("file", "rules passed", "rules broken"), rows, numeric=(1, 2))


def _made(found: Submitted) -> list[Block]:
    facts = [("Land model", found.source), ("Submitted as", found.model)]
    facts += [(step, duration(seconds)) for step, seconds in found.costs]
    return [Facts(facts)]


def _picture(runs: SiteRuns, place: int) -> Picture:
    """Mean seasonal cycle over all years, on the observed days."""
    seen = runs.observed
    month = seen.dates().astype("datetime64[M]").astype(np.int64) % 12
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.8), layout="constrained")
        for axes, flux in zip(figure.subplots(1, len(FLUXES)), FLUXES, strict=True):
            known = np.isfinite(seen.values[flux])
            days = [np.flatnonzero(known & (month == each)) for each in range(12)]
            there = [each for each in range(12) if days[each].size >= LEAST_DAYS]
            x = np.array(there) + 1
            draws = np.array([runs.draws[flux][:, days[each]].mean(axis=1) for each in there])
            low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95), axis=1)
            axes.fill_between(x, low, high, color=FIRST, alpha=0.3, linewidth=0)
            axes.plot(x, middle, color=FIRST, label="after")
            before = [runs.before[flux][days[each]].mean() for each in there]
            axes.plot(x, before, color=SECOND, linestyle="--", label="before")
            observed = [seen.values[flux][days[each]].mean() for each in there]
            axes.plot(x, observed, "o", color=INK, markersize=3.5, label="observed")
            axes.set_title(NAMES[flux])
            axes.set_ylabel(unit_label(UNITS[flux]))
            axes.set_xticks([1, 4, 7, 10])
        axes.legend(fontsize=8)
    caption = f"{seen.site}: means of the months over all years, on the days that were observed."
    return Picture(plot(figure, f"cycle{place}", alt=caption), caption, alt=caption)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
