"""The page of a sensitivity: which parameter drives which output, and how to read each picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.explainer.parameters import plots
from catena.explainer.parameters.explanation import ParameterExplanation
from catena.explainer.parameters.groups import pooled
from catena.explainer.parameters.words import DOUBTFUL, TRUSTED, inert, notes_of, words_of
from catena.shared.report import (
    Block,
    Facts,
    Finding,
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

Array = NDArray[np.float64]

MOST_ROWS = 20
"""Parameters in the heat map."""
MOST_BARS = 12
"""Parameters in the other pictures."""
MOST_PANELS = 6
MOST_MATRICES = 3
MOST_SWARMS = 2
MOST_PROFILES = 4
LONG_GROUP = 12
"""A group with more outputs gets a profile along them."""

METHOD_WORDS = {"sobol": "Sobol", "pawn": "PAWN", "shap": "Shapley"}
SCALE = {
    "sobol": "total Sobol index, percent of the output's variance",
    "shap": "percent of the mean size of all Shapley values",
    "pawn": "PAWN index times 100",
}

GLOSSARY = (
    ("First-order index", "Share of an output's variance that a parameter makes by itself."),
    (
        "Total index",
        "Share of an output's variance that a parameter takes part in, alone and with others. Near "
        "0: it can be fixed anywhere in its range.",
    ),
    ("Second-order index", "What two parameters make together beyond what each makes alone."),
    (
        "PAWN",
        "How far fixing a parameter moves the distribution of an output, 0 to 1, as a "
        "Kolmogorov-Smirnov distance. Needs no variance, so long tails do not mislead it.",
    ),
    (
        "Shapley value",
        "How far a parameter moved an output at one point from its mean; all of a point sum to the "
        "difference from the mean.",
    ),
    (
        "Surrogate",
        "A fast substitute of the land model, fitted to its runs. Everything here is computed on "
        "it.",
    ),
    (
        "R2",
        "Share of an output's variance over the runs that the surrogate gives for runs that it was "
        "not fitted to.",
    ),
)


def parameters_page(found: ParameterExplanation) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    found : ParameterExplanation

    Returns
    -------
    str
    """
    rows = _rows(found)
    sections = [
        _model_section(found),
        _overview(found, rows),
        *_sobol_sections(found, rows),
        *_shap_section(found, rows),
        *_methods_section(found),
        Section("Words", [Terms(GLOSSARY)]),
    ]
    return render(
        Page(
            title=found.title,
            kicker="catena · which parameter drives which output",
            lead=words_of(found),
            notices=notes_of(found),
            verdict=_verdict(found),
            sections=sections,
            footer="Written by catena. The page is complete in itself and loads nothing.",
        )
    )


def _verdict(found: ParameterExplanation) -> Finding:
    worst = float(found.model.r2[~found.still].min())
    said = f"Worst R2 of an output in cross-validation: {worst:.2f}."
    if worst >= TRUSTED:
        return Finding("passed", "The surrogate speaks for the model", said)
    todo = "Train the surrogate on more runs, or leave these outputs out."
    if worst >= DOUBTFUL:
        return Finding("doubtful", "Some outputs are only roughly those of the model", said, todo)
    return Finding("failed", "Some outputs are not those of the model", said, todo)


def _rows(found: ParameterExplanation) -> NDArray[np.int64]:
    """Parameters by falling importance over the detailed outputs, at most MOST_ROWS."""
    shares = found.shares()[1]
    there = shares[:, ~found.still[found.detailed]]
    mean = there.mean(1) if there.size else np.zeros(len(shares))
    return np.argsort(-mean, kind="stable")[:MOST_ROWS]


def _alive(found: ParameterExplanation) -> NDArray[np.int64]:
    """Places among the detailed outputs that vary."""
    return np.flatnonzero(~found.still[found.detailed])


