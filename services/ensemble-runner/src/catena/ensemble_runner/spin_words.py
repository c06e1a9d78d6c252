"""Words about spin-ups: methods by name, reasons of a check, what was learned from, a glossary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from catena.coupler.spin_up.check import CheckPlan
from catena.coupler.spin_up.embedded_case import LOST
from catena.ensemble_runner.spin_queries import SpinUpMethod
from catena.ensemble_runner.spin_result import WANTED_WITHIN, SpunUpSites
from catena.shared.report import Status

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
    ("analogue", "The equilibrium of the most similar site that was spun up natively; with first "
     "years, these years' pools times the factor by which that site's still grew."),
    ("trees", "Extremely randomised trees; pools that stand at the same sites share them."),
    ("check and fallback", "Each site is run natively for some cycles; where NEE or drift are too "
     "large, or the site is unlike all that was learned, it is spun up natively from there."),
    ("polishing", "Part of the check: the slow pools of a site that is not quiet are put to the "
     "steady state of the cycle just run, as SASU does, and it is judged again."),
    ("unfamiliar", "Distance from what was learned; 1 is the edge of it."),
    ("verification", "Pools beside those of a long native spin-up, on blocks of space left out."),
    ("validation", "A free run from the states: do NEE and carbon stay?"),
)  # fmt: skip

DOUBTFUL_WITHIN = 0.9
"""Share of the sites at equilibrium from which a result is doubtful, not failed."""

_NAMES = {
    "native": "native", "emulator": "emulator", "sasu": "SASU", "anderson": "Anderson",
    "analogue": "analogue", "trees": "trees",
}  # fmt: skip
_SAID = {
    "native": "the native spin-up", "emulator": "the emulator", "analogue": "the nearest analogue",
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
    ad_years : int
        Of accelerated decomposition, that the method reads.
    sample : str
        URI of the native sample.
    """

    words: str
    facts: Sequence[tuple[str, str]]
    cpu_s: float
    ad_years: int
    sample: str


def labels_of(methods: Sequence[SpinUpMethod], lessons: Sequence[Lesson | None]) -> list[str]:
    """Short names of methods, with their years where a kind is there more than once.

    Parameters
    ----------
    methods : sequence of SpinUpMethod
    lessons : sequence of Lesson or None
        What each of them learned from.
    """
    kinds = Counter(method.kind for method in methods)
    found: list[str] = []
    for method, lesson in zip(methods, lessons, strict=True):
        label = _NAMES[method.kind]
        if kinds[method.kind] > 1:
            ad_years = method.ad_years if lesson is None else lesson.ad_years
            years = [
                f"{value} {words}"
                for value, words in ((ad_years, "AD"), (method.final_years, "final"))
                if value is not None
            ]
            label = f"{label} ({', '.join(years) or 'usual years'})"
        alike = sum(one == label or one.startswith(f"{label}, no. ") for one in found)
        found.append(f"{label}, no. {alike + 1}" if alike else label)
    return found


def status_of(share: float) -> Status:
    """How a share of sites at equilibrium is to be taken."""
    if share >= WANTED_WITHIN:
        return "passed"
    return "doubtful" if share >= DOUBTFUL_WITHIN else "failed"


def check_words(check: CheckPlan, cycle_years: int) -> list[tuple[str, str]]:
    """What the check asks of a site, and what is done before and after it judges."""
    limits, cycles = check.criterion, check.settle_cycles
    polished = f"polished up to {check.polish} times" if check.polish else "not polished"
    fallback = "none"
    if check.tries:
        fallback = f"up to {check.tries * check.chunk_cycles * cycle_years:,} years"
        if check.tries > check.patience:
            fallback += f"; after {check.patience} of {check.tries} tries anew from bare ground"
    return [
        ("A site passes", f"mean NEE below {limits.nee:g}, change of each carbon pool below "
         f"{limits.drift:g} gC m⁻² yr⁻¹, at most {limits.unfamiliar:g} from what was learned"),
        ("Before it is judged", f"{cycles} cycle{'' if cycles == 1 else 's'} to settle, then "
         f"{polished}"),
        ("Fallback", fallback),
    ]  # fmt: skip


def in_a_sentence(label: str) -> str:
    """A method's label among other words: ``the emulator (20 AD)``."""
    name, space, years = label.partition(" ")
    return f"{_SAID.get(name, name)}{space}{years}"


def native_label(method: SpinUpMethod, ad_years: int, final_years: int) -> str:
    """A native spin-up with its years."""
    ad = ad_years if method.ad_years is None else method.ad_years
    final = final_years if method.final_years is None else method.final_years
    return f"native, {ad} AD + {final} years"


def reasons_of(made: SpunUpSites, site: int) -> list[str]:
    """What the check said of a site, without its numbers."""
    said = made.why.get(site, "not told").replace(LOST, "the run failed")
    return list(dict.fromkeys(_reason(one) for one in said.split("; ")))


def reasons(made: SpunUpSites) -> list[tuple[str, int]]:
    """What the check said, and of how many sites that did not pass; the most frequent first."""
    counts: Counter[str] = Counter()
    for site, passed in enumerate(made.passed_first.tolist()):
        if not passed:
            counts.update(reasons_of(made, site))
    return counts.most_common()


def _reason(said: str) -> str:
    """One thing that the check said, so that sites can be counted by it.

    A plant's pool counts for all plants: ``leafc drifts``.
    """
    if said.startswith("NEE "):
        return "NEE is too large"
    if drifts := re.fullmatch(r"(\w+)(\..*)? drifts by .*", said):
        return f"{drifts[1]} drifts"
    if impossible := re.fullmatch(r"(\w+)(\..*)? is (nan|inf|-\S+)", said):
        return f"{impossible[1]} is no possible amount"
    if said == "unlike what was learned (inf)":
        return "plants that were not learned, or a prediction that cannot be"
    if said.startswith("unlike what was learned"):
        return "unlike what was learned"
    if failed := re.fullmatch(r".* stopped [^:]*: ([^:]*).*", said):
        return f"the run failed: {failed[1]}"
    return said
