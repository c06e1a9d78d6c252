"""The report's section about runs of the model itself, before and after calibration."""

from __future__ import annotations

import numpy as np

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.predictive import ModelPredictive, Skill
from catena.calibrator.series_plot import per_day, series_plot
from catena.shared.report import Picture, Section, Table, Text, number, plot, unit_label


def model_section(runs: ModelPredictive, table: OutputTable) -> Section:
    """Bands over time, and skill where the observation was used and where it was not."""
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
            Picture(
                plot(figure, "model", alt="The model's runs over time with the observations"),
                "Bands are of the runs alone; the error model is not added.",
            ),
            _skill_table(runs.skills(), dict(zip(runs.variables(), units, strict=True))),
        ],
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