def _picked(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of them, spread evenly."""
    if len(places) <= most:
        return places
    return np.asarray(places[np.linspace(0, len(places) - 1, most).round().astype(int)])


def _names(found: ParameterExplanation, places: NDArray[np.int64]) -> list[str]:
    return [found.model.outputs.names[int(found.detailed[p])] for p in places]


def _of_some(found: ParameterExplanation, shown: int, what: str = "outputs") -> str:
    whole = len(found.model.outputs)
    return f" {shown} of {whole} {what} are shown." if shown < whole else ""


def _strongest(found: ParameterExplanation, rows: NDArray[np.int64]) -> str:
    whole = len(found.model.parameters)
    if len(rows) == whole:
        return ""
    return f" The {len(rows)} strongest of {whole} parameters are shown."


def _model_section(found: ParameterExplanation) -> Section:
    about, parameters = found.model.about, found.model.parameters
    kind = {"gp": "Gaussian process", "mlp": "ensemble of neural networks"}[about["method"]]
    quiet = set(inert(found))
    facts = Facts(
        [
            ("Runs", about["title"] or "a user's runs"),
            ("Number of runs", str(about["runs"])),
            ("Surrogate", kind),
            ("Mean R2", f"{about['mean_r2']:.3f}"),
            ("Outputs", str(len(found.model.outputs))),
        ]
    )
    table = Table(
        ["Parameter", "Units", "Range", "What it is", "Does"],
        [
            [
                name,
                unit_label(units) or "1",
                f"{number(low)} to {number(high)}",
                words if words != name else "",
                "next to nothing" if name in quiet else "something",
            ]
            for name, units, words, low, high in zip(
                *vars(parameters).values(), found.model.low, found.model.high, strict=True
            )
        ],
        "All are uniform over their ranges and independent: other ranges give other shares.",
    )
    return Section("What was asked of which model", [facts, table])


def _overview(found: ParameterExplanation, rows: NDArray[np.int64]) -> Section:
    method, shares = found.shares()
    names = found.model.parameters.names
    columns, values = _names(found, np.arange(len(found.detailed))), shares
    doubtful = (found.model.r2 < DOUBTFUL)[found.detailed]
    several = len(found.detailed) < len(found.model.outputs)
    if several and method == "sobol" and found.sobol is not None and len(found.groups) > 1:
        groups = found.groups[: plots.MOST_COLUMNS]
        values = np.stack([pooled(found.sobol.total, found.sobol.variance, g) for g in groups], 1)
        columns = [f"{g.name} ({len(g)})" if len(g) > 1 else g.name for g in groups]
        doubtful = np.array([(found.model.r2[list(g.members)] < DOUBTFUL).any() for g in groups])
    figure = plots.heat_map(
        values[rows], [names[i] for i in rows], columns, marked=doubtful.tolist()
    )
    caption = (
        "How to read it: a column is an output, a row a parameter, the number the "
        f"{SCALE[method]}. A dark cell: this output depends much on this parameter. "
        "A pale row: nothing here depends on it."
    )
    if doubtful.any():
        caption += f" *: R2 under {DOUBTFUL:g}, the column is the surrogate's, not the model's."
    if several:
        caption += _of_some(found, len(columns), "outputs or groups")
    caption += _strongest(found, rows)
    blocks: list[Block] = [
        Picture(plot(figure, "heat", alt="Parameters by outputs, shaded by share"), caption)
    ]
    blocks += _profiles(found)
    return Section("Which parameter drives which output", blocks)


def _profiles(found: ParameterExplanation) -> list[Block]:
    """Along the outputs of long groups."""
    if found.sobol is None:
        return []
    blocks: list[Block] = []
    long = [group for group in found.groups if len(group) > LONG_GROUP]
    for place, group in enumerate(long[:MOST_PROFILES]):
        members = list(group.members)
        index = pooled(found.sobol.total, found.sobol.variance, group)
        if np.isnan(index).any():
            continue
        top = np.argsort(-index, kind="stable")[: len(plots.COLOURS)]
        top = top[index[top] >= 0.01]
        if not top.size:
            continue
        names = found.model.outputs.names
        figure = plots.profile(
            found.sobol.total[top][:, members],
            [found.model.parameters.names[i] for i in top],
            names[members[0]],
            names[members[-1]],
            f"{group.name}, {len(group)} outputs",
        )
        blocks.append(
            Picture(
                plot(figure, f"profile{place}", alt=f"Total indices along {group.name}"),
                "How to read it: where a line is high, the output at that place depends on that "
                "parameter; lines that cross say that another one takes over. Gaps are outputs "
                "that do not vary.",
            )
        )
    return blocks


def _sobol_sections(found: ParameterExplanation, rows: NDArray[np.int64]) -> list[Section]:
    sobol = found.sobol
    if sobol is None:
        return []
    rows = rows[:MOST_BARS]
    names = [found.model.parameters.names[i] for i in rows]
    shown = _picked(_alive(found), MOST_PANELS)
    outputs = found.detailed[shown]
    bars = plots.index_bars(
        sobol.first[rows][:, outputs],
        sobol.first_error[rows][:, outputs],
        sobol.total[rows][:, outputs],
        sobol.total_error[rows][:, outputs],
        names,
        _names(found, shown),
        sobol.confidence,
    )
    blocks: list[Block] = [
        Picture(
            plot(bars, "bars", alt="First-order and total indices"),
            "How to read it: the dark bar is what a parameter does by itself, the pale one what it "
            "takes part in; the pale part beyond the dark one is interaction with others. Dark "
            "bars that add up to 1: the output is a sum of parts, one for each parameter."
            + _of_some(found, len(shown))
            + _strongest(found, rows),
        )
    ]
    if found.pairs is not None and len(rows) > 1:
        blocks.append(_matrices(found, rows, names))
    return [Section("Alone or together", blocks)]


def _matrices(found: ParameterExplanation, rows: NDArray[np.int64], names: list[str]) -> Block:
    """Pairs, for the outputs whose interactions are largest."""
    assert found.pairs is not None and found.sobol is not None
    alive = _alive(found)
    size = np.nansum(np.clip(found.pairs[..., alive], 0.0, None), axis=(0, 1))
    shown = np.sort(alive[np.argsort(-size, kind="stable")[:MOST_MATRICES]])
    figure = plots.pair_matrices(
        found.pairs[rows][:, rows][..., shown],
        found.sobol.first[rows][:, found.detailed[shown]],
        names,
        _names(found, shown),
    )
    return Picture(
        plot(figure, "pairs", alt="Second-order indices of pairs of parameters"),
        "How to read it: on the diagonal (grey) what a parameter does alone, below it (red) what a "
        "pair does beyond both, in percent of the output's variance. A dark red cell: the effect "
        "of one depends on the value of the other, so fixing either at a wrong value spoils the "
        "calibration of the other."
        + _of_some(found, len(shown), "outputs, those with the largest interactions,"),
    )


def _shap_section(found: ParameterExplanation, rows: NDArray[np.int64]) -> list[Section]:
    shap = found.shap
    if shap is None:
        return []
    shown = _picked(_alive(found), MOST_SWARMS)
    rows = rows[:MOST_BARS]
    figure = plots.beeswarm(
        shap.values[:, shown][..., rows],
        shap.unit[:, rows],
        [found.model.parameters.names[i] for i in rows],
        _names(found, shown),
        [found.model.outputs.units[int(found.detailed[p])] for p in shown],
    )
    caption = (
        f"How to read it: each dot is one of {len(shap.unit)} parameter sets. Right of the line: "
        "the parameter raised the output above its mean there. Red dots right and blue ones left: "
        "a higher parameter raises the output; the other way round: it lowers it; mixed colours: "
        "it depends on the others, or has a best value within the range."
    )
    return [
        Section(
            "Which way each parameter pushes",
            [
                Picture(
                    plot(figure, "swarm", alt="Shapley values of parameter sets"),
                    caption + _of_some(found, len(shown)) + _strongest(found, rows),
                )
            ],
        )
    ]


def _methods_section(found: ParameterExplanation) -> list[Section]:
    rows = []
    if (sobol := found.sobol) is not None:
        within = "within" if sobol.converged else "not within"
        rows.append(
            [
                "Sobol indices",
                f"{sobol.evaluations}",
                f"± {number(sobol.error, 2)} at worst ({100 * sobol.confidence:g} %), {within} "
                f"± {found.settings.tolerance:g}",
            ]
        )
    if (pawn := found.pawn) is not None:
        rows.append(
            [
                "PAWN",
                f"{pawn.samples}",
                f"a parameter that does nothing stays under {pawn.threshold:.3f}",
            ]
        )
    if (shap := found.shap) is not None:
        rows.append(
            [
                f"Shapley values ({shap.method})",
                f"{shap.evaluations}",
                f"sums right to {number(100 * shap.additivity, 2)} % of an output's range",
            ]
        )
    blocks: list[Block] = [
        Table(["Method", "Evaluations", "How sure"], rows, numeric=(1,)),
    ]
    if found.agreement is not None:
        matrix, methods = found.agreement.spearman, found.agreement.methods
        blocks.append(
            Table(
                ["Rank correlation", *(METHOD_WORDS[name] for name in methods)],
                [
                    [
                        METHOD_WORDS[name],
                        *("–" if np.isnan(x) else f"{x:.2f}" for x in matrix[i]),
                    ]
                    for i, name in enumerate(methods)
                ],
                "Do the methods rank the parameters alike? 1: in the same order. Mean over the "
                "outputs; parameters that a method cannot tell from nothing count as equal.",
                numeric=range(1, len(methods) + 1),
            )
        )
    else:
        blocks.append(Text("One method alone: ask for another to see whether they agree."))
    return [Section("How sure, and do the methods agree?", blocks)]
