"""What the checks mean: numbers in, sentences out.

Limits are what chance allows for the number of pairs at hand, but never tighter than what matters:
with many thousand pairs even harmless deviations become visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from catena.calibrator.predictive import Skill
from catena.shared.report import Finding, Status, number

KS_MATTERS = 0.03
COVERAGE_MATTERS = 0.03
DOUBT = 1.6
"""A figure up to so many times its limit is doubtful, beyond it the check has failed."""

HARMLESS_MISFIT = 0.3
"""Error of the surrogate, in standard deviations of the observation's, that changes no posterior
to speak of."""
FEW_FAILED = 0.05
"""Part of the posterior's runs that may fail: leaving out more would bend what is predicted."""
FEW_EFFECTIVE = 200
SAME_C2ST = 0.60
NOT_SAME_C2ST = 0.70


def ks_limit(pairs: int, tests: int = 1) -> float:
    """Kolmogorov-Smirnov distance that chance keeps under in 95 % of cases, for all tests at once.

    Asymptotic law with Bonferroni's correction: ``sqrt(-ln(0.05 / (2 tests)) / (2 pairs))``.
    """
    return max(KS_MATTERS, float(np.sqrt(-np.log(0.05 / (2 * tests)) / (2 * pairs))))


def coverage_limit(pairs: int) -> float:
    """How far the share of covered truths may lie from 0.9 (99 % of cases for one parameter)."""
    return max(COVERAGE_MATTERS, float(2.576 * np.sqrt(0.09 / pairs)))


def grade(value: float, limit: float) -> Status:
    """Passed up to the limit, doubtful a little beyond it, failed beyond that."""
    if not np.isfinite(value):
        return "failed"
    return "passed" if value <= limit else "doubtful" if value <= DOUBT * limit else "failed"


def check_findings(figures: dict[str, Any], names: Sequence[str]) -> list[Finding]:
    """Findings about the posterior as a whole, from the figures of ``assessment.assess``."""
    simulated, held = figures["simulated"], figures["held_out"]
    found = [
        _ranks(simulated, names, "simulated pairs", "ask for a larger bank or more labels"),
        _tarp(simulated, "simulated pairs", "ask for a larger bank or more labels"),
    ]
    if held is None:
        found.append(
            Finding(
                "unknown",
                "Runs that nobody has trained on",
                "No runs were held out, so nothing tests the surrogate against the model itself.",
                "Import the ensemble again with held_out_runs of about a tenth.",
            )
        )
    else:
        more = "The surrogate's error is not what it says; add runs to the ensemble"
        found += [
            _surrogate(held),
            _ranks(held, names, "held-out model runs", more),
            _tarp(held, "held-out model runs", more),
            _coverage(held, more),
        ]
    found += [_bounds(figures), _flags(figures["out_of_range"])]
    return found


def _ranks(part: dict[str, Any], names: Sequence[str], what: str, todo: str) -> Finding:
    worst = int(np.argmax(part["ks"]))
    value, limit = part["ks"][worst], ks_limit(part["pairs"], len(names))
    status = grade(value, limit)
    return Finding(
        status,
        f"Ranks of the truth, {what}",
        f"Largest deviation from uniform over {len(names)} parameters: {number(value, 2)} "
        f"({names[worst]}), limit {number(limit, 2)} with {part['pairs']} pairs.",
        "" if status == "passed" else f"{todo}.",
    )


def _tarp(part: dict[str, Any], what: str, todo: str) -> Finding:
    limit = ks_limit(part["pairs"])
    status = grade(part["tarp"], limit)
    return Finding(
        status,
        f"Joint coverage (TARP), {what}",
        f"Largest distance from the diagonal: {number(part['tarp'], 2)}, limit {number(limit, 2)}.",
        "" if status == "passed" else f"{todo}.",
    )


def _coverage(held: dict[str, Any], todo: str) -> Finding:
    mean = float(np.mean(held["coverage90"]))
    limit = coverage_limit(held["pairs"])
    status = grade(abs(mean - 0.9), limit)
    direction = "too narrow" if mean < 0.9 else "too wide"
    return Finding(
        status,
        "90 % intervals on held-out model runs",
        f"They hold the truth in {100 * mean:.0f} % of cases (mean over parameters; 90 % ± "
        f"{100 * limit:.0f} % wanted).",
        "" if status == "passed" else f"Intervals are {direction}. {todo}.",
    )


