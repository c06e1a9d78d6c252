"""A sensitivity in plain words, drawn from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catena.explainer.parameters.groups import OutputGroup, pooled

if TYPE_CHECKING:
    from catena.explainer.parameters.explanation import ParameterExplanation

Array = NDArray[np.float64]

TRUSTED, DOUBTFUL = 0.9, 0.7
"""R2 of cross-validation from which indices speak of the model, and under which they do not."""
NOTHING = 0.02
"""A parameter with a smaller share of an output's variance does nothing to it."""

MOST_TOLD = 4
"""Outputs or groups that the paragraph speaks of, and drivers of each."""
MOST_NAMED = 6
ALONE = 0.05
"""Share of interactions under which parameters are said to act each by itself."""

SHARE_OF = {
    "sobol": "in shares of the variance; what two make together counts for both",
    "shap": "in shares of the size of all contributions",
    "pawn": "as distances between distributions, 100 % at most",
}
CHANGE = 0.2
"""A share that differs by more between outputs of a group is told."""


def words_of(found: ParameterExplanation) -> str:
    """One paragraph: drivers, interactions, what does nothing, trust, agreement."""
    parts = [
        _scope(found),
        *_drivers(found),
        _interactions(found),
        _nothing(found),
        _trust(found),
        _agree(found),
    ]
    return " ".join(part for part in parts if part)


def _scope(found: ParameterExplanation) -> str:
    d, k = len(found.model.parameters), len(found.model.outputs)
    return (
        f"{_count(d, 'parameter')} over the whole of {_its(d)} range{_s(d)}, {_count(k, 'output')}."
    )


def _drivers(found: ParameterExplanation) -> list[str]:
    """A sentence for each group of outputs, those that vary."""
    method, shares = found.shares()
    names = found.model.parameters.names
    sentences: list[str] = []
    told = [group for group in found.groups if not found.still[list(group.members)].all()]
    for group in told[:MOST_TOLD]:
        index = _of_group(found, method, shares, group)
        order = [int(i) for i in np.argsort(-index, kind="stable") if index[i] >= 0.05][:MOST_TOLD]
        what = group.name if len(group) == 1 else f"{group.name} ({len(group)} outputs)"
        if not order:
            sentences.append(f"No parameter stands out for {what}.")
            continue
        said = _listed([f"{names[i]} ({_percent(index[i])})" for i in order])
        scale = f", {SHARE_OF[method]}" if not sentences else ""
        sentences.append(f"{what} is driven by {said}{scale}.{_change(found, group)}")
    if len(told) > MOST_TOLD:
        sentences.append(f"{len(told) - MOST_TOLD} more groups of outputs are in the table.")
    return sentences


def _of_group(found: ParameterExplanation, method: str, shares: Array, group: OutputGroup) -> Array:
    if method == "sobol" and found.sobol is not None:
        return pooled(found.sobol.total, found.sobol.variance, group)
    places = [p for p, output in enumerate(found.detailed) if int(output) in group.members]
    columns = shares[:, places]
    there = columns[:, ~np.isnan(columns[0])]
    return np.asarray(there.mean(1)) if there.size else np.full(len(shares), np.nan)


def _change(found: ParameterExplanation, group: OutputGroup) -> str:
    """The parameter whose total index differs most between the outputs of a group."""
    if found.sobol is None:
        return ""
    members = np.array([k for k in group.members if not found.still[k]])
    total = found.sobol.total[:, members]
    i = int(np.argmax(np.ptp(total, axis=1)))
    low, high = int(np.argmin(total[i])), int(np.argmax(total[i]))
    if total[i, high] - total[i, low] < CHANGE:
        return ""
    names = found.model.outputs.names
    return (
        f" {found.model.parameters.names[i]} counts most for {names[members[high]]} "
        f"({_percent(total[i, high])}) and least for {names[members[low]]} "
        f"({_percent(total[i, low])})."
    )


def _interactions(found: ParameterExplanation) -> str:
    sobol = found.sobol
    if sobol is None or len(found.model.parameters) < 2:
        return ""
    alive = ~sobol.still
    mixed = np.clip(1.0 - sobol.first[:, alive].sum(0), 0.0, 1.0)
    weight = mixed.mean()
    if weight < ALONE:
        said = f"The parameters act each by itself: interactions make {_percent(weight)}"
    else:
        said = f"Interactions make {_percent(weight)}"
    said += " of an output's variance on average"
    pair = _largest_pair(found)
    return said + (f"; the strongest is {pair}." if pair else ".")


def _largest_pair(found: ParameterExplanation) -> str:
    """The strongest pair that is told from 0, in words."""
    if found.pairs is None or found.pairs_error is None:
        return ""
    sure = np.where(found.pairs > found.pairs_error, found.pairs, 0.0)  # NaN is not
    i, j, k = np.unravel_index(int(sure.argmax()), sure.shape)
    if sure[i, j, k] < 0.01:
        return ""
    names = found.model.parameters.names
    output = found.model.outputs.names[int(found.detailed[k])]
    return f"that of {names[int(i)]} with {names[int(j)]} for {output} ({_percent(sure[i, j, k])})"


