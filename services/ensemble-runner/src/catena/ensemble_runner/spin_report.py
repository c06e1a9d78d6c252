"""The page about spin-ups: how right, how quiet, how dear, and which sites fell back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.ensemble_runner import spin_plots as plots
from catena.ensemble_runner.spin_compared import (
    Compared,
    Contender,
    cheaper,
    cpu_of,
    median_abs,
    summary,
)
from catena.ensemble_runner.spin_fallback import fallback_section, percent, said
from catena.ensemble_runner.spin_result import (
    FAILED,
    Validation,
    Verification,
    one_of_all_plants,
    residual_years,
    validate,
)
from catena.ensemble_runner.spin_words import GLOSSARY, check_words, in_a_sentence, status_of
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
    duration,
    number,
    plot,
    render,
)

Array = NDArray[np.float64]

SHOWN_POOLS = 40


def comparison_page(found: Compared) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    scores = [found.scores(one) for one in found.contenders]
    first, (verified, validated) = found.contenders[0], scores[0]
    page = Page(
        title=found.title,
        kicker="catena · spin-up",
        lead=f"{_names(found)}, each checked site by site, beside {found.truth_label}.",
        notices=found.notices,
        verdict=_verdict(found, first, verified, validated),
        sections=[
            Section("What was compared", [Facts(_facts(found))]),
            _trust(found, scores),
            _pools(found, scores),
            _where(found),
            _cost(found, scores),
            _residual(found),
            fallback_section(
                found.lat, found.lon, found.cell, first.made, first.label, found.unseen
            ),
            *_lessons(found),
            Section("Words", [Terms(GLOSSARY)]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page), summary(found, scores)


# ------------------------------------------------------------------ the answer


def _verdict(
    found: Compared, first: Contender, verified: Verification, validated: Validation
) -> Finding:
    alone = float(first.made.passed_first.mean())
    ended = float((first.made.used != FAILED).mean())
    status = status_of(min(ended, validated.within))
    native, saved = found.native, ""
    if native is not None and native is not first:
        saved = (
            f" It took 1/{number(cheaper(native, first), 2)} of the CPU time of "
            f"{in_a_sentence(native.label)}, check and fallback included."
        )
    learned = " No site is unseen, so pools were not verified."
    if verified.r2:
        name, worst = verified.worst
        learned = (
            f" On {verified.sites:,} unseen sites R² of the pools is {verified.median:.3f} "
            f"(median) and {worst:.3f} ({name}, the worst)."
        )
    quiet = (
        f" {percent(validated.within)} stay within {found.limit:g} gC m⁻² yr⁻¹ in a free run of "
        f"{found.free_cycles} cycles."
    )
    return Finding(
        status,
        f"{100 * ended:.1f} % of the sites are at equilibrium after {in_a_sentence(first.label)}",
        f"{100 * alone:.1f} % passed without fallback.{learned}{quiet}{saved}",
        "" if status == "passed" else _todo(found, first),
    )


def _todo(found: Compared, first: Contender) -> str:
    if not found.check.tries:
        return "There was no fallback: leave no_fallback out, and sites that fail are spun up on."
    if first.made.counts["failed"]:
        return "Give the fallback more years, or learn from more blocks."
    return "Let states settle for more cycles before they are judged, or tighten the limit."


# ------------------------------------------------------------------ sections


def _facts(found: Compared) -> list[tuple[str, str]]:
    sites = f"{found.cell.size:,} in {found.lat.size:,} cells"
    return [
        ("Model", found.model),
        ("Sites", sites),
        *found.facts,
        ("Cycle of the forcing", f"{found.cycle_years} years"),
        *check_words(found.check, found.cycle_years),
        ("The truth", found.truth_label),
        ("Unseen by all methods", f"{int(found.unseen.sum()):,} sites"),
    ]


def _trust(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    blocks: list[Block] = [_verified(found, scores), _validated(found, scores)]
    if not scores[0][0].r2:
        text = "No site is unseen: leave blocks out of what is learned from to verify."
        blocks.append(Findings([Finding("unknown", "Pools could not be verified", text)]))
    return Section("Verification and validation", blocks)


def _verified(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Table:
    rows = []
    for one, (verified, _) in zip(found.contenders, scores, strict=True):
        settled, known = found.verify_after_cycle(one), found.verify_familiar(one)
        rows.append(
            [
                one.label,
                said(verified.median, 3),
                *_worst(verified),
                said(settled.median, 3),
                *_worst(settled),
                f"{known.sites:,}",
                said(known.median, 3),
                percent(verified.coverage90),
            ]
        )
    verified = scores[0][0]
    words = (
        f"Verification: R² of {len(verified.r2)} pools as a method leaves them, without polishing "
        f"or fallback, on {verified.sites:,} vegetated sites of blocks that no method learned "
        "from, where the truth is at equilibrium. Settled: after a cycle of the model from there, "
        "in which leaves, litter and mineral nitrogen take on what the weather makes of them. "
        "Familiar: sites that are like what the method learned, by its own account. "
        "Inside 90 %: truth in the method's own interval, on all of them."
    )
    columns = (
        "Method", "R², median", "worst", "pool", "settled, median", "worst", "pool",
        "Familiar sites", "R², median", "Inside 90 %",
    )  # fmt: skip
    return Table(columns, rows, words, numeric=(1, 2, 4, 5, 7, 8, 9))


def _worst(verified: Verification) -> tuple[str, str]:
    pool, score = verified.worst
    return said(score, 3), plots.pool_words(pool)


def _validated(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Table:
    truth = validate(found.truth.free_nee, found.truth.free_drift, found.limit)
    rows = [
        [
            label,
            said(median_abs(made.nee_first), 2, digits=True),
            said(median_abs(made.nee_checked), 2, digits=True),
            percent(float(made.passed_first.mean())),
            said(validated.nee_abs_median, 2, digits=True),
            said(validated.nee_mean, 2, digits=True),
            said(validated.drift_abs_median, 2, digits=True),
            percent(validated.within),
        ]
        for label, made, validated in (
            *(
                (one.label, one.made, validated)
                for one, (_, validated) in zip(found.contenders, scores, strict=True)
            ),
            (found.truth_label, found.truth, truth),
        )
    ]
    words = (
        "Validation, gC m⁻² yr⁻¹, cycle means; medians over all sites. First cycle: from the "
        "method's own state. As judged: settled and polished by the check, before any fallback; so "
        "many passed. Free run: "
        f"{found.free_cycles} whole cycles from all {found.cell.size:,} states after check and "
        "fallback, with the mean NEE of all sites, the change of TOTECOSYSC, and the share of "
        f"sites with neither beyond {found.limit:g}."
    )
    columns = (
        "Method", "|NEE|, first cycle", "|NEE|, as judged", "Passed", "|NEE|, free run",
        "mean NEE", "|change of carbon|", "Quiet",
    )  # fmt: skip
    return Table(columns, rows, words, numeric=range(1, 8))


def _pools(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    r2 = {
        one.label: verified.r2 for one, (verified, _) in zip(found.contenders, scores, strict=True)
    }
    order = list(one_of_all_plants(found.pools))
    names = [name for name in order if any(name in each for each in r2.values())]
    if not names:
        return Section("Which pools are right?", [Text("No pool could be verified.")])
    first = scores[0][0].r2
    shown = names if len(names) <= SHOWN_POOLS else sorted(names, key=first.get)[:SHOWN_POOLS]  # type: ignore[arg-type]
    more = "" if len(shown) == len(names) else f" The {len(shown)} worst of {len(names)}."
    picture = Picture(
        plot(plots.r2_plot(shown, r2), "pools", alt="R2 of each pool by method"),
        "R² by pool on unseen, vegetated sites. Pools of the soil are of its whole column, which "
        f"is one level in this model; pools of plants are of their own area, of all plants.{more}",
    )
    return Section("Which pools are right?", [picture])


def _where(found: Compared) -> Section:
    if found.lat.size < plots.LEAST_CELLS:
        return Section(
            "Before and after",
            [
                Text(
                    f"Median of |NEE|: {number(median_abs(found.before_nee), 3)} gC m⁻² yr⁻¹ "
                    f"{found.before_label}, "
                    f"{number(median_abs(found.contenders[0].made.nee), 2)} after "
                    f"{in_a_sentence(found.contenders[0].label)}."
                )
            ],
        )
    first = found.contenders[0]
    panels = [
        _panel(found, found.before_label, found.before_nee),
        _panel(found, f"{first.label}, first cycle", first.made.nee_first),
        _panel(found, f"{first.label}, as judged", first.made.nee_checked),
        _panel(found, f"{first.label}, with fallback", first.made.nee),
        *(
            _panel(found, f"{one.label}, as judged", one.made.nee_checked)
            for one in found.contenders[1:]
        ),
    ]
    return Section(
        "NEE before and after",
        [
            Picture(
                plot(
                    plots.nee_maps(panels, found.lat, found.lon, found.limit),
                    "nee",
                    alt="Maps of net ecosystem exchange before and after each method",
                ),
                f"Net ecosystem exchange, mean of a cycle: {found.before_label} (what one would "
                f"run on from without a swap), from the states of {in_a_sentence(first.label)}, "
                "settled and polished by the check, and in the end; then the other methods as the "
                f"check judged them. At the right: sites within {found.limit:g} gC m⁻² yr⁻¹. Means "
                "over the parameter sets of a cell.",
            )
        ],
    )


def _panel(found: Compared, label: str, nee: Array) -> plots.Map:
    with np.errstate(invalid="ignore"):
        within = float((np.abs(nee) <= found.limit).mean())
    return plots.Map(label, f"{100 * within:.0f} %", found.of_cells(nee))


def _cost(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    sites = found.cell.size
    rows = []
    for one in found.contenders:
        made = one.made
        spent = {name: made.cpu_s.get(name, 0.0) for name in ("method", "check")}
        ratio = cheaper(found.native, one)
        rows.append(
            [
                one.label,
                *(number(float(np.nanmean(years)), 3)
                  for years in (made.years, made.check_years, made.fallback_years)),
                *(duration(spent[name] / sites) for name in spent),
                number(ratio, 3) if np.isfinite(ratio) else "-",
                duration(one.lesson.cpu_s + made.cpu_s.get("learn", 0.0))
                if one.lesson is not None
                else "-",
            ]
        )  # fmt: skip
    columns = (
        "Method", "Years", "of check", "of fallback", "CPU of a site", "of check and fallback",
        "Times cheaper", "CPU to learn",
    )  # fmt: skip
    table = Table(
        columns,
        rows,
        "Means over the sites. Times cheaper: than the native spin-up with its own check and "
        "fallback, those of the method included. CPU to learn is of the native sample, the "
        "training, and what each process fits or reads: paid once, and no part of the rest.",
        numeric=range(1, 8),
    )
    picture = Picture(
        plot(
            plots.cost_plot(
                {one.label: cpu_of(one) / sites for one in found.contenders},
                {one.label: median_abs(one.made.nee_checked) for one in found.contenders},
                "median |NEE|, as judged\n(gC m⁻² yr⁻¹)",
            ),
            "cost",
            alt="CPU time of a site and its NEE by method",
        ),
        "Cost with check and fallback, and how quiet sites are as the check judges them, before "
        "any fallback.",
    )
    return Section("What does it cost?", [table, picture])


def _residual(found: Compared) -> Section:
    years = {one.label: residual_years(one.made) for one in found.contenders}
    longest = found.check.tries * found.check.chunk_cycles * found.cycle_years
    if not longest:
        return Section(
            "How many years are missing?", [Text("There was no fallback that would tell.")]
        )
    picture = Picture(
        plot(
            plots.residual_plot(years, float(longest)),
            "residual",
            alt="Share of sites at equilibrium by further years of native run",
        ),
        "Residual spin-up: years of native run from a method's state until a site passes the "
        "check. At 0 years: sites that passed without fallback. Sites that begin anew from bare "
        "ground have its years on top.",
    )
    return Section("How many years are missing?", [picture])


def _lessons(found: Compared) -> list[Section]:
    learned = [(one.label, one.lesson) for one in found.contenders if one.lesson is not None]
    if not learned:
        return []
    (label, lesson), *others = learned
    blocks: list[Block] = [Text(lesson.words), Facts(lesson.facts)]
    for same, noun in ((True, "the same sample"), (False, "another sample")):
        names = [one for one, its in others if (its.sample == lesson.sample) == same]
        if names:
            blocks.append(Text(f"From {noun}: {', '.join(names)}."))
    return [Section(f"What did {in_a_sentence(label)} learn from, and how?", blocks)]


# ------------------------------------------------------------------ parts


def _names(found: Compared) -> str:
    labels = [one.label for one in found.contenders]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
