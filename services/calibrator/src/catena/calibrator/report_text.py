"""Sections of the report that are tables and words: costs, lineage, glossary."""

from __future__ import annotations

from catena.calibrator import plots
from catena.calibrator.result import Result
from catena.shared.artifacts import Artifact
from catena.shared.report import Block, Picture, Section, Table, Text, duration, number, plot

GLOSSARY = (
    ("Prior", "What was held possible before: each parameter uniform over its range."),
    ("Posterior", "What is held possible after the observation, as draws of the parameters."),
    (
        "Surrogate",
        "A fast substitute of the model, fitted to its runs. It says how far it may be off, and "
        "that error is part of every posterior here.",
    ),
    (
        "Amortised",
        "Prepared once for all observations: a new site costs milliseconds and no training.",
    ),
    (
        "Effective draws",
        "Weighted draws count less than independent ones; this is how many they are worth.",
    ),
    (
        "Simulation-based calibration (SBC)",
        "Over many known truths, the rank of the truth among the draws must be uniform.",
    ),
    (
        "TARP",
        "Over many known truths, regions of credibility 50 % must hold the truth in 50 % of "
        "cases, and so on, in all parameters at once.",
    ),
    ("R-hat", "Compares chains with one another; near 1 means that they tell the same story."),
    (
        "Out of range",
        "The observation lies beyond what the model gives for any parameters in the prior.",
    ),
    ("Spread", "Standard deviation of an output over the training runs."),
)


def costs_section(result: Result, opened: dict[str, Artifact]) -> Section:
    """What was paid once and what each site costs, side by side with Markov chains."""

    def wall(field: str, name: str = "wall_s") -> float:
        return float(opened[field].manifest.costs.get(name, float("nan")))

    once = [
        ("Train the surrogate", wall("surrogate")),
        ("Prepare the posterior", wall("posterior")),
    ]
    if "check" in opened:
        once.append(("Check the posterior", wall("check")))
    site = [(f"Posterior, {len(result.draws)} draws", result.site_s)]
    chains_s = None
    if result.chains is not None:
        chains_s = wall("chains", "sampling_wall_s")
        draws = f"{result.chains.values.shape[0]} x {result.chains.values.shape[1]} draws"
        site.append((f"Markov chains ({result.chains.method}), {draws}", chains_s))
    rows = [
        *((what, seconds, "once") for what, seconds in once if seconds == seconds),
        *((what, seconds, "site") for what, seconds in site if seconds == seconds),
    ]
    effective = {site[0][0]: min(result.seen["effective_size"], len(result.draws))}
    if result.chains is not None:
        effective[site[1][0]] = float(result.chains.ess_bulk.min())
    table = Table(
        ["Step", "Paid", "Time", "Effective draws", "Time per 1000 of them"],
        [
            [
                what,
                "once" if kind == "once" else "per site",
                duration(seconds),
                f"{effective[what]:.0f}" if what in effective else "",
                duration(seconds / max(effective[what], 1) * 1000) if what in effective else "",
            ]
            for what, seconds, kind in rows
        ],
        "Wall-clock times on the machine that did the work. The runs of the model itself are not "
        "counted: both ways need them.",
        numeric=(2, 3, 4),
    )
    blocks: list[Block] = [table, *_compared(result.site_s, chains_s, wall("posterior"))]
    figure = plots.cost_plot(rows)
    blocks.append(
        Picture(plot(figure, "costs", alt="Seconds per step"), "The same, on a logarithmic axis.")
    )
    return Section("What it cost", blocks)


def _compared(site_s: float, chains_s: float | None, prepared_s: float) -> list[Block]:
    if chains_s is None or not chains_s > site_s:
        return []
    sites = max(1, -(-prepared_s // (chains_s - site_s)))
    return [
        Text(
            f"One more site costs {duration(site_s)} with the posterior and {duration(chains_s)} "
            f"with Markov chains, {number(chains_s / site_s, 2)} times as much; preparing the "
            f"posterior has paid for itself after {sites:.0f} "
            f"{'site' if sites == 1 else 'sites'}. Both use the same surrogate."
        )
    ]


def lineage_section(opened: dict[str, Artifact]) -> Section:
    """Which artifacts the page was made from."""
    rows = []
    for field, artifact in opened.items():
        lineage = artifact.manifest.lineage
        rows.append(
            [
                field,
                artifact.manifest.digest.removeprefix("sha256:")[:16],
                lineage.code_version.removeprefix("src-"),
                "" if lineage.seed is None else str(lineage.seed),
                "/".join(artifact.uri.split("/")[-2:])[:34] + "…",
            ]
        )
    return Section(
        "Where it comes from",
        [
            Table(
                ["Artifact", "Content (sha256)", "Code", "Seed", "Job"],
                rows,
                "The same request on the same content gives the same digest.",
            )
        ],
    )