def inert(found: ParameterExplanation) -> list[str]:
    """Parameters that no method finds to do anything to any output."""
    alive = ~found.still
    quiet = np.ones(len(found.model.parameters), dtype=bool)
    if found.sobol is not None:
        # an upper bound: what may still be something is not called nothing
        upper = found.sobol.total[:, alive] + found.sobol.total_error[:, alive]
        quiet &= (upper < NOTHING).all(1)
    detailed = alive[found.detailed]
    if found.pawn is not None and found.sobol is None:
        quiet &= ~found.pawn.matters[:, detailed].any(1)
    if found.shap is not None and found.sobol is None:
        size = found.shap.importance[:, detailed]
        quiet &= (size < NOTHING * size.sum(0)).all(1)
    return [found.model.parameters.names[int(i)] for i in np.flatnonzero(quiet)]


def _nothing(found: ParameterExplanation) -> str:
    names = inert(found)
    if not names:
        return ""
    return (
        f"{_listed(names[:MOST_NAMED], more=len(names) - MOST_NAMED)} "
        f"{'does' if len(names) == 1 else 'do'} next to nothing to any output here: these outputs "
        f"cannot calibrate {'it' if len(names) == 1 else 'them'}."
    )


def _trust(found: ParameterExplanation) -> str:
    r2 = found.model.r2[~found.still]
    low = float(r2.min())
    said = (
        f"On runs that it has not seen the surrogate has an R2 of {np.median(r2):.3f} (median over "
        f"outputs; the worst {low:.3f})"
    )
    if low >= TRUSTED:
        return (
            f"{said}, so these are shares of the model's own variance, of which it misses "
            f"{_percent(1.0 - low)} at worst."
        )
    if low >= DOUBTFUL:
        return f"{said}: shares are right in their order, less so in their size."
    return f"{said}: where it gives little, the shares are those of the surrogate, not the model's."


def _agree(found: ParameterExplanation) -> str:
    if found.agreement is None:
        return ""
    methods, matrix = found.agreement.methods, found.agreement.spearman
    names = {"sobol": "Sobol indices", "pawn": "PAWN", "shap": "Shapley values"}
    pairs = [
        (matrix[i, j], names[methods[i]], names[methods[j]])
        for i in range(len(methods))
        for j in range(i + 1, len(methods))
        if not np.isnan(matrix[i, j])
    ]
    if not pairs:
        return ""
    value, one, other = min(pairs)
    which = f"{one} and {other}"
    if len(pairs) > 1:
        which = f"the methods, least {which},"
    how = "rank the parameters alike" if value >= 0.8 else "rank the parameters differently"
    return f"{which[0].upper()}{which[1:]} {how} (rank correlation {value:.2f})."


def notes_of(found: ParameterExplanation) -> list[str]:
    """What a reader must not miss."""
    model, notes = found.model, []
    if model.about["generated"]:
        notes.append(
            "The runs are generated: a closed formula made them, not a land model. Nothing here "
            "says anything about a real site."
        )
    if model.about["model"].startswith("embedded"):
        notes.append(
            "The runs are those of catena's embedded land model, a small one with ELM's names and "
            "stages; ELM itself was not run."
        )
    if model.about["generated_weather"]:
        notes.append("The weather that drove the land model is generated.")
    varies = ~found.still
    names = np.array(model.outputs.names)
    bad = names[varies & (model.r2 < DOUBTFUL)]
    if bad.size:
        notes.append(
            f"Do not trust {_listed(list(bad[:MOST_NAMED]), more=len(bad) - MOST_NAMED)}: the "
            f"surrogate gives less than {_percent(DOUBTFUL)} of the variance there on runs that it "
            "has not seen. Train it on more runs first."
        )
    weak = names[varies & (model.r2 >= DOUBTFUL) & (model.r2 < TRUSTED)]
    if weak.size:
        notes.append(
            f"Take {_listed(list(weak[:MOST_NAMED]), more=len(weak) - MOST_NAMED)} with care: the "
            f"surrogate gives {_percent(DOUBTFUL)} to {_percent(TRUSTED)} of the variance there."
        )
    dead = names[found.still]
    if dead.size:
        notes.append(
            f"{_listed(list(dead[:MOST_NAMED]), more=len(dead) - MOST_NAMED)} "
            f"{'does' if len(dead) == 1 else 'do'} not vary with the parameters: there are no "
            "shares of nothing."
        )
    if found.sobol is not None and not found.sobol.converged:
        notes.append(
            f"Sobol indices are known to ± {found.sobol.error:.2g} only at worst after "
            f"{found.sobol.samples} samples, wanted ± {found.settings.tolerance:g}: ask for more "
            "samples."
        )
    return notes


def _percent(share: float) -> str:
    """A share for people."""
    return "under 1 %" if share < 0.01 else f"{100.0 * share:.0f} %"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{_s(n)}"


def _s(n: int) -> str:
    return "" if n == 1 else "s"


def _its(n: int) -> str:
    return "its" if n == 1 else "their"


def _listed(names: Sequence[str], more: int = 0) -> str:
    """``a, b and c``, or ``a, b and 3 more``."""
    names = [*names, f"{more} more"] if more > 0 else list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
