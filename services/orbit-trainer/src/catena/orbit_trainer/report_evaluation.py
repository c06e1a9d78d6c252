"""The page that says how good forecasts of fields are, against what, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.efficiency import DataEfficiency, samples_saved
from catena.orbit_trainer.evaluation.maps import Compared, error_maps, forecast_maps
from catena.orbit_trainer.evaluation.plots import efficiency_plot, lead_plot, spectra_plot
from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE, Skill
from catena.orbit_trainer.report_text import (
    GENERATED,
    GLOSSARY,
    date_words,
    known,
    lead_words,
    words,
)
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
    plot,
    render,
    unit_label,
)

__all__ = ["evaluation_page"]

SHOWN = 6
"""Variables with a panel of their own."""
MAPS = 3
LIVELY = 0.8
"""Forecasts with less of the truth's activity are too smooth; with as much more too rough."""


def evaluation_page(
    title: str,
    skill: Skill,
    *,
    trained_on: str,
    judged_on: str,
    shown: Sequence[str] = (),
    efficiency: DataEfficiency | None = None,
    notices: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Parameters
    ----------
    title : str
    skill : Skill
        The first forecaster is the one that the page is about.
    trained_on, judged_on : str
        Periods, in words.
    shown : sequence of str
        Variables with panels and maps; by default the first six.
    efficiency : DataEfficiency, optional
    notices : sequence of str
        What a reader must not miss, e.g. that days that were trained on are judged.

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    names = [name for name in shown if name in skill.variables][:SHOWN]
    rows = [skill.variables.index(name) for name in names or skill.variables[:SHOWN]]
    findings = _findings(skill)
    facts = [
        ("Forecasters", words(skill.forecasters)),
        ("Initial times", f"{len(skill.times_s):,}"),
        ("Leads", words([lead_words(lead) for lead in skill.leads_h])),
        ("Judged on", judged_on),
        ("Trained on", trained_on),
        ("Grid", f"{len(skill.lat)} x {len(skill.lon)}"),
        ("Variables", words(skill.variables)),
    ]
    sections = [
        Section("What was compared", [Facts(facts), Findings(findings)]),
        _skill_section(skill, rows),
        _map_section(skill, rows),
    ]
    if any(count > 1 for count in skill.members):
        sections.append(_ensemble_section(skill, rows))
    if skill.power is not None and skill.truth_power is not None:
        sections.append(_spectra_section(skill, skill.power, skill.truth_power, rows))
    if efficiency is not None:
        sections.append(_efficiency_section(efficiency))
    page = Page(
        title=title,
        kicker="catena · ORBIT · skill of forecasts",
        lead=f"{skill.forecasters[0]} beside {words(skill.forecasters[1:])}, all from the same "
        "initial fields.",
        notices=[*([GENERATED] if skill.generated else []), *notices],
        sections=[
            *sections,
            _table_section(skill),
            Section("Words", [Terms(GLOSSARY["evaluation"])]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    summary = {
        "title": title,
        **skill.summary(),
        **({} if efficiency is None else {"efficiency": efficiency.summary()}),
        "findings": [{"status": f.status, "title": f.title, "said": f.said} for f in findings],
    }
    return render(page), summary


# ------------------------------------------------------------------ findings


def _findings(skill: Skill) -> list[Finding]:
    """Whether the first forecaster beats each other one, over leads and variables."""
    mine = skill.forecasters[0]
    findings = []
    for other in skill.forecasters[1:]:
        ratio = skill.ratio(mine, other)
        count = int(np.isfinite(ratio).sum())
        if not count:
            continue
        better = int((ratio < 1).sum())
        status: Status = "passed" if better == count else "doubtful" if better else "failed"
        said = ", ".join(
            f"{known(_median(row), 2)} at {lead_words(lead)}"
            for lead, row in zip(skill.leads_h, ratio, strict=True)
        )
        findings.append(
            Finding(
                status,
                f"{mine} beats {other} in {better} of {count} pairs of lead and variable",
                f"RMSE over that of {other}, median over the variables: {said}.",
            )
        )
    lively = np.where(skill.truth_activity > 0, skill.truth_activity, np.nan)
    share = skill.score("activity", mine) / lively
    if np.isfinite(share).any():
        least, most = float(np.nanmin(share)), float(np.nanmax(share))
        said = "They are about as lively as the truth."
        if least <= LIVELY:
            said = "A forecast that is too smooth has a low RMSE, and no storms."
        elif most >= 1 / LIVELY:
            said = "What they have more than the truth is error."
        findings.append(
            Finding(
                "passed" if least > LIVELY and most < 1 / LIVELY else "doubtful",
                f"Forecasts have {100 * least:.0f} to {100 * most:.0f} % of the truth's activity",
                said,
            )
        )
    return findings


# ------------------------------------------------------------------ sections


def _skill_section(skill: Skill, rows: Sequence[int]) -> Section:
    blocks: list[Block] = [
        Picture(
            plot(
                lead_plot(skill.leads_h, _panels(skill, rows, "rmse"), "RMSE"),
                "rmse",
                alt="RMSE by lead of all forecasters",
            ),
            "Root mean square error, weighted by area, over all initial times; lower is better.",
        ),
        Picture(
            plot(
                lead_plot(skill.leads_h, _panels(skill, rows, "acc", [CLIMATOLOGY]), "ACC"),
                "acc",
                alt="Anomaly correlation by lead of all forecasters",
            ),
            "Anomaly correlation; higher is better. Climatology has no anomalies.",
        ),
    ]
    return Section("How good are the forecasts?", blocks)


def _map_section(skill: Skill, rows: Sequence[int]) -> Section:
    lead = len(skill.leads_h) - 1
    said = lead_words(skill.leads_h[lead])
    mine = skill.forecasters[0]
    compared = [
        Compared(
            f"{skill.variables[row]}, {said}",
            skill.units[row],
            skill.shown_truth[lead, row],
            skill.shown[0, lead, row],
        )
        for row in rows[:MAPS]
    ]
    biases = [
        (f"{skill.variables[row]}, {said}", skill.units[row], skill.bias_map[0, lead, row])
        for row in rows
    ]
    started = date_words(skill.shown_time_s, skill.calendar)
    return Section(
        "Where?",
        [
            Picture(
                plot(
                    forecast_maps(compared, skill.lat, skill.lon, names=("truth", mine)),
                    "maps",
                    alt="Maps of truth, forecast and error",
                ),
                f"One forecast of {said} from {started}, and what was wrong with it.",
            ),
            Picture(
                plot(error_maps(biases, skill.lat, skill.lon), "bias", alt="Maps of the bias"),
                f"Bias of {mine} at {said}: mean error over all initial times.",
            ),
        ],
    )


def _ensemble_section(skill: Skill, rows: Sequence[int]) -> Section:
    table = []
    for who, count in zip(skill.forecasters, skill.members, strict=True):
        if count < 2:
            continue
        for row in rows:
            for place, lead in enumerate(skill.leads_h):
                found = [
                    float(skill.score(name, who)[place, row])
                    for name in ("crps", "crps_fair", "rmse", "spread")
                ]
                ratio = found[3] / found[2] if found[2] > 0 else float("nan")
                table.append(
                    [
                        f"{who} ({count})",
                        _label(skill, row),
                        lead_words(lead),
                        *(known(value) for value in found),
                        known(ratio, 2),
                    ]
                )
    columns = ["Ensemble (members)", "Variable", "Lead", "CRPS", "CRPS, fair"]
    columns += ["RMSE of the mean", "Spread", "Spread / RMSE"]
    return Section(
        "Do ensembles know how sure they are?",
        [
            Picture(
                plot(
                    lead_plot(skill.leads_h, _panels(skill, rows, "crps"), "CRPS"),
                    "crps",
                    alt="CRPS by lead",
                ),
                "CRPS; of single forecasts it is their mean absolute error.",
            ),
            Table(columns, table, "Spread over RMSE below 1: too sure.", numeric=range(3, 8)),
        ],
    )


def _spectra_section(
    skill: Skill, power: NDArray[Any], truth: NDArray[Any], rows: Sequence[int]
) -> Section:
    lead = len(skill.leads_h) - 1
    said = lead_words(skill.leads_h[lead])
    panels = {
        _label(skill, row, units=False): {
            "truth": truth[lead, row, 0],
            **{
                who: power[place, lead, row, 0]
                for place, who in enumerate(skill.forecasters)
                if who not in (PERSISTENCE, CLIMATOLOGY)
            },
        }
        for row in rows
    }
    return Section(
        "Are forecasts as sharp as the truth?",
        [
            Picture(
                plot(spectra_plot(panels), "spectra", alt="Power by zonal wavenumber"),
                f"Power along parallels at {said}, mean over the globe, squared units. Below the "
                "truth at the right: too smooth.",
            )
        ],
    )


def _efficiency_section(found: DataEfficiency) -> Section:
    return Section(
        "What does pre-training save?",
        [
            Picture(
                plot(
                    efficiency_plot(found.samples, found.curves, found.label),
                    "efficiency",
                    alt="Skill by the number of samples of fine-tuning",
                ),
                "Each dot is a fine-tuning with so many samples; mean over leads and variables, "
                "lower is better.",
            ),
            Text(_saved(found)),
        ],
    )


def _saved(found: DataEfficiency) -> str:
    """How many samples a training from scratch needs for what the pre-trained one has."""
    (first, pretrained), (second, scratch) = list(found.curves.items())[:2]
    factor = samples_saved(found.samples, pretrained, scratch)
    fewest = next(
        n for n, error in zip(found.samples, pretrained, strict=True) if np.isfinite(error)
    )
    if factor is None:
        return f"{second} does not come to what {first} reaches with {fewest:,} samples."
    return (
        f"For what {first} reaches with {fewest:,} samples, {second} needs about "
        f"{known(factor, 2)} times as many."
    )


def _table_section(skill: Skill) -> Section:
    mine = skill.forecasters[0]
    references = [skill.ratio(mine, other) for other in (PERSISTENCE, CLIMATOLOGY)]
    scores = [skill.score(name, mine) for name in ("rmse", "bias", "acc")]
    table = [
        [
            name,
            unit_label(skill.units[row]),
            lead_words(lead),
            *(known(values[place, row]) for values in (*scores, *references)),
        ]
        for row, name in enumerate(skill.variables)
        for place, lead in enumerate(skill.leads_h)
    ]
    columns = ("Variable", "Units", "Lead", "RMSE", "Bias", "ACC", "/ persistence", "/ climatology")
    return Section(
        "All figures",
        [
            Table(
                columns,
                table,
                f"Of {mine}; the last two are its RMSE over that of the references.",
                numeric=range(3, 8),
            )
        ],
    )


# ------------------------------------------------------------------ parts


def _panels(
    skill: Skill, rows: Sequence[int], name: str, without: Sequence[str] = ()
) -> dict[str, dict[str, NDArray[Any]]]:
    return {
        _label(skill, row, units=name != "acc"): {
            who: skill.score(name, who)[:, row] for who in skill.forecasters if who not in without
        }
        for row in rows
    }


def _label(skill: Skill, row: int, *, units: bool = True) -> str:
    shown = unit_label(skill.units[row]) if units else ""
    return f"{skill.variables[row]} ({shown})" if shown else skill.variables[row]


def _median(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")
