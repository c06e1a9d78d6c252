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
    WANTED_WITHIN,
    Validation,
    Verification,
    residual_years,
    validate,
)
from catena.ensemble_runner.spin_words import GLOSSARY
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
            fallback_section(found.lat, found.lon, found.cell, first.made, first.label),
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
    status: Status = "passed"
    if ended < WANTED_WITHIN or validated.within < WANTED_WITHIN:
        status = "doubtful" if ended >= 0.9 else "failed"
    native = next((one for one in found.contenders if one.kind == "native"), None)
    saved = ""
    if native is not None and native is not first:
        saved = (
            f" It took 1/{number(cheaper(native, first), 2)} of the CPU time of "
            f"{native.label}, check and fallback included."
        )
    learned = ""
    if verified.r2:
        name, worst = verified.worst
        learned = (
            f" On {verified.sites:,} unseen sites R² of the pools is {verified.median:.3f} "
            f"(median) and {worst:.3f} ({name}, the worst)."
        )
    return Finding(
        status,
        f"{100 * ended:.1f} % of the sites are at equilibrium after {first.label}",
        f"{100 * alone:.1f} % passed without fallback.{learned}{saved}",
        "" if status == "passed" else _todo(found, first),
    )


def _todo(found: Compared, first: Contender) -> str:
    if not found.fallback:
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
        ("At equilibrium", f"|NEE| and |drift| at most {found.limit:g} gC m⁻² yr⁻¹"),
        ("The truth", found.truth_label),
        ("Unseen by all methods", f"{int(found.unseen.sum()):,} sites"),
    ]


def _trust(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    rows = []
    for one, (verified, validated) in zip(found.contenders, scores, strict=True):
        rows.append(
            [
                one.label,
                said(verified.median, 3),
                f"{said(verified.worst[1], 3)} {verified.worst[0]}".strip(),
                percent(verified.coverage90),
                number(median_abs(one.made.nee_checked), 2),
                number(validated.nee_abs_median, 2),
                number(validated.nee_mean, 2),
                number(validated.drift_abs_median, 2),
                percent(validated.within),
            ]
        )
    truth = validate(found.truth.free_nee, found.truth.free_drift, found.limit)
    rows.append(
        [
            found.truth_label, "", "", "", number(median_abs(found.truth.nee_checked), 2),
            number(truth.nee_abs_median, 2), number(truth.nee_mean, 2),
            number(truth.drift_abs_median, 2), percent(truth.within),
        ]
    )  # fmt: skip
    columns = (
        "Method", "R², median", "R², worst pool", "Inside 90 %", "|NEE| alone",
        "|NEE| free run", "mean NEE", "|drift|", "Quiet",
    )  # fmt: skip
    verified = scores[0][0]
    words = (
        f"Verification: R² of {len(verified.r2)} pools as a method leaves them, on "
        f"{verified.sites:,} vegetated sites of blocks that no method learned from. Validation: a "
        f"free run of {found.free_cycles} whole cycles of the forcing from all {found.cell.size:,} "
        "states after check and fallback. NEE and drift in gC m⁻² yr⁻¹, cycle means; medians over "
        "the sites. Alone: as the check found it, before any fallback."
    )
    blocks: list[Block] = [Table(columns, rows, words, numeric=range(1, 9))]
    if not verified.r2:
        text = "No site is unseen: leave blocks out of what is learned from to verify."
        blocks.append(Findings([Finding("unknown", "Pools could not be verified", text)]))
    return Section("Verification and validation", blocks)


def _pools(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    r2 = {
        one.label: verified.r2 for one, (verified, _) in zip(found.contenders, scores, strict=True)
    }
    names = [name for name in found.pools if any(name in each for each in r2.values())]
    if not names:
        return Section("Which pools are right?", [Text("No pool could be verified.")])
    first = scores[0][0].r2
    names.sort(key=lambda name: found.pools.index(name))
    shown = names if len(names) <= SHOWN_POOLS else sorted(names, key=first.get)[:SHOWN_POOLS]  # type: ignore[arg-type]
    more = "" if len(shown) == len(names) else f" The {len(shown)} worst of {len(names)}."
    picture = Picture(
        plot(plots.r2_plot(shown, r2), "pools", alt="R2 of each pool by method"),
        "R² by pool on unseen, vegetated sites. Pools of the soil are of its whole column, which "
        f"is one level in this model; pools of plants are of their own area.{more}",
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
                    f"{found.contenders[0].label}."
                )
            ],
        )
    panels = [_panel(found, found.before_label, found.before_nee)]
    first = found.contenders[0]
    panels.append(_panel(found, f"{first.label}, alone", first.made.nee_checked))
    panels.append(_panel(found, "with fallback", first.made.nee))
    panels += [
        _panel(found, f"{one.label}, alone", one.made.nee_checked) for one in found.contenders[1:]
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
                f"run on from without a swap), then as the check found the states. At the right: "
                f"sites within {found.limit:g} gC m⁻² yr⁻¹. Means over the parameter sets of a "
                "cell.",
            )
        ],
    )


