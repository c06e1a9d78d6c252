"""The parameters of the embedded model: ELM's names and values, set by name and by PFT.

>>> parameters = ParameterSet.default(members=2)
>>> parameters = parameters.set("flnr", [0.1, 0.2], pft="broadleaf_deciduous_temperate_tree")
>>> parameters = parameters.set("br_mr", 3e-6)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.coupler.pft import PFT_NAMES
from catena.shared.errors import FieldViolation, InvalidData, InvalidRequest


@dataclass(frozen=True)
class Parameter:
    """One row of the table of parameters.

    Parameters
    ----------
    name : str
        ELM's name where ELM has it (``elm``).
    per_pft : bool
    units : str
    default : float or None
        None for a parameter per PFT, see :func:`pft_defaults`.
    low, high : float
        Values outside are refused.
    prior : tuple of float or None
        Range from which ensembles are drawn, None where none is published.
    elm : bool
        Whether ELM's parameter file holds it under this name.
    description : str
    """

    name: str
    per_pft: bool
    units: str
    default: float | None
    low: float
    high: float
    prior: tuple[float, float] | None
    elm: bool
    description: str


def _table(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@lru_cache(maxsize=1)
def parameter_table() -> Mapping[str, Parameter]:
    """Every parameter of the embedded model, by name."""
    made = {}
    for row in _table("parameters.csv"):
        prior = (float(row["prior_low"]), float(row["prior_high"])) if row["prior_low"] else None
        made[row["name"]] = Parameter(
            name=row["name"],
            per_pft=row["kind"] == "pft",
            units=row["units"],
            default=float(row["default"]) if row["default"] else None,
            low=float(row["low"]),
            high=float(row["high"]),
            prior=prior,
            elm=row["elm"] == "1",
            description=row["description"],
        )
    return made


@lru_cache(maxsize=1)
def scalar_names() -> tuple[str, ...]:
    """Names of the parameters with one value, in the order of the model."""
    return tuple(n for n, p in parameter_table().items() if not p.per_pft)


@lru_cache(maxsize=1)
def pft_parameter_names() -> tuple[str, ...]:
    """Names of the parameters with a value per PFT, in the order of the model."""
    return tuple(n for n, p in parameter_table().items() if p.per_pft)


@lru_cache(maxsize=1)
def _pft_defaults() -> tuple[tuple[float, ...], ...]:
    rows = {row["pft"]: row for row in _table("pft_defaults.csv")}
    return tuple(tuple(float(rows[p][n]) for n in pft_parameter_names()) for p in PFT_NAMES)


def pft_defaults() -> NDArray[np.float64]:
    """Default values, float64 (pft, parameter), in the order of :data:`PFT_NAMES`."""
    return np.array(_pft_defaults())


@dataclass(frozen=True)
class ParameterSet:
    """Parameters of an ensemble.

    Parameters
    ----------
    scalars : float64 (member, scalar)
    pfts : float64 (member, pft, parameter)
    """

    scalars: NDArray[np.float64]
    pfts: NDArray[np.float64]

    @classmethod
    def default(cls, members: int = 1) -> ParameterSet:
        """ELM's values for every member."""
        table = parameter_table()
        one = np.array([table[n].default for n in scalar_names()], dtype=np.float64)
        return cls(
            np.repeat(one[np.newaxis], members, axis=0),
            np.repeat(pft_defaults()[np.newaxis], members, axis=0),
        )

    @classmethod
    def from_file(cls, path: Path, members: int = 1) -> ParameterSet:
        """Values of an ELM parameter file; what it lacks keeps its default.

        Parameters
        ----------
        path : Path
            ``clm_params*.nc`` with the variable ``pftname``.

        Raises
        ------
        InvalidData
            When it is no such file, misses a PFT, or holds values out of range: all are named.
        """
        made = cls.default(members)
        try:
            with netCDF4.Dataset(path) as file:
                found = [b"".join(row).decode().strip() for row in file["pftname"][:].filled(b" ")]
                file_values = {
                    name: np.ma.filled(file[name][:].astype(np.float64), np.nan).ravel()
                    for name, p in parameter_table().items()
                    if p.elm and name in file.variables
                }
        except (OSError, IndexError, UnicodeDecodeError) as error:
            raise InvalidData(
                f"'{path.name}' cannot be read as a parameter file of ELM: {error}; a netCDF file "
                "with the variable pftname was wanted"
            ) from error
        # The first PFT is bare ground under several names in real files.
        rows = {name: found.index(name) for name in PFT_NAMES[1:] if name in found}
        missing = [name for name in PFT_NAMES[1:] if name not in rows]
        if missing:
            raise InvalidData(f"'{path.name}' lacks the PFTs {', '.join(missing)}")
        for name, values in file_values.items():
            if parameter_table()[name].per_pft:
                column = pft_parameter_names().index(name)
                for pft, row in rows.items():
                    made.pfts[:, PFT_NAMES.index(pft), column] = values[row]
            else:
                made.scalars[:, scalar_names().index(name)] = values[0]
        problems = made.problems()[0]
        if problems:
            raise InvalidData(f"'{path.name}': " + "; ".join(problems))
        return made

    @property
    def members(self) -> int:
        """How many members there are."""
        return int(self.scalars.shape[0])

    def get(self, name: str, pft: str | None = None) -> NDArray[np.float64]:
        """Values of one parameter, float64 (member,)."""
        found = _find(name, pft)
        if isinstance(found, FieldViolation):
            raise InvalidRequest("an unknown parameter", violations=[found])
        row, column = found
        return (self.scalars[:, column] if row is None else self.pfts[:, row, column]).copy()

    def set(self, name: str, values: ArrayLike, pft: str | None = None) -> ParameterSet:
        """The same with one parameter changed, see :meth:`update`."""
        return self.update([(name, pft, values)])

    def update(self, changes: Sequence[tuple[str, str | None, ArrayLike]]) -> ParameterSet:
        """The same with several parameters changed.

        Parameters
        ----------
        changes : sequence of (name, pft or None, values)
            One value, or one per member. A parameter per PFT needs the name of the PFT.

        Raises
        ------
        InvalidRequest
            Names every unknown parameter, unknown PFT, wrong length and value out of range.
        """
        scalars, pfts = self.scalars.copy(), self.pfts.copy()
        violations = []
        for name, pft, values in changes:
            found = _find(name, pft)
            if isinstance(found, FieldViolation):
                violations.append(found)
                continue
            row, column = found
            given = np.asarray(values, dtype=np.float64)
            label = name if pft is None else f"{name}[{pft}]"
            if given.shape not in ((), (1,), (self.members,)):
                violations.append(
                    FieldViolation(
                        label,
                        f"values of shape {given.shape} came; one, or one for each of the "
                        f"{self.members} members were wanted",
                    )
                )
                continue
            known = parameter_table()[name]
            wrong = ~((given >= known.low) & (given <= known.high))
            if wrong.any():
                violations.append(
                    FieldViolation(
                        label,
                        f"{float(given[wrong].ravel()[0]):g} is outside {known.low:g} to "
                        f"{known.high:g} {known.units}",
                    )
                )
                continue
            if row is None:
                scalars[:, column] = given
            else:
                pfts[:, row, column] = given
        if violations:
            raise InvalidRequest("parameters that cannot be set", violations=violations)
        return replace(self, scalars=scalars, pfts=pfts)

    def problems(self) -> list[list[str]]:
        """What is out of range, alone or together; usable members have an empty list."""
        low, high = _limits(scalar_names())
        low_pft, high_pft = _limits(pft_parameter_names())
        bad = ~((self.scalars >= low) & (self.scalars <= high))
        plants = self.pfts[:, 1:]  # the first PFT is bare ground
        bad_pft = ~((plants >= low_pft) & (plants <= high_pft))
        made: list[list[str]] = [[] for _ in range(self.members)]
        table = parameter_table()
        for member, column in np.argwhere(bad):
            known = table[scalar_names()[column]]
            made[member].append(
                f"{known.name} = {self.scalars[member, column]:g} is outside {known.low:g} to "
                f"{known.high:g} {known.units}"
            )
        for member, row, column in np.argwhere(bad_pft):
            known = table[pft_parameter_names()[column]]
            made[member].append(
                f"{known.name}[{PFT_NAMES[row + 1]}] = {plants[member, row, column]:g} is outside "
                f"{known.low:g} to {known.high:g} {known.units}"
            )
        for member, row, text in _together(plants):
            made[member].append(f"{PFT_NAMES[row + 1]}: {text}")
        return made


