"""Known defects of single files and products: ``tables/defects.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from catena.shared.errors import InvalidData
from catena.shared.lexicon.tables import read_table

DefectAction = Literal["scale", "shift_s", "calendar", "utc_offset_h", "refuse", "note"]
ACTIONS: tuple[DefectAction, ...] = (
    "scale", "shift_s", "calendar", "utc_offset_h", "refuse", "note",
)  # fmt: skip
CALENDARS = ("standard", "noleap", "360_day")


@dataclass(frozen=True)
class Defect:
    """One known defect.

    Parameters
    ----------
    vocabulary : str
        Vocabulary of the source.
    dataset : str
        Wildcard pattern on the key of the entry.
    variable : str
        The source's name or the canonical one; ``*`` for the dataset as a whole.
    action : str
        ``scale`` (multiply by `value`), ``shift_s`` (add seconds to the time stamps of one variable
        or of all), ``calendar`` (the true calendar), ``utc_offset_h`` (hours by which the file's
        clock is ahead of UTC), ``refuse``, ``note``.
    value : str
    note : str
        What is wrong, and who found it: it goes into the findings.
    """

    vocabulary: str
    dataset: str
    variable: str
    action: DefectAction
    value: str
    note: str

    @property
    def number(self) -> float:
        """The value as a number."""
        return float(self.value)

    def concerns(self, *names: str) -> bool:
        """Whether it is about a variable of one of these names."""
        return self.variable in names


def defects(vocabulary: str, dataset: str) -> tuple[Defect, ...]:
    """Known defects of a dataset, in the order of the table.

    Parameters
    ----------
    vocabulary : str
    dataset : str
        Key of the entry.
    """
    return tuple(
        defect
        for defect in _all()
        if defect.vocabulary == vocabulary and fnmatchcase(dataset, defect.dataset)
    )


@lru_cache(maxsize=1)
def _all() -> tuple[Defect, ...]:
    return tuple(_defect(cells) for cells in read_table("defects"))


def _defect(cells: dict[str, str]) -> Defect:
    where = f"defects.csv, {cells['vocabulary']} {cells['dataset']} {cells['variable']}"
    action, value = cells["action"], cells["value"]
    if action not in ACTIONS:
        raise InvalidData(f"{where}: action is '{action}', wanted one of {', '.join(ACTIONS)}")
    if action in ("scale", "shift_s", "utc_offset_h"):
        try:
            float(value)
        except ValueError:
            raise InvalidData(f"{where}: {action} is '{value}', wanted a number") from None
    if action == "calendar" and value not in CALENDARS:
        raise InvalidData(f"{where}: calendar is '{value}', wanted one of {', '.join(CALENDARS)}")
    return Defect(
        vocabulary=cells["vocabulary"],
        dataset=cells["dataset"],
        variable=cells["variable"],
        action=action,
        value=value,
        note=cells["note"],
    )