def _surrogate(held: dict[str, Any]) -> Finding:
    lowest = min(r2 for r2 in held["surrogate_r2"] if r2 is not None)
    inside = float(held["surrogate_coverage90"])
    limit = max(0.08, coverage_limit(held["pairs"]))
    status: Status = "passed"
    if lowest < 0.8 or abs(inside - 0.9) > limit:
        status = "doubtful"
    if lowest < 0.5 or inside < 0.75:
        status = "failed"
    too_wide = lowest >= 0.8 and inside > 0.9
    todo = (
        "Its own error is too large, so posteriors come out wider than the data allow."
        if too_wide
        else "Add runs to the ensemble, or let the search tune it."
    )
    return Finding(
        status,
        "Surrogate on held-out model runs",
        f"It explains at least {100 * lowest:.1f} % of the variance of each output that varies, "
        f"and its own 90 % intervals hold {100 * inside:.0f} % of the runs.",
        "" if status == "passed" else todo,
    )


def _bounds(figures: dict[str, Any]) -> Finding:
    parts = [part for part in (figures["simulated"], figures["held_out"]) if part]
    outside = sum(part["outside_prior"] for part in parts)
    draws = sum(part["pairs"] for part in parts) * figures["draws"]
    return Finding(
        "passed" if outside == 0 else "failed",
        "Draws inside the prior",
        f"{outside} of {draws:,} draws lie outside the prior ranges.".replace(",", " "),
        "" if outside == 0 else "This is a defect of catena; please report it.",
    )


def _flags(rates: dict[str, Any]) -> Finding:
    status: Status = "passed"
    if rates["flagged"] < 0.95 or rates["false_alarms"] > 0.06:
        status = "doubtful"
    if rates["flagged"] < 0.8 or rates["false_alarms"] > 0.15:
        status = "failed"
    return Finding(
        status,
        "Warnings about impossible observations",
        f"{100 * rates['flagged']:.0f} % of {rates['tried']} impossible observations (one output 5 "
        "errors, its own and the surrogate's together, beyond all runs) were flagged, "
        f"and {100 * rates['false_alarms']:.1f} % of possible ones by mistake.",
        "" if status == "passed" else "Judge by the posterior predictive plot, not by the flag.",
    )


def observation_findings(seen: dict[str, Any], names: Sequence[str]) -> list[Finding]:
    """Findings about this observation: range, fit, effective draws, extrapolation.

    Parameters
    ----------
    seen : dict
        ``out_of_range``, ``distance_sd``, ``z`` (None where masked), ``effective_size``, ``draws``,
        ``extrapolates`` (share of draws), ``method_used``.
    names : sequence of str
        Names of the outputs.
    """
    found = [
        Finding(
            "failed" if seen["out_of_range"] else "passed",
            "The model can give this observation",
            f"It lies {number(seen['distance_sd'], 2)} standard deviations from the nearest that "
            "the model gives within the prior.",
            "The draws are only the least bad ones. Check units and years of the observation, "
            "widen the prior, or doubt the model."
            if seen["out_of_range"]
            else "",
        )
    ]
    z = np.array([np.nan if value is None else value for value in seen["z"]])
    worst = int(np.nanargmax(np.abs(z)))
    status = grade(abs(float(z[worst])), 2.5)
    found.append(
        Finding(
            status,
            "The posterior predicts the observation",
            f"Largest misfit: {number(abs(float(z[worst])), 2)} standard deviations "
            f"({names[worst]}).",
            "" if status == "passed" else "No parameters in the prior fit all outputs at once.",
        )
    )
    effective = seen["effective_size"]
    weighted = seen["method_used"] not in ("generator", "faithful")
    if weighted:
        low = effective < FEW_EFFECTIVE
        found.append(
            Finding(
                "doubtful" if low else "passed",
                "Effective draws behind the posterior",
                f"{effective:,.0f} independent draws carry the weight.".replace(",", " "),
                "Few: use method generator_reweighted, a larger bank, or Markov chains."
                if low
                else "",
            )
        )
    share = seen["extrapolates"]
    found.append(
        Finding(
            "passed" if share < 0.05 else "doubtful" if share < 0.3 else "failed",
            "The surrogate knows this region",
            f"{100 * share:.0f} % of the draws lie farther from any run than runs lie from one "
            "another.",
            "" if share < 0.05 else "Add runs near the posterior and train again.",
        )
    )
    return found


