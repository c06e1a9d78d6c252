"""The page that says what was calibrated, on which data, and whether to believe it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from catena.calibrator import plots, verdict
from catena.calibrator.pair_plot import MOST_PAIRED, pair_plot
from catena.calibrator.plot_style import Label
from catena.calibrator.predictive import skill_rows
from catena.calibrator.queries import WriteReportQuery
from catena.calibrator.report_model import model_section
from catena.calibrator.report_text import GLOSSARY, costs_section, lineage_section
from catena.calibrator.result import Result, gather
from catena.shared.artifacts import Artifact
from catena.shared.report import (
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
    number,
    plot,
    render,
)


def write_page(
    query: WriteReportQuery,
    opened: dict[str, Artifact],
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> tuple[str, dict[str, Any]]:
    """Write the report.

    Parameters
    ----------
    query : WriteReportQuery
    opened : dict
        Its artifacts, by field: ensemble, surrogate, posterior and perhaps check and chains.
    progress : callable

    Returns
    -------
    html : str
        One self-contained page.
    summary : dict
        The verdict and the marginals, as JSON; without times.
    """
    result = gather(query, opened, progress)
    findings = _findings(result)
    answer = verdict.overall(findings["all"], checked=result.figures is not None)
    title = query.title or f"Calibration of {query.observation.site or 'one site'}"
    progress(0.6, "drawing the plots")
    page = Page(
        title=title,
        kicker="catena · calibration report",
        lead=_lead(query, result),
        notices=_notices(query, result),
        verdict=answer,
        sections=[
            _data_section(query, result),
            _parameters_section(result),
            _predictive_section(query, result),
            *_model_sections(result),
            _trust_section(result, findings),
            costs_section(result, opened),
            lineage_section(opened),
            Section("Words", [Terms(GLOSSARY)]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    html = render(page)
    progress(0.98, "page written")
    return html, _summary(title, answer, findings["all"], result)


def _model_sections(result: Result) -> list[Section]:
    if result.model is None:
        return []
    return [model_section(result.model, result.about.outputs, result.spun_up)]


def _findings(result: Result) -> dict[str, list[Finding]]:
    names = result.about.prior.names
    found = {
        "observation": verdict.observation_findings(result.seen, result.about.outputs.names),
        "model": [],
        "chains": [],
        "check": [],
    }
    if result.model is not None:
        found["model"] = verdict.model_findings(
            result.model.skills(),
            result.model.surrogate,
            runs=len(result.model.posterior),
            failed=result.model.failed,
        )
    if result.chains is not None and result.c2st is not None:
        found["chains"] = verdict.chain_findings(result.chains.remarks, result.c2st)
    if result.figures is not None:
        found["check"] = verdict.check_findings(result.figures, names)
    found["all"] = [finding for part in list(found.values()) for finding in part]
    return found


def _lead(query: WriteReportQuery, result: Result) -> str:
    site = query.observation.site or "one site"
    return (
        f"{result.about.prior.size} parameters calibrated on {_outputs_seen(query)} of "
        f"{len(result.about.outputs.names)} outputs at {site}, from {result.ensemble.n_ok} runs."
    )


def _outputs_seen(query: WriteReportQuery) -> int:
    return int(query.observation.arrays()[2].sum())


def _notices(query: WriteReportQuery, result: Result) -> list[str]:
    found = []
    if result.ensemble.generated:
        found.append(
            "The runs are generated: a closed formula made them, not a land model. Nothing here "
            "says anything about a real site."
        )
    if result.ensemble.model.startswith("embedded"):
        found.append(
            "The runs are those of catena's embedded land model, a small one with ELM's names and "
            "stages; ELM itself was not run."
        )
    if result.ensemble.generated_weather:
        found.append(
            "The weather is generated: a weather generator drove the land model. Nothing here says "
            "anything about a real site."
        )
    if query.observation.synthetic:
        source = query.observation.source or "made from a run of the model"
        known = " Its true parameters are known and marked." if result.truth is not None else ""
        found.append(f"The observation is synthetic, nobody measured it: {source}.{known}")
    return found


def _data_section(query: WriteReportQuery, result: Result) -> Section:
    ensemble, observation = result.ensemble, query.observation
    failed = len(ensemble.failed)
    runs = f"{ensemble.n_ok} good of {ensemble.n_asked} asked" if failed else f"{ensemble.n_ok}"
    blocks: list[Block] = [
        Facts(
            [
                ("Runs", ensemble.title or "a user's runs"),
                ("Made by", "a formula (generated)" if ensemble.generated else ensemble.source),
                ("Number of runs", runs),
                ("Held out for checks", str(int(ensemble.held_out.sum()))),
                ("Observation", "synthetic" if observation.synthetic else "measured"),
                ("Site", observation.site or "not named"),
                ("Outputs observed", f"{_outputs_seen(query)} of {len(observation.values)}"),
            ]
        )
    ]
    if failed:
        listed = ", ".join(str(row) for row in ensemble.failed[:20])
        blocks.append(Text(f"Failed runs, left out (rows from 0): {listed}{_dots(failed, 20)}."))
    for note in (ensemble.source_note, "" if observation.synthetic else observation.source):
        if note:
            blocks.append(Text(note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")))
    return Section("What was calibrated on which data", blocks)


def _dots(count: int, shown: int) -> str:
    return f" and {count - shown} more" if count > shown else ""


def _parameters_section(result: Result) -> Section:
    about, shrinkage = result.about, result.shrinkage()
    informed = [about.prior.names[i] for i in np.argsort(-shrinkage) if shrinkage[i] >= 0.2]
    said = (
        f"The observation informs {', '.join(informed)}. For the others the prior stands: a wide "
        "marginal there is no defect, the data do not speak of them."
        if informed and len(informed) < about.prior.size
        else "The observation informs every parameter."
        if informed
        else "The observation hardly narrows any single parameter; what it says lies in their "
        "combinations, and the prior stands for each one alone."
    )
    return Section("Parameters, before and after", [Text(said), _marginals(result), _pairs(result)])


def _marginals(result: Result) -> Table:
    prior, draws = result.about.prior, result.draws
    low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    shrinkage = result.shrinkage()
    columns = [
        "Parameter",
        "Units",
        "Prior range",
        "Median",
        "90 % interval",
        "Narrowed by",
        "By the data",
    ]
    if result.truth is not None:
        columns.insert(5, "Truth")
    meanings = result.about.parameter_long_names
    if any(meanings):
        columns.append("What it is")
    rows = []
    for i, (name, label) in enumerate(zip(prior.names, _labels(result), strict=True)):
        row = [
            name,
            label.units or "1",
            f"{number(prior.low[i] / label.factor)} to {number(prior.high[i] / label.factor)}",
            number(middle[i] / label.factor),
            f"{number(low[i] / label.factor)} to {number(high[i] / label.factor)}",
            f"{100 * max(shrinkage[i], 0):.0f} %",
            _informed(shrinkage[i]),
        ]
        if result.truth is not None:
            row.insert(5, number(result.truth[i] / label.factor))
        if any(meanings):
            row.append(meanings[i])
        rows.append(row)
    numeric = list(range(2, columns.index("By the data")))
    return Table(
        columns,
        rows,
        "Narrowed by: how much smaller the standard deviation is than the prior's.",
        numeric,
    )


def _informed(shrinkage: float) -> str:
    if shrinkage >= 0.5:
        return "well informed"
    return "somewhat" if shrinkage >= 0.2 else "prior stands"


def _labels(result: Result) -> list[Label]:
    prior = result.about.prior
    largest = np.maximum(np.abs(prior.low), np.abs(prior.high))
    return [
        Label.of(name, units, top)
        for name, units, top in zip(prior.names, prior.units, largest, strict=True)
    ]


def _pairs(result: Result) -> Picture:
    shrinkage = result.shrinkage()
    shown = np.sort(np.argsort(-shrinkage, kind="stable")[:MOST_PAIRED])
    labels = _labels(result)
    prior = result.about.prior
    figure = pair_plot(
        result.draws[:, shown],
        None if result.chains is None else result.chains.draws[:, shown],
        prior.low[shown],
        prior.high[shown],
        [labels[i] for i in shown],
        None if result.truth is None else result.truth[shown],
    )
    caption = "Marginals on the diagonal, pairs of parameters below; each axis spans the prior."
    if len(shown) < prior.size:
        caption += f" The {len(shown)} most informed of {prior.size} parameters are shown."
    return Picture(plot(figure, "pairs", alt="Pair plot of the posterior"), caption)


def _predictive_section(query: WriteReportQuery, result: Result) -> Section:
    outputs = result.about.outputs
    values, error_sd, observed = query.observation.arrays()
    short, quantity = _short_names(outputs.names, outputs.long_names)
    figure = plots.predictive_plot(
        result.prior_predictive(),
        result.predictive,
        values,
        error_sd,
        observed,
        short,
        outputs.units,
        quantity,
    )
    caption = (
        "What the model gave before (the ensemble) and gives after calibration (surrogate at the "
        "posterior draws, its own error included), against the observation."
    )
    return Section(
        "Does the calibrated model give what was observed?",
        [Picture(plot(figure, "predictive", alt="Posterior predictive and observation"), caption)],
    )


def _short_names(names: tuple[str, ...], long_names: tuple[str, ...]) -> tuple[list[str], str]:
    """Years alone where all outputs are one quantity over years, with that quantity's name."""
    stems = {name[:-4].rstrip("_-. ") for name in names}
    if len(names) > 1 and len(stems) == 1 and all(name[-4:].isdigit() for name in names):
        long_stems = {long[:-4].rstrip(" ,") for long in long_names if long[-4:].isdigit()}
        quantity = long_stems.pop() if len(long_stems) == 1 else stems.pop()
        return [name[-4:] for name in names], quantity
    return list(names), "output"


