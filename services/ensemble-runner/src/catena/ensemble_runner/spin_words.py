"""Words about spin-ups: methods by name, reasons of a check, what was learned from, a glossary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from catena.ensemble_runner.spin_queries import SpinUpMethod
from catena.ensemble_runner.spin_result import SpunUpSites

GLOSSARY = (
    ("spin-up", "From bare ground to the equilibrium of a model's carbon under a climate that "
     "repeats itself."),
    ("accelerated decomposition (AD)", "Slow pools turn over faster and are multiplied when it is "
     "left; ELM's own way to shorten a spin-up."),
    ("NEE", "Net ecosystem exchange of carbon, positive into the air. At equilibrium its mean over "
     "a whole cycle of the forcing is zero; single years swing by far more."),
    ("drift", "Change of the ecosystem's carbon from one cycle of the forcing to the next."),
    ("native", "The model itself: accelerated decomposition, then the true rates."),
    ("emulator", "ORBIT, fine-tuned for spin-ups: from climate, soil, parameters (and the pools "
     "after a few years) to the pools at equilibrium."),
    ("SASU", "The steady state of the decomposition as a linear system, solved at once."),
    ("Anderson", "Acceleration of a sequence: the next guess from the last few cycles."),
    ("analogue", "The equilibrium of the most similar site that was spun up natively."),
    ("trees", "Gradient-boosted trees, one set for each pool."),
    ("check and fallback", "Each site is run natively for some cycles; where NEE or drift are too "
     "large, or the site is unlike all that was learned, it is spun up natively from there."),
    ("unfamiliar", "Distance from what was learned; 1 is the edge of it."),
    ("verification", "Pools beside those of a long native spin-up, on blocks of space left out."),
    ("validation", "A free run from the states: do NEE and carbon stay?"),
)  # fmt: skip

_NAMES = {
    "native": "native", "emulator": "emulator", "sasu": "SASU", "anderson": "Anderson",
    "analogue": "analogue", "trees": "trees",
}  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """What a method learned from.

    Parameters
    ----------
    words : str
        In a sentence.
    facts : sequence of (str, str)
    cpu_s : float
        Of the native sample and of the training together.
    """

    words: str
    facts: Sequence[tuple[str, str]]
    cpu_s: float


def labels_of(methods: Sequence[SpinUpMethod]) -> list[str]:
    """Short names of methods, with their years where a kind is there more than once."""
    kinds = Counter(method.kind for method in methods)
    found: list[str] = []
    for method in methods:
        label = _NAMES[method.kind]
        if kinds[method.kind] > 1:
            years = [
                f"{value} {words}"
                for value, words in ((method.ad_years, "AD"), (method.final_years, "final"))
                if value is not None
            ]
            label = f"{label} ({', '.join(years) or 'usual years'})"
        while label in found:
            label += "'"
        found.append(label)
    return found


def native_label(method: SpinUpMethod, ad_years: int, final_years: int) -> str:
    """A native spin-up with its years."""
    ad = ad_years if method.ad_years is None else method.ad_years
    final = final_years if method.final_years is None else method.final_years
    return f"native, {ad} AD + {final} years"


def reason_of(made: SpunUpSites, site: int) -> str:
    """What the check said of a site."""
    return made.why.get(site, "")


def reasons(made: SpunUpSites) -> list[tuple[str, int]]:
    """What the check said and of how many sites, the most frequent first."""
    counts: Counter[str] = Counter()
    for site, passed in enumerate(made.passed_first.tolist()):
        if not passed:
            counts[_kind(made.why.get(site, "not told"))] += 1
    return counts.most_common()


def _kind(text: str) -> str:
    """The first thing that was said, without its numbers."""
    first = text.split(";")[0].split(",")[0].strip()
    words = [word for word in first.split() if not any(c.isdigit() for c in word)]
    return " ".join(words) or first
