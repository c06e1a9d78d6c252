"""One submission and the calibration behind it, as numbers for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catena.ensemble_runner.submission_scores import Change, Coverage, MonthlyScore, SiteRuns


@dataclass(frozen=True)
class Parameter:
    """A parameter before (its range) and after (5, 50 and 95 % of the draws)."""

    name: str
    units: str
    long_name: str
    default: float
    low: float
    high: float
    after: tuple[float, float, float]


@dataclass(frozen=True)
class Chains:
    """How well the Markov chains have mixed that the draws are of.

    Parameters
    ----------
    rhat : float
        The largest of all parameters'; infinite for a parameter that stood still.
    parameter : str
        Which one that is of.
    effective : float
        The smallest effective number of draws, bulk or tail, of all parameters'.
    draws : int
    remarks : tuple of str
        What is wrong with them, as the calibrator says it; empty if nothing is.
    """

    rhat: float
    parameter: str
    effective: float
    draws: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SiteResult:
    """What was written for one site.

    Parameters
    ----------
    site : str
    runs : SiteRuns or None
        None without a tower.
    monthly : tuple of MonthlyScore
    files : tuple of (str, int, int)
        Name, rules that it passed, rules that it broke.
    draws : (int, int)
        Runs of the posterior that ended well, and that were asked for.
    weather : sequence of (str, str, str)
        What was found in the forcing, what was made of it, and why.
    notes : tuple of str
        What was mended in observations, and what else is not as the protocol has it.
    synthetic : bool
        Whether the tower was made from a run.
    """

    site: str
    runs: SiteRuns | None
    monthly: tuple[MonthlyScore, ...]
    files: tuple[tuple[str, int, int], ...]
    draws: tuple[int, int]
    weather: Sequence[tuple[str, str, str]]
    notes: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True, eq=False)
class Submitted:
    """All that the page tells.

    Parameters
    ----------
    title, model, source : str
        `source` is the land model with its version.
    sites : sequence of SiteResult
    changes, coverages : sequences
        Of the sites with a tower.
    parameters : sequence of Parameter
    chains : Chains or None
        None where the draws are of no chains.
    members : (int, int)
        Members of the ensemble that ended well at all sites, and that were asked for.
    costs : sequence of (str, float)
        Step and its wall-clock seconds.
    synthetic, generated_weather : bool
    statistics, held_back_years : int
        How many numbers were calibrated on, and how many years were kept from it.
    """

    title: str
    model: str
    source: str
    sites: Sequence[SiteResult]
    changes: Sequence[Change]
    coverages: Sequence[Coverage]
    parameters: Sequence[Parameter]
    chains: Chains | None
    members: tuple[int, int]
    costs: Sequence[tuple[str, float]]
    synthetic: bool
    generated_weather: bool
    statistics: int
    held_back_years: int

    @property
    def runs(self) -> list[SiteRuns]:
        """Of the sites with a tower."""
        return [site.runs for site in self.sites if site.runs is not None]

    @property
    def calibrated(self) -> list[str]:
        """Sites with a tower."""
        return [site.site for site in self.sites if site.runs is not None]

    @property
    def monthly(self) -> list[MonthlyScore]:
        """Months of all sites."""
        return [score for site in self.sites for score in site.monthly]

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """Of all sites: name, rules passed, rules broken."""
        return [file for site in self.sites for file in site.files]

    @property
    def notes(self) -> list[str]:
        """Of all sites, each once."""
        return list(dict.fromkeys(note for site in self.sites for note in site.notes))
