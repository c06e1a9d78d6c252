"""What a land model is to the rest of catena: BMI 2.0 and its restart files.

A model is found by name among the entry points ``catena.land_models``, so that somebody else's
package can bring its own:

>>> model = open_land_model("embedded")                            # doctest: +SKIP
>>> model.initialize("case.yaml")                                  # doctest: +SKIP
>>> model.read_restart(path, mode="hotstart")                      # doctest: +SKIP
>>> model.update_until(model.get_end_time())                       # doctest: +SKIP
>>> model.write_restart(path)                                      # doctest: +SKIP
"""

from __future__ import annotations

from abc import abstractmethod
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from bmipy import Bmi

from catena.shared.errors import FailedPrecondition, NotFound

GROUP = "catena.land_models"

Mode = Literal["resume", "hotstart"]
"""``resume``: the same run goes on, so time, calendar, grid and stage must fit. ``hotstart``: the
state is where another run begins, at that run's own date and in its own stage."""


class LandModel(Bmi):
    """A model of the land surface that can be spun up, restarted and run (Hutton et al. 2020)."""

    @abstractmethod
    def read_restart(self, path: Path, mode: Mode) -> None:
        """Take over the state of a restart file.

        Parameters
        ----------
        path : Path
            netCDF with ELM's names.
        mode : {"resume", "hotstart"}

        Raises
        ------
        InvalidData
            When the file is damaged, of another grid, or holds NaN; the state stays what it was.
        """

    @abstractmethod
    def write_restart(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all.

        Raises
        ------
        InvalidData
            When the state holds NaN.
        OSError
            When the disk is full.
        """


def land_models() -> tuple[str, ...]:
    """Names of the installed land models."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def open_land_model(name: str) -> LandModel:
    """A land model, not initialised.

    Raises
    ------
    NotFound
        When no installed package brings one of that name.
    FailedPrecondition
        When what it brings is no land model.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        raise NotFound(
            f"there is no land model '{name}'; installed are {', '.join(land_models()) or 'none'}"
        )
    made = points[0].load()
    if not (isinstance(made, type) and issubclass(made, LandModel)):
        raise FailedPrecondition(
            f"'{points[0].value}', registered as land model '{name}', is no LandModel; report it "
            "to its package"
        )
    return made()
