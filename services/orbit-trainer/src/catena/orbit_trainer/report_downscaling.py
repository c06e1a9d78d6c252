"""The page that says how good downscaled fields are, beside bicubic interpolation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from catena.orbit_trainer.evaluation.downscaling import DownscalingScores
from catena.orbit_trainer.evaluation.maps import Downscaled, downscaling_maps
from catena.orbit_trainer.report_text import GENERATED, GLOSSARY, known, words
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

__all__ = ["BICUBIC", "downscaling_page"]

BICUBIC = "bicubic"


def downscaling_page(
    title: str,
    found: Mapping[str, DownscalingScores],
    variables: Sequence[str],
    units: Sequence[str],
    examples: Sequence[Downscaled],
    lat: Sequence[float],
    lon: Sequence[float],
    *,
    factor: int,
    samples: int,
    trained_on: str,
    judged_on: str,
    generated: bool,
    notices: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Parameters
    ----------
    title : str
    found : mapping of str to DownscalingScores
        The model first, then others; :data:`BICUBIC` among them.
    variables, units : sequence of str
        What scores count.
    examples : sequence of Downscaled
        Rows of maps.
    lat, lon : sequence of float
        Of the fine grid.
    factor : int
        Fine cells in a coarse one, along each axis.
    samples : int
        Times that were judged.
    trained_on, judged_on : str
        Periods, in words.
    generated : bool
    notices : sequence of str

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    findings = _findings(found, variables)
    facts = [
        ("Finer by", f"{factor} x {factor}"),
        ("Fine grid", f"{len(lat)} x {len(lon)}"),
        ("Times", f"{samples:,}"),
        ("Judged on", judged_on),
        ("Trained on", trained_on),
        ("Variables", words(variables)),
    ]
    page = Page(
        title=title,
        kicker="catena · ORBIT · downscaling",
        lead=f"Fields {factor} times finer than what went in, beside {words(list(found)[1:])}.",
        notices=[*([GENERATED] if generated else []), *notices],
        sections=[
            Section("What was compared", [Facts(facts), Findings(findings)]),
            Section(
                "What does it look like?",
                [
                    Picture(
                        plot(
                            downscaling_maps(examples, lat, lon),
                            "maps",
                            alt="Maps of coarse, downscaled and true fields",
                        ),
                        "What went in, what came out, and what it should be; the same colours.",
                    )
                ],
            ),
            Section("How good is it?", [_table(found, variables, units)]),
            Section("Words", [Terms(GLOSSARY["downscaling"])]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    summary = {
        "title": title,
        "variables": list(variables),
        "generated": generated,
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