def model_findings(
    skills: Sequence[Skill], surrogate: dict[str, float], *, runs: int, failed: int
) -> list[Finding]:
    """Findings about runs of the model itself with draws of the posterior.

    Parameters
    ----------
    skills : sequence of Skill
        Before and after, where it was used and where it was not.
    surrogate : dict
        Of :func:`catena.calibrator.predictive.surrogate_at`.
    runs, failed : int
        Runs that ended well, and that did not.
    """
    off, inside = surrogate["misfit_sd"], surrogate["coverage90"]
    status = grade(off, HARMLESS_MISFIT)
    if inside >= 0.75:
        status = "passed"
    found = [
        Finding(
            status,
            "The surrogate is right where the posterior lies",
            f"At draws of the posterior it is off by {number(off, 2)} of the observation's error "
            f"(root mean square), and {100 * inside:.0f} % of the model's runs lie inside its own "
            "90 % intervals.",
            "" if status == "passed" else "Add runs near the posterior and train again.",
        )
    ]
    if failed:
        few = failed <= FEW_FAILED * (runs + failed)
        found.append(
            Finding(
                "passed" if few else "doubtful",
                "The model can run what the posterior holds possible",
                f"{failed} of {runs + failed} runs with draws of the posterior failed and are left "
                "out of what is predicted.",
                ""
                if few
                else "See in the runs why they failed; narrow the prior or mend the model.",
            )
        )
    pairs = [
        (before, after)
        for before in skills
        for after in skills
        if not before.after and after.after and not before.used and not after.used
        and before.variable == after.variable
    ]  # fmt: skip
    if not pairs:
        return found
    said = [
        f"{after.variable}: root mean square error {100 * (after.rmse / before.rmse - 1):+.0f} % "
        f"against the prior, {100 * after.coverage90:.0f} % of {after.count} values inside 90 %"
        for before, after in pairs
    ]
    worse = sum(after.rmse > 1.02 * before.rmse for before, after in pairs)
    narrow = min(after.coverage90 for _, after in pairs)
    status = "passed"
    if worse or narrow < 0.75:
        status = "doubtful"
    if worse == len(pairs) or narrow < 0.5:
        status = "failed"
    found.append(
        Finding(
            status,
            "The calibrated model predicts what was not used",
            f"{'; '.join(said)}.",
            ""
            if status == "passed"
            else "The error model leaves out part of what the model gets wrong: enlarge it, or "
            "doubt the model.",
        )
    )
    return found


def chain_findings(remarks: Sequence[str], c2st: float) -> list[Finding]:
    """Findings about the Markov chains and how far the posterior agrees with them."""
    found = [
        Finding(
            "passed" if not remarks else "doubtful",
            "Markov chains have converged",
            "R-hat and effective sizes are as they should be."
            if not remarks
            else " ".join(f"{remark[:1].upper()}{remark[1:]}." for remark in remarks),
        )
    ]
    status: Status = (
        "passed" if c2st <= SAME_C2ST else "doubtful" if c2st <= NOT_SAME_C2ST else "failed"
    )
    found.append(
        Finding(
            status,
            "Posterior and Markov chains agree",
            f"A classifier tells their draws apart in {100 * c2st:.0f} % of cases (50 % is "
            f"guessing, up to {100 * SAME_C2ST:.0f} % is taken as agreement).",
            "" if status == "passed" else "Trust the chains if they have converged.",
        )
    )
    return found


def overall(findings: Sequence[Finding], *, checked: bool) -> Finding:
    """The answer: can this posterior be believed?"""
    failed = [finding.title for finding in findings if finding.status == "failed"]
    doubtful = [finding.title for finding in findings if finding.status == "doubtful"]
    passed = sum(finding.status == "passed" for finding in findings)
    if failed:
        return Finding(
            "failed",
            "This posterior should not be used as it is.",
            f"What failed: {'; '.join(failed)}.",
            "What to do stands beside each check below.",
        )
    if not checked:
        return Finding(
            "unknown",
            "Nobody has checked this posterior.",
            f"{passed} findings about this observation are in order, but CheckCalibration was not "
            "run.",
            "Run it before you rely on the posterior.",
        )
    if doubtful:
        return Finding(
            "doubtful",
            "This posterior can be used with care.",
            f"{passed} checks passed; to be looked at: {'; '.join(doubtful)}.",
            "What to do stands beside each check below.",
        )
    return Finding("passed", "This posterior can be believed.", f"All {passed} checks passed.", "")
