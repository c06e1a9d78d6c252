"""From a request's method to the coupler's plug-in, in whichever process it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.lineage import lineage_of, refuse_other
from catena.coupler.spin_up.plug_in import SpinUp, spin_up_method
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.ensemble_runner.spin_queries import SpinUpKind

EMULATOR, WEIGHTS = "emulator.json", "weights.safetensors"
SITES, ABOUT = "sites.safetensors", "about.json"
"""What can be learned from a native spin-up: arrays, and what they are."""


@dataclass(frozen=True, eq=False)
class MethodPlan:
    """A method with all that it needs, so that it can be sent to other processes.

    Parameters
    ----------
    kind : str
    options : mapping of str to int
        Of the plug-in.
    about : mapping
        Of what was learned from, or of the emulator.
    arrays : mapping of str to array
    digest : str
        Of what was learned from; empty where nothing was.
    """

    kind: SpinUpKind
    options: Mapping[str, int]
    about: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    digest: str = ""

    def described(self) -> dict[str, Any]:
        """All that decides the results, as JSON."""
        return {"kind": self.kind, "options": dict(self.options), "learned": self.digest}

    def refuse_other(self, case: EmbeddedCase) -> None:
        """Refuse sites that are not of the case that was learned, before anything is run.

        The method itself refuses them too, when their turn comes.

        Raises
        ------
        FailedPrecondition
            Names every difference.
        """
        # What an emulator's sites say of themselves stands beside its architecture.
        learned = self.about.get("about", self.about)
        if "case" in learned:
            refuse_other(self.kind, learned["case"], lineage_of(case), plants=False)

    def plug_in(self) -> SpinUp:
        """The coupler's method; one that has to be fitted is fitted once in a process."""
        key = hashlib.sha256(repr(sorted(self.described().items())).encode()).hexdigest()
        if key not in _MADE:
            _MADE.clear()  # one at a time: forests are large
            _MADE[key] = self._made()
        return _MADE[key]

    def _made(self) -> SpinUp:
        made: Any = spin_up_method(self.kind)
        # Sites with plants that were not learned go to the native spin-up, and the report says so.
        learned: dict[str, Any] = {"strange_plants": "fall back"}
        if self.kind == "emulator":
            plug_in: SpinUp = made.from_parts(self.about, self.arrays, **learned)
        elif self.kind in ("analogue", "trees"):
            plug_in = made(TrainingSites.from_parts(self.about, self.arrays), **learned)
        else:
            plug_in = made(**self.options)
        return plug_in


_MADE: dict[str, SpinUp] = {}
