"""What the figures of a submission mean: what a reader must not miss, and whether it got better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from catena.coupler.callmip.protocol import CALIBRATION_SITES, VALIDATION_SITES
from catena.ensemble_runner.submission_result import Submitted
from catena.ensemble_runner.submission_scores import (
    CALIBRATION,
    MONTHLY,
    VALIDATION,
    MonthlyScore,
    coverage90,
    shrunk,
)
from catena.shared.report import Finding, number

NAMES = {"nee": "NEE", "hfls": "LE", "hfss": "H"}
PERIODS = {CALIBRATION: "calibration years", VALIDATION: "held-back years"}
COVERED = (0.85, 0.95)
"""Part of what was held back that 90 % intervals may cover."""
FEW_FAILED = 0.05
"""Part of the posterior's runs that may fail: leaving out more would bend its mean and spread."""


def notices(found: Submitted) -> list[str]:
    """What a reader must not miss."""
    made = []
    if found.synthetic:
        made.append(
            "An observation is synthetic: it was made from a run of the model plus noise, nobody "
            "measured it. Where the ensemble holds that run, as in the flow callmip, figures "
            "flatter."
        )
    if found.generated_weather:
        made.append("The weather is generated. Nothing here says anything about a real site.")
    if found.source.startswith("embedded"):
        made.append(
            "The runs are those of catena's embedded land model, a small one with ELM's names and "
            "stages; ELM itself was not run."
        )
    own = {site.site for site in found.sites}
    have, seen = len(own & CALIBRATION_SITES), len(own & VALIDATION_SITES)
    if have < len(CALIBRATION_SITES) or seen < len(VALIDATION_SITES):
        made.append(
            f"These are files for {have} of the protocol's {len(CALIBRATION_SITES)} calibration "
            f"sites and {seen} of its {len(VALIDATION_SITES)} validation sites; a whole submission "
            "has all of them."
        )
    return [*made, *found.notes]


def verdict(found: Submitted) -> Finding:
    """Did it get better, everywhere, and can that be believed?"""
    failures = sum(failed for _, _, failed in found.files)
    if failures:
        return Finding("failed", "Not ready", f"{failures} rules of the checklist are broken.")
    judged = dict(_reductions(found))
    worse = [what for what, value in judged.items() if value <= 0]
    unknown = [what for what, value in judged.items() if np.isnan(value)]
    said = []
    if worse:
        said.append(f"The RMSE did not shrink for {', '.join(worse)}.")
    if unknown:
        said.append(f"Too few observations to judge {', '.join(unknown)}.")
    limits = [each for each in trust(found) if each.status != "passed"]
    said += [f"{each.title}." for each in limits]
    if not said:
        return Finding(
            "passed", "Better everywhere", "Every flux that was measured is closer to it, also in "
            "the years and at the sites that the calibration has not seen; chains have converged, "
            "the spread covers what it should, the checklist passes.",
        )  # fmt: skip
    if len(worse) + len(unknown) == len(judged):
        title = "Not better"
    elif worse or unknown:
        title = "Better, but not everywhere"
    else:
        title = "Better everywhere, to be used with care"
    return Finding("doubtful", title, " ".join(said))


def trust(found: Submitted) -> list[Finding]:
    """Findings about the chains that the draws are of, their runs, and the spread."""
    made = [_chains(found)]
    for site in found.sites:
        ok, asked = site.draws
        if asked - ok > FEW_FAILED * asked:
            title = f"{asked - ok} of {asked} runs of the posterior failed at {site.site}"
            made.append(Finding("doubtful", title, "The file called Posterior is without them."))
    for steps, words in (("day", "days"), ("month", "months")):
        value = coverage90(found.coverages, steps, VALIDATION)
        if np.isnan(value):
            title = f"No held-back {words} were observed"
            made.append(Finding("unknown", title, "The spread cannot be judged there."))
            continue
        good = COVERED[0] <= value <= COVERED[1]
        made.append(Finding(
            "passed" if good else "doubtful",
            f"{100 * value:.0f} % of the held-back {words} are covered",
            f"Wanted are 90 %; {100 * COVERED[0]:.0f} to {100 * COVERED[1]:.0f} % pass.",
        ))  # fmt: skip
    return made


def _chains(found: Submitted) -> Finding:
    chains = found.chains
    if chains is None:
        return Finding(
            "unknown", "Nobody has looked whether chains converged", "The draws are of no chains."
        )
    figures = (
        f"Largest R-hat {chains.rhat:.3f} ({chains.parameter}), fewest effective draws "
        f"{chains.effective:.0f} of {chains.draws}."
    )
    if not chains.remarks:
        return Finding("passed", "The Markov chains have converged", figures)
    said = " ".join(f"{remark[:1].upper()}{remark[1:]}." for remark in chains.remarks)
    return Finding("doubtful", "The Markov chains have not converged", f"{figures} {said}")


def _reductions(found: Submitted) -> Iterator[tuple[str, float]]:
    """How much the RMSE shrank, by days of each tower, and by months where nothing was fitted."""
    for each in found.changes:
        place = f"{NAMES[each.before.flux]} at {each.site} in the {PERIODS[each.before.period]}"
        yield place, each.reduction
    for before, after in pairs(found.monthly):
        if before.site not in found.calibrated:
            yield f"monthly {MONTHLY[before.flux][0]} at {before.site}", shrunk(before, after)


def pairs(found: Sequence[MonthlyScore]) -> list[tuple[MonthlyScore, MonthlyScore]]:
    """Before and after, of each site and flux."""
    made = []
    for _, some in groupby(found, key=lambda each: (each.site, each.flux)):
        by = {each.stage: each for each in some}
        made.append((by["before"], by["after"]))
    return made


def counted(ok: int, asked: int) -> str:
    """How many runs ended well."""
    return number(ok, 6) if ok == asked else f"{ok} good of {asked} asked"