def _panel(found: Compared, label: str, nee: Array) -> plots.Map:
    with np.errstate(invalid="ignore"):
        within = float((np.abs(nee) <= found.limit).mean())
    return plots.Map(label, f"{100 * within:.0f} %", found.of_cells(nee))


def _cost(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> Section:
    native = next((one for one in found.contenders if one.kind == "native"), None)
    sites = found.cell.size
    rows = []
    for one in found.contenders:
        made = one.made
        spent = {name: made.cpu_s.get(name, 0.0) for name in ("method", "check")}
        ratio = cheaper(native, one)
        rows.append(
            [
                one.label,
                *(number(float(np.nanmean(years)), 3)
                  for years in (made.years, made.check_years, made.fallback_years)),
                *(duration(spent[name] / sites) for name in spent),
                number(ratio, 3) if np.isfinite(ratio) else "-",
                duration(one.lesson.cpu_s) if one.lesson is not None else "-",
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
        "fallback, those of the method included. What was learned from is paid once, and not "
        "part of it.",
        numeric=range(1, 8),
    )
    picture = Picture(
        plot(
            plots.cost_plot(
                {one.label: cpu_of(one) / sites for one in found.contenders},
                {one.label: median_abs(one.made.nee_checked) for one in found.contenders},
                "median |NEE| before fallback\n(gC m⁻² yr⁻¹)",
            ),
            "cost",
            alt="CPU time of a site and its NEE by method",
        ),
        "Cost with check and fallback, and how quiet sites are before any fallback.",
    )
    return Section("What does it cost?", [table, picture])


def _residual(found: Compared) -> Section:
    years = {one.label: residual_years(one.made) for one in found.contenders}
    if not found.fallback:
        return Section(
            "How many years are missing?", [Text("There was no fallback that would tell.")]
        )
    picture = Picture(
        plot(
            plots.residual_plot(years, found.fallback_years),
            "residual",
            alt="Share of sites at equilibrium by further years of native run",
        ),
        "Residual spin-up: years of native run from a method's state until a site passes the "
        "check. At 0 years: sites that passed at once.",
    )
    return Section("How many years are missing?", [picture])


def _lessons(found: Compared) -> list[Section]:
    learned = [one for one in found.contenders if one.lesson is not None]
    if not learned:
        return []
    blocks: list[Block] = []
    for one in learned[:1]:
        assert one.lesson is not None
        blocks.append(Text(one.lesson.words))
        blocks.append(Facts(one.lesson.facts))
    others = [one.label for one in learned[1:]]
    if others:
        blocks.append(Text(f"{', '.join(others)} learned from the same kind of sample."))
    return [Section(f"How was {learned[0].label} trained, and on what?", blocks)]


# ------------------------------------------------------------------ parts


def _names(found: Compared) -> str:
    labels = [one.label for one in found.contenders]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
