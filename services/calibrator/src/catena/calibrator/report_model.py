"""The report's section about runs of the model itself, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.predictive import ModelPredictive, Skill
from catena.calibrator.series_plot import per_day, series_plot
from catena.shared.report import Picture, Section, Table, Text, number, plot, unit_label


def model_section(
    runs: ModelPredictive, table: OutputTable, spun_up: Mapping[str, Any] | None = None
) -> Section:
    """Bands over time, and skill where the observation was used and where it was not.

    Parameters
    ----------
    runs : ModelPredictive
    table : OutputTable
    spun_up : mapping, optional
        Summary of the spin-up that the runs began from.
    """
    firsts = [int(np.argmax(runs.of(variable))) for variable in runs.variables()]
    units = [table.units[first] for first in firsts]
    titles = [_title(table.long_names[first], table.names[first]) for first in firsts]
    figure = series_plot(runs, units, titles)
    failed = f" ({runs.failed} failed and are left out)" if runs.failed else ""
    text = (
        f"The land model itself was run with {len(runs.posterior)} draws of the posterior"
        f"{failed}: no surrogate stands between. Its {len(runs.prior)} runs of the ensemble show "
        "what it gives for any parameters in the prior."
    )
    if runs.withheld.any():
        text += (
            f" {int(runs.withheld.sum())} observed values were held back: no step of the "
            "calibration has seen them."
        )
    return Section(
        "Prior and posterior predictive of the model itself",
        [
            Text(text),
            *([Text(_begun(spun_up))] if spun_up else []),
            Picture(
                plot(figure, "model", alt="The model's runs over time with the observations"),
                "Bands are of the runs alone; the error model is not added.",
            ),
            _skill_table(runs.skills(), dict(zip(runs.variables(), units, strict=True))),
        ],
    )


def _begun(spun_up: Mapping[str, Any]) -> str:
    """How the runs' first states were made."""
    kind, counts = spun_up["method"]["kind"], spun_up["sites"]
    total, years = sum(counts.values()), sum(spun_up["years"].values())
    ways = {
        "as it was": f"stood at once in {{}} of {total}",
        "polished": "needed analytic corrections of its slow pools in {}",
        "fallback": "failed in {}, which were spun up natively",
        "failed": "was never reached in {}, which are left out",
    }
    said = ", ".join(words.format(counts[way]) for way, words in ways.items() if counts.get(way))
    maker = "an emulator" if kind == "emulator" else f"the method '{kind}'"
    return (
        f"Each began from the equilibrium of its own parameters, which {maker} made and a run of "
        f"whole cycles of the weather checked: it {said}. That took {years:.0f} simulated years a "
        "draw, check and fallback included."
    )


def _title(long_name: str, name: str) -> str:
    """What the variable is, without the time of the first output."""
    return (long_name.rpartition(", ")[0] or name)[:40]


def _skill_table(skills: list[Skill], units: dict[str, str]) -> Table:
    rows = []
    for one in skills:
        factor, text = per_day(units[one.variable])
        rows.append(
            [
                one.variable,
                unit_label(text) or "1",
                "used" if one.used else "not used",
                "after" if one.after else "before",
                str(one.count),
                number(factor * one.rmse),
                number(factor * one.bias),
                "-" if np.isnan(one.correlation) else f"{one.correlation:.2f}",
                f"{100 * one.coverage90:.0f} %",
            ]
        )
    return Table(
        [
            "Variable",
            "Units",
            "Values",
            "Calibration",
            "Number",
            "RMSE",
            "Bias",
            "Correlation",
            "Inside 90 %",
        ],
        rows,
        "RMSE, bias (run minus observation) and correlation are those of the median over the runs; "
        "inside 90 %: observed values in the central 90 % of runs and error model together.",
        numeric=(4, 5, 6, 7, 8),
    )