def _together(plants: NDArray[np.float64]) -> Iterator[tuple[int, int, str]]:
    """Member, row and text of values that are possible alone, but not together."""

    def of(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = plants[..., pft_parameter_names().index(name)]
        return values

    for labile, cellulose in (("lf_flab", "lf_fcel"), ("fr_flab", "fr_fcel")):
        for member, row in np.argwhere(of(labile) + of(cellulose) > 1.0 + 1e-6):
            total = of(labile)[member, row] + of(cellulose)[member, row]
            yield (
                int(member),
                int(row),
                f"{labile} and {cellulose} sum to {total:g}; at most 1 was wanted, as the rest of "
                "the litter is lignin",
            )
    for member, row in np.argwhere(of("smpso") <= of("smpsc")):
        yield (
            int(member),
            int(row),
            f"smpso = {of('smpso')[member, row]:g} is not above smpsc = "
            f"{of('smpsc')[member, row]:g} mm: stomata open in wetter soil than they close in",
        )


def _limits(names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = parameter_table()
    return np.array([table[n].low for n in names]), np.array([table[n].high for n in names])


def _find(name: str, pft: str | None) -> tuple[int | None, int] | FieldViolation:
    known = parameter_table().get(name)
    if known is None:
        return FieldViolation(
            name, f"there is no such parameter; known are {', '.join(parameter_table())}"
        )
    if not known.per_pft:
        if pft is not None:
            return FieldViolation(f"{name}[{pft}]", "it has one value for all PFTs; name no PFT")
        return None, scalar_names().index(name)
    if pft is None:
        return FieldViolation(name, "it has a value for each PFT; say which PFT, by name")
    if pft not in PFT_NAMES:
        return FieldViolation(
            f"{name}[{pft}]", f"there is no such PFT; known are {', '.join(PFT_NAMES)}"
        )
    return PFT_NAMES.index(pft), pft_parameter_names().index(name)
