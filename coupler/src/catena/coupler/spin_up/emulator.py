"""The trained network in the place of the centuries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.learned import Guess, Learned
from catena.coupler.spin_up.two_files import read_two
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.models.spin_up_emulator import SpinUpEmulator

ABOUT, WEIGHTS = "emulator.json", "weights.safetensors"
"""Files of an artifact of kind ``spin_up_emulator``."""


class Emulator(Learned):
    """ORBIT fine-tuned for spin-ups (specs: the talk's emulator).

    Parameters
    ----------
    network : SpinUpEmulator
        Trained on a file of :class:`catena.coupler.spin_up.training_sites.TrainingSites`, with
        sites of validation.
    options
        As for :class:`Learned`.

    Raises
    ------
    InvalidData
        When it does not say for which case it was trained, or never measured its errors.
    """

    name: ClassVar[str] = "emulator"

    def __init__(self, network: SpinUpEmulator, **options: Any) -> None:
        super().__init__(network.about, **options)
        if tuple(network.pools) != self.layout.names:
            raise InvalidData(
                f"the emulator predicts {len(network.pools)} pools, its sites name "
                f"{len(self.layout.names)}: these are parts of two emulators"
            )
        if network.trust is None:
            raise InvalidData(
                "the emulator never measured its errors on held-out sites; train it with sites of "
                "validation"
            )
        self.network = network

    @classmethod
    def from_parts(
        cls, about: Mapping[str, Any], arrays: Mapping[str, Any], **options: Any
    ) -> Emulator:
        """Of the JSON and the arrays of an artifact.

        Raises
        ------
        InvalidData
            When these are no emulator's.
        """
        from catena.models.spin_up_emulator import SpinUpEmulator

        try:
            network = SpinUpEmulator.from_parts(about, arrays)
        except ValueError as error:
            raise InvalidData(f"this is no emulator of spin-ups: {error}") from error
        return cls(network, **options)

    @classmethod
    def read(cls, folder: Path, **options: Any) -> Emulator:
        """Of a folder with ``emulator.json`` and ``weights.safetensors``.

        Raises
        ------
        InvalidData
            When one lacks or is something else.
        """
        return cls.from_parts(*read_two(folder, ABOUT, WEIGHTS, "emulator"), **options)

    def predict(self, inputs: Mapping[str, Floats]) -> Guess:
        """Pools by the network, with the spread that it learned."""
        made = self.network.judged(inputs)
        return Guess(made.mean, made.unfamiliar, made.spread)