def _trust_section(result: Result, findings: dict[str, list[Finding]]) -> Section:
    blocks: list[Block] = [
        Findings(findings["observation"] + findings["model"] + findings["chains"])
    ]
    if result.figures is None:
        blocks.append(
            Text("The posterior as a whole was not checked; run CheckCalibration and report again.")
        )
        return Section("Can it be believed?", blocks)
    figures, arrays = result.figures, result.arrays
    blocks.append(
        Text(
            "The posterior as a whole was checked on pairs of known parameters and noisy outputs "
            f"(noise: {number(figures['noise_fraction'])} of each output's spread):"
        )
    )
    blocks.append(Findings(findings["check"]))
    worst = np.sort(np.argsort(figures["simulated"]["ks"])[::-1][: plots.MOST_RANKED])
    labels = _labels(result)
    held = arrays.get("held_out.ranks")
    ranks = plots.rank_plot(
        arrays["simulated.ranks"][:, worst],
        None if held is None else held[:, worst],
        [labels[i] for i in worst],
    )
    blocks.append(
        Picture(
            plot(ranks, "ranks", alt="Histograms of ranks"),
            "Simulation-based calibration: flat is right, a hump is too wide, a bowl too narrow, a "
            "slope shifted."
            + (" The parameters that deviate most are shown." if len(worst) < len(labels) else ""),
        )
    )
    coverage = plots.coverage_plot(
        arrays["tarp_credibility"],
        (arrays["simulated.tarp_coverage"], figures["simulated"]["pairs"]),
        None
        if figures["held_out"] is None
        else (arrays["held_out.tarp_coverage"], figures["held_out"]["pairs"]),
    )
    blocks.append(
        Picture(
            plot(coverage, "tarp", alt="Coverage against credibility"),
            "TARP, all parameters at once: on the diagonal is right, below it too narrow, above it "
            "too wide.",
        )
    )
    return Section("Can it be believed?", blocks)


def _summary(
    title: str, answer: Finding, findings: list[Finding], result: Result
) -> dict[str, Any]:
    low, middle, high = np.quantile(result.draws, [0.05, 0.5, 0.95], axis=0)
    model = result.model
    return {
        "title": title,
        "predictive": None
        if model is None
        else {
            "runs": len(model.posterior),
            "failed": model.failed,
            "skill": skill_rows(model.skills()),
            "surrogate": model.surrogate,
        },
        "verdict": {"status": answer.status, "title": answer.title, "said": answer.said},
        "findings": [
            {"status": f.status, "title": f.title, "said": f.said, "todo": f.todo} for f in findings
        ],
        "marginals": {
            name: {"q05": low[i], "median": middle[i], "q95": high[i]}
            for i, name in enumerate(result.about.prior.names)
        },
        "shrinkage": dict(zip(result.about.prior.names, result.shrinkage().tolist(), strict=True)),
    }
