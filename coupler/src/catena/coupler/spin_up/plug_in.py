"""Ways to bring a land model to equilibrium, found by name (entry points ``catena.spin_ups``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import ClassVar, Generic

from catena.coupler.spin_up.case import Floats, LandCase, S
from catena.shared.errors import FailedPrecondition, NotFound

GROUP = "catena.spin_ups"

Progress = Callable[[float, str], None]
"""Takes the part that is done, 0 to 1, and what is being done."""


def quiet(fraction: float, message: str) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class SpunUp(Generic[S]):
    """What a method made of all sites of a case.

    Parameters
    ----------
    state : S
        Out of accelerated decomposition.
    years : float64 (site,)
        Simulated years that each site took.
    notes : tuple of str
        What a user should know, in words.
    spread : float64 (site, pool), optional
        Standard deviation of each pool in its units, where the method knows it.
    unfamiliar : float64 (site,), optional
        Distance from what was learned, 1 at the edge of it; where the method learned. Infinite for
        a site that it left as it begins, which is spun up from bare ground.
    """

    state: S
    years: Floats
    notes: tuple[str, ...] = ()
    spread: Floats | None = None
    unfamiliar: Floats | None = None


class SpinUp(ABC):
    """A way to the equilibrium of a land model's carbon."""

    name: ClassVar[str]
    needs_cascade: ClassVar[bool] = False
    """Whether it needs the model's decomposition as a matrix, which ELM does not give."""

    def require(self, case: LandCase[S]) -> None:
        """Refuse a case that this method cannot spin up.

        Raises
        ------
        FailedPrecondition
            When the model has no matrix; methods that learned also when they learned another case.
        """
        if self.needs_cascade and not case.has_cascade:
            raise FailedPrecondition(
                f"the spin-up '{self.name}' needs the matrix of the decomposition, which "
                f"{case.model} does not give; take native, emulator, anderson, analogue or trees"
            )

    @abstractmethod
    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        """Bring all sites from bare ground to equilibrium, or near it.

        Raises
        ------
        FailedPrecondition
            See :meth:`require`.
        """


def spin_ups() -> tuple[str, ...]:
    """Names of the installed methods."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def spin_up_method(name: str) -> type[SpinUp]:
    """The class of a method.

    Raises
    ------
    NotFound
        When no installed package brings one of that name.
    FailedPrecondition
        When what it brings is no SpinUp.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        raise NotFound(
            f"there is no spin-up '{name}'; installed are {', '.join(spin_ups()) or 'none'}"
        )
    made = points[0].load()
    if not (isinstance(made, type) and issubclass(made, SpinUp)):
        raise FailedPrecondition(
            f"'{points[0].value}', registered as spin-up '{name}', is no SpinUp; report it to its "
            "package"
        )
    return made
