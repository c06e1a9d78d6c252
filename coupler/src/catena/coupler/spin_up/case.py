"""A land model bound to its forcing, parameters and land: what a spin-up works on.

A *site* is one soil column under one parameter set. All arrays are by site, so that a region, an
ensemble and a training set are the same thing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.layout import PoolLayout

Floats = NDArray[np.float64]
Sites = NDArray[np.int64]
S = TypeVar("S")
"""A model's own state of all sites: methods hand it on and never look into it."""


@dataclass(frozen=True)
class Cascade:
    """Slow pools as a linear system, ``dC/dt = u + A K C``, means of one cycle.

    The decomposing pools, and whatever else the case can add: dead wood, which falls into them.

    Parameters
    ----------
    matrix : float64 (site, pool, pool)
        A: -1 on the diagonal, [receiver, donor] the fraction of the donor's loss that arrives.
    losses : float64 (site, pool)
        K, d-1.
    litter : float64 (site, pool)
        u, gC m-2 d-1: what comes from outside the system.
    means : float64 (site, pool)
        Mean C of the cycle, in the units of the layout: ``dC/dt`` of it is what the cycle changed.
    pools : tuple of str
        Names in the case's layout, in the order of the system.
    """

    matrix: Floats
    losses: Floats
    litter: Floats
    means: Floats
    pools: tuple[str, ...]


@dataclass(frozen=True)
class Stretch(Generic[S]):
    """What a run of whole forcing cycles left.

    Parameters
    ----------
    state : S
        At its end.
    cycles : int
    nee : float64 (site, cycle)
        Mean of each cycle, gC m-2 yr-1, positive into the air.
    carbon : float64 (site, cycle)
        Mean TOTECOSYSC of each cycle, gC m-2.
    means : mapping of str to float64 (site,)
        Of the last cycle, by ELM's name: GPP, NPP, AR, HR (gC m-2 yr-1), TLAI, TOTSOMC, ...
    pools : float64 (site, pool)
        Of the state at the end, in the case's layout.
    cascade : Cascade, optional
        Of the last cycle; None where the model has no matrix.
    failed : mapping of int to str
        Sites whose run failed, and why; their numbers are NaN.
    """

    state: S
    cycles: int
    nee: Floats
    carbon: Floats
    means: Mapping[str, Floats]
    pools: Floats
    cascade: Cascade | None = None
    failed: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Cost:
    """What was spent; shared by a case and its parts."""

    site_years: float = 0.0
    cpu_s: float = 0.0


class LandCase(ABC, Generic[S]):
    """See the module. Years are whole cycles of the forcing, which repeats."""

    model: str
    """Name of the land model: ``embedded``, ``elm``."""
    version: str
    """Changes when its results may."""
    lat: Floats
    lon: Floats
    """Degrees, (site,)."""
    cycle_years: int
    layout: PoolLayout
    has_cascade: bool
    """Whether :class:`Stretch` comes with the decomposition's matrix."""
    divisible: bool = True
    """Whether some of the sites can be run and exchanged without the others."""
    cost: Cost

    @property
    def sites(self) -> int:
        """How many there are."""
        return int(self.lat.size)

    @abstractmethod
    def cold_start(self) -> S:
        """Bare ground."""

    @abstractmethod
    def run(
        self, state: S, cycles: int, *, accelerated: bool = False, supplement: bool = False
    ) -> Stretch[S]:
        """Run whole cycles and count what it costs.

        Parameters
        ----------
        state : S
        cycles : int
        accelerated : bool
            In accelerated decomposition.
        supplement : bool
            Make up for lacking mineral nitrogen, as in the first years of ELM's spin-up.
        """

    @abstractmethod
    def leave_ad(self, state: S) -> S:
        """Out of accelerated decomposition: pools multiplied, flag 0."""

    @abstractmethod
    def pools(self, state: S) -> Floats:
        """Pools (site, pool) in the case's layout."""

    @abstractmethod
    def with_pools(self, state: S, pools: Floats) -> S:
        """Other pools by the rules of restart files; NaN leaves what is there.

        What the layout has no column for follows (N of soil and tissue from C) or stays (water,
        temperature, phenology).

        Raises
        ------
        InvalidData
            When a pool that cannot be negative is, or nothing is left of a site.
        """

    @abstractmethod
    def known(self) -> Mapping[str, Floats]:
        """What is known without a run, for learned methods, by kind of input.

        ``climate`` (site, 12, variables): monthly climate of the forcing; ``static`` (site,
        numbers): latitude, soil, plants; ``parameters`` (site, numbers): those that may vary.
        """

    @abstractmethod
    def part(self, sites: Sites) -> Self:
        """Some of the sites, all of them where it is not divisible; costs are counted together."""

    @abstractmethod
    def take(self, state: S, sites: Sites) -> S:
        """State of some sites, as :meth:`part`."""

    @abstractmethod
    def put(self, state: S, sites: Sites, part: S) -> S:
        """A copy of the state in which some sites have another one, as :meth:`part`."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What an emulator must have been trained for, as JSON holds it: model, version, names of
        the parameters that vary and their ranges, plants, length of the cycle, names of inputs."""
