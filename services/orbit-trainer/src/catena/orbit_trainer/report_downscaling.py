"""The page that says how good downscaled fields are, beside bicubic interpolation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from catena.orbit_trainer.evaluation.downscaling import DownscalingScores
from catena.orbit_trainer.evaluation.evaluate_downscaling import DownscalingSkill
from catena.orbit_trainer.evaluation.maps import Downscaled, downscaling_maps
from catena.orbit_trainer.report_text import GENERATED, GLOSSARY, date_words, known, words
from catena.shared.report import (
    Facts,
    Finding,
    Findings,
    Page,
    Picture,
    Section,
    Table,
    Terms,
    plot,
    render,
    unit_label,
)

__all__ = ["downscaling_page"]

MAPS = 4
"""Variables that are drawn."""


def downscaling_page(
    title: str,
    skill: DownscalingSkill,
    *,
    trained_on: str,
    judged_on: str,
    notices: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Parameters
    ----------
    title : str
    skill : DownscalingSkill
    trained_on, judged_on : str
        Periods, in words.
    notices : sequence of str
        What a reader must not miss.

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    found, factor = skill.scores, skill.factor
    findings = _findings(found, skill.variables)
    facts = [
        ("Finer by", f"{factor} x {factor}"),
        ("Fine grid", f"{len(skill.lat)} x {len(skill.lon)}"),
        ("Times", f"{len(skill.times_s):,}"),
        ("Judged on", judged_on),
        ("Trained on", trained_on),
        ("Variables", words(skill.variables)),
    ]
    rows = [
        Downscaled(label, units, skill.coarse[v], skill.predicted[v], skill.truth[v])
        for v, (label, units) in enumerate(zip(skill.variables, skill.units, strict=True))
    ]
    page = Page(
        title=title,
        kicker="catena · ORBIT · downscaling",
        lead=f"Fields {factor} times finer than what went in, beside {words(list(found)[1:])}.",
        notices=[*([GENERATED] if skill.generated else []), *notices],
        sections=[
            Section("What was compared", [Facts(facts), Findings(findings)]),
            Section(
                "What does it look like?",
                [
                    Picture(
                        plot(
                            downscaling_maps(rows[:MAPS], skill.lat, skill.lon),
                            "maps",
                            alt="Maps of coarse, downscaled and true fields",
                        ),
                        f"Fields of {date_words(skill.shown_time_s, skill.calendar)}: what went "
                        "in, what came out, and what it should be; the same colours.",
                    )
                ],
            ),
            Section("How good is it?", [_table(found, skill.variables, skill.units)]),
            Section("Words", [Terms(GLOSSARY["downscaling"])]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    summary = {
        "title": title,
        "variables": list(skill.variables),
        "generated": skill.generated,
        "factor": factor,
        "scores": {name: _summary(scores) for name, scores in found.items()},
        "findings": [{"status": f.status, "title": f.title, "said": f.said} for f in findings],
    }
    return render(page), summary


def _findings(found: Mapping[str, DownscalingScores], variables: Sequence[str]) -> list[Finding]:
    mine, scores = next(iter(found.items()))
    findings = []
    for name, other in list(found.items())[1:]:
        ratio = scores.rmse / np.where(other.rmse > 0, other.rmse, np.nan)
        worse = [v for v, value in zip(variables, ratio, strict=True) if not value < 1]
        said = ", ".join(f"{v} {known(r, 2)}" for v, r in zip(variables, ratio, strict=True))
        findings.append(
            Finding(
                "failed" if len(worse) == len(ratio) else "doubtful" if worse else "passed",
                f"{mine} beats {name} in {len(ratio) - len(worse)} of {len(ratio)} variables",
                f"RMSE over that of {name}: {said}.",
            )
        )
    return findings


def _table(
    found: Mapping[str, DownscalingScores], variables: Sequence[str], units: Sequence[str]
) -> Table:
    levels = next(iter(found.values())).levels
    rows = []
    for v, variable in enumerate(variables):
        label = unit_label(units[v])
        for name, scores in found.items():
            high = [f"{known(value[v])}" for value in scores.above]
            each = [scores.correlation[v], scores.rmse[v]]
            rows.append(
                [
                    f"{variable} ({label})" if label else variable,
                    name,
                    *(known(value) for value in each),
                    *high,
                    known(scores.ssim[v]),
                    known(scores.bias[v], 2),
                ]
            )
    columns = ["Variable", "By", "Correlation", "RMSE"]
    columns += [f"above {100 * level:g} %" for level in levels]
    columns += ["SSIM", "Bias"]
    return Table(
        columns,
        rows,
        "RMSE of all cells, and of those where the truth is above its quantile.",
        numeric=tuple(range(2, len(columns))),
    )


def _summary(scores: DownscalingScores) -> dict[str, Any]:
    def plain(values: Any) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values]

    return {
        **{name: plain(getattr(scores, name)) for name in ("correlation", "rmse", "bias", "ssim")},
        "above": {
            f"{level:g}": plain(values)
            for level, values in zip(scores.levels, scores.above, strict=True)
        },
    }
