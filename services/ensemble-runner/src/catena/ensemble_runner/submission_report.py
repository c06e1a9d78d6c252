"""The page about a submission: how much the calibration helped, where, and at which cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES, UNITS
from catena.ensemble_runner.submission_result import Submitted
from catena.ensemble_runner.submission_scores import (
    LEAST_DAYS,
    MONTHLY,
    Change,
    SiteRuns,
    coverage90,
    shrunk,
)
from catena.ensemble_runner.submission_verdict import (
    NAMES,
    PERIODS,
    counted,
    notices,
    pairs,
    trust,
    verdict,
)
from catena.shared.report import (
    FIRST,
    INK,
    SECOND,
    STYLE,
    Block,
    Facts,
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

_GLOSSARY = (
    ("before", "The model with its default parameters: the file called Prior."),
    ("after", "Mean of the model's runs with draws of the posterior: the file called Posterior."),
    ("NEE, LE, H", "Net ecosystem exchange of carbon (positive into the air), latent and sensible "
     "heat."),
    ("held-back years", "The last years of a record; this calibration has not seen them."),
    ("weighted by season", "Every season counts by its length, not by how many of its days were "
     "measured."),
    ("covered", "Part of the observations inside of the 90 % that the model's draws, the error of "
     "measurement and the model error of the calibration years span."),
)  # fmt: skip


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
            for period in PERIODS
        },
        "coverages": [vars(each) for each in found.coverages],
        "files": [
            {"file": name, "passed": passed, "failed": failed}
            for name, passed, failed in found.files
        ],
        "checklist_failures": sum(failed for _, _, failed in found.files),
        "chains": None if found.chains is None else {
            name: _plain(value) for name, value in vars(found.chains).items()
        },
        "members": {"ok": found.members[0], "asked": found.members[1]},
        "draws": {
            each.site: {"ok": each.draws[0], "asked": each.draws[1]} for each in found.sites
        },
        "parameters": [
            {"name": each.name, "units": each.units, "long_name": each.long_name,
             "default": each.default, "low": each.low, "high": each.high, "after": list(each.after)}
            for each in found.parameters
        ],
    }  # fmt: skip


def reductions(found: Sequence[Change]) -> dict[str, dict[str, float | None]]:
    """Relative reduction of the RMSE by period and flux: the mean over the sites."""
    made: dict[str, dict[str, float | None]] = {}
    for period in PERIODS:
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
            notices=notices(found),
            verdict=verdict(found),
            sections=[
                Section("Before and after, day by day", [
                    Text("Agreement of daily values on the days that were observed, weighted by "
                         "season. Bias is simulated minus observed."),
                    _changes_table(found.changes),
                ]),
                Section("The year, month by month", [
                    _picture(runs, number_) for number_, runs in enumerate(found.runs)
                ]),
                *_monthly_section(found),
                Section("Can the spread be believed?", _coverage_blocks(found)),
                Section("Parameters", [_parameters_table(found)]),
                Section("Files and the protocol's checklist", _files(found)),
                Section("How it was made", _made(found)),
                *_weather_section(found),
                Section("Words", [Terms(_GLOSSARY)]),
            ],
            footer="Written by catena. The page is complete in itself and loads nothing.",
        )
    )  # fmt: skip


def _lead(found: Submitted) -> str:
    sites = ", ".join(runs.observed.site for runs in found.runs)
    return (
        f"{len(found.parameters)} parameters calibrated jointly at {sites}, on {found.statistics} "
        "statistics of daily fluxes: means of months of the year, and scatter of days in seasons."
    )


def _changes_table(found: Sequence[Change]) -> Table:
    rows = []
    for each in found:
        flux, units = NAMES[each.before.flux], unit_label(each.before.units)
        rows.append([
            each.site, flux, PERIODS[each.before.period], str(each.before.days),
            f"{number(each.before.rmse)} → {number(each.after.rmse)} {units}",
            _percent(each.reduction),
            f"{number(each.before.bias)} → {number(each.after.bias)}",
            f"{each.before.correlation:.2f} → {each.after.correlation:.2f}",
        ])  # fmt: skip
    columns = ("site", "flux", "period", "days", "RMSE", "reduction", "bias", "correlation")
    return Table(columns, rows, numeric=(3, 5))


def _monthly_section(found: Submitted) -> list[Section]:
    rows = []
    for before, after in pairs(found.monthly):
        units = unit_label(before.units)
        rows.append([
            before.site, "yes" if before.site in found.calibrated else "no",
            MONTHLY[before.flux][0], str(before.months),
            f"{number(before.rmse)} → {number(after.rmse)} {units}",
            _percent(shrunk(before, after)),
            f"{number(before.bias)} → {number(after.bias)}",
            f"{before.correlation:.2f} → {after.correlation:.2f}",
        ])  # fmt: skip
    if not rows:
        return []
    columns = ("site", "calibrated", "flux", "months", "RMSE", "reduction", "bias", "correlation")
    text = Text("Monthly means of towers. Sites that were not calibrated show what carries over.")
    return [Section("Months", [text, Table(columns, rows, numeric=(3, 5))])]


def _coverage_blocks(found: Submitted) -> list[Block]:
    rows = [
        [each.site, NAMES[each.flux], each.steps, PERIODS[each.period], str(each.count),
         f"{100 * each.inside / each.count:.0f} %"]
        for each in found.coverages
        if each.count
    ]  # fmt: skip
    columns = ("site", "flux", "steps", "period", "observations", "covered")
    return [Findings(trust(found)), Table(columns, rows, numeric=(4, 5))]


def _parameters_table(found: Submitted) -> Table:
    rows = []
    for each in found.parameters:
        low, middle, high = each.after
        shrunk = 1 - (high - low) / (0.9 * (each.high - each.low))
        rows.append([
            each.name, each.long_name, each.units, number(each.default),
            f"{number(each.low)} to {number(each.high)}",
            f"{number(middle)} ({number(low)} to {number(high)})",
            f"{100 * shrunk:.0f} %",
        ])  # fmt: skip
    columns = ("parameter", "what it is", "units", "default", "prior range",
               "posterior (5 to 95 %)", "narrowed")  # fmt: skip
    return Table(columns, rows, numeric=(3, 6))


def _files(found: Submitted) -> list[Block]:
    rows = [[name, str(passed), str(failed)] for name, passed, failed in found.files]
    years = found.held_back_years
    return [
        Table(("file", "rules passed", "rules broken"), rows, numeric=(1, 2)),
        Text(
            f"The posterior has not seen the last {years} years of each record, so that it can be "
            "judged there; the protocol lets calibrations use them."
        ),
    ]


def _made(found: Submitted) -> list[Block]:
    facts = [
        ("Land model", found.source),
        ("Submitted as", found.model),
        ("Members of the ensemble", counted(*found.members)),
    ]
    facts += [(f"Runs of the posterior, {each.site}", counted(*each.draws)) for each in found.sites]
    rows = [[step, duration(seconds)] for step, seconds in found.costs]
    text = "Wall-clock time of the jobs of all rounds, one after another."
    return [Facts(facts), Table(("step", "time"), rows, text, numeric=(1,))]


def _weather_section(found: Submitted) -> list[Section]:
    """What was mended and filled in the weather."""
    rows = [[site.site, *note] for site in found.sites for note in site.weather]
    if not rows:
        return []
    return [Section("The weather", [Table(("site", "found", "made of it", "why"), rows)])]


def _percent(reduction: float) -> str:
    return f"{100 * reduction:+.0f} %" if np.isfinite(reduction) else "-"


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
            axes.set_title(NAMES[flux])
            axes.set_ylabel(unit_label(UNITS[flux]))
            axes.set_xticks([1, 4, 7, 10])
            if not there:
                continue
            x = np.array(there) + 1
            draws = np.array([runs.draws[flux][:, days[each]].mean(axis=1) for each in there])
            low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95), axis=1)
            axes.fill_between(x, low, high, color=FIRST, alpha=0.3, linewidth=0)
            axes.plot(x, middle, color=FIRST, label="after")
            before = [runs.before[flux][days[each]].mean() for each in there]
            axes.plot(x, before, color=SECOND, linestyle="--", label="before")
            observed = [seen.values[flux][days[each]].mean() for each in there]
            axes.plot(x, observed, "o", color=INK, markersize=3.5, label="observed")
            axes.legend(fontsize=8)
    caption = f"{seen.site}: means of the months over all years, on the days that were observed."
    return Picture(plot(figure, f"cycle{place}", alt=caption), caption, alt=caption)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
