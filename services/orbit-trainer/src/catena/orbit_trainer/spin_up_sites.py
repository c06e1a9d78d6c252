"""Sites with their equilibria in an artifact: their arrays, and what the file says of itself.

Beside the arrays (a safetensors file) there may be ``about.json``: ``pools`` (names), and if wanted
``units``, ``signed`` (of each pool, whether it may be negative), ``logarithmic_inputs`` (kind of
input -> true, or one flag for each of its columns), ``plants`` (names: what is called
``<what>.<plant>`` is of a plant, the input ``plants`` says which grow at a site, and names of all
inputs stand in ``case.inputs``), ``generated`` (what of the sites formulas have
made, e.g. weather), and whatever else belongs to them: the land model and its version, parameters
and their ranges. All of it goes with the emulator unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catena.models.plant_rows import PRESENCE, PlantRows
from catena.orbit_trainer.tasks.spin_up import SpinUpSamples
from catena.orbit_trainer.vocabulary import SpinUpSites
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact

__all__ = ["ABOUT", "SiteFacts", "Split", "read_facts", "read_samples", "site_facts"]

ABOUT = "about.json"
INPUTS, TARGETS, SPLIT = "inputs.", "targets", "split"
PARTS = ("training", "validation", "test")
SHARES = (0.7, 0.85)
"""Where sites are divided, in their order, when the file does not say."""

Split = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class SiteFacts:
    """What is said of the sites beside their numbers.

    Parameters
    ----------
    pools : tuple of str
    units : tuple of str
        Of the pools; empty where nobody says.
    logarithmic : tuple of bool
        Of the pools: those that are never negative.
    logarithmic_inputs : mapping of str to bool or list of bool
    generated : tuple of str
        What of the sites formulas have made; empty: all of it is real.
    plants : PlantRows, optional
        How sites are parted by their plants; None where nobody names plants.
    about : mapping
        All of ``about.json``.
    """

    pools: tuple[str, ...]
    units: tuple[str, ...] = ()
    logarithmic: tuple[bool, ...] = ()
    logarithmic_inputs: Mapping[str, Any] = field(default_factory=dict)
    generated: tuple[str, ...] = ()
    plants: PlantRows | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def read_facts(sites: SpinUpSites, artifact: Artifact) -> SiteFacts:
    """What a request and the file beside the arrays say.

    Raises
    ------
    InvalidData
        See :func:`site_facts`.
    """
    about = artifact.read_json(ABOUT) if ABOUT in artifact.names else {}
    return site_facts(sites, about)


def site_facts(sites: SpinUpSites, about: Any) -> SiteFacts:
    """What a request and ``about.json`` say together.

    Raises
    ------
    InvalidData
        When nobody names the pools, both do and differ, or something is not as it is to be.
    """
    if not isinstance(about, dict):
        raise InvalidData(f"{ABOUT} holds a {type(about).__name__}; wanted an object")
    named = about.get("pools", [])
    if not _list(named, str) or len(set(named)) != len(named):
        raise InvalidData(f"pools in {ABOUT} are no list of names, each once; got {named!r:.80}")
    pools = sites.pools or tuple(named)
    if not pools:
        raise InvalidData(
            f"neither the request nor {ABOUT} names the pools; give pools, in the order of targets"
        )
    if named and tuple(named) != pools:
        raise InvalidData(
            f"the request names {', '.join(pools[:4])}, ..., {ABOUT} {', '.join(named[:4])}, ...; "
            "leave pools out of the request"
        )
    signed, units = about.get("signed", [False] * len(pools)), about.get("units", [])
    if not _list(signed, bool) or len(signed) != len(pools):
        raise InvalidData(f"signed in {ABOUT}: wanted true or false for each of {len(pools)} pools")
    if not _list(units, str) or len(units) not in (0, len(pools)):
        raise InvalidData(f"units in {ABOUT}: wanted one for each of {len(pools)} pools")
    inputs = about.get("logarithmic_inputs", {})
    if not isinstance(inputs, dict) or not all(
        isinstance(one, bool) or _list(one, bool) for one in inputs.values()
    ):
        raise InvalidData(
            f"logarithmic_inputs in {ABOUT}: wanted true, or a list of true and false, by the kind "
            "of input"
        )
    generated = about.get("generated", [])
    if not _list(generated, str):
        raise InvalidData(f"generated in {ABOUT}: wanted a list of what formulas made, in words")
    logarithmic = tuple(not (sites.linear or one) for one in signed)
    plants = _plants(about, pools)
    return SiteFacts(pools, tuple(units), logarithmic, inputs, tuple(generated), plants, about)


def _plants(about: Mapping[str, Any], pools: tuple[str, ...]) -> PlantRows | None:
    """How sites are parted by their plants, by what the file says of itself."""
    plants = about.get("plants", [])
    if not _list(plants, str) or len(set(plants)) != len(plants):
        raise InvalidData(f"plants in {ABOUT}: wanted a list of names, each once")
    if not plants:
        return None
    case = about.get("case", {})
    inputs = case.get("inputs", {}) if isinstance(case, dict) else {}
    if not isinstance(inputs, dict) or not all(_list(one, str) for one in inputs.values()):
        raise InvalidData(f"case.inputs in {ABOUT}: wanted names of the numbers of each kind")
    if list(inputs.get(PRESENCE, [])) != plants:
        raise InvalidData(
            f"{ABOUT} names the plants {', '.join(plants)}; the same, in the same order, were "
            f"wanted in case.inputs.{PRESENCE}, of an input that says which grow at a site"
        )
    return PlantRows.of(plants, pools, inputs)


def read_samples(facts: SiteFacts, arrays: dict[str, NDArray[Any]]) -> tuple[SpinUpSamples, Split]:
    """Sites with their equilibria, and which of them are trained on, chosen on and judged on.

    Raises
    ------
    InvalidData
        When the arrays are not as they are to be; says which.
    """
    inputs = {
        name.removeprefix(INPUTS): values
        for name, values in arrays.items()
        if name.startswith(INPUTS)
    }
    if TARGETS not in arrays or not inputs:
        raise InvalidData(
            f"the file has the arrays {', '.join(sorted(arrays)) or 'none'}; wanted {TARGETS} "
            f"(sites, pools) and {INPUTS}<kind> (sites, rows, features) or (sites, numbers)"
        )
    if strange := sorted(set(facts.logarithmic_inputs) - set(inputs)):
        raise InvalidData(
            f"{ABOUT} says that {', '.join(strange)} are logarithmic; the file has the inputs "
            f"{', '.join(sorted(inputs))}"
        )
    targets = arrays[TARGETS]
    if targets.ndim == 2 and len(facts.pools) != targets.shape[1]:
        raise InvalidData(
            f"targets have {targets.shape[1]} pools, {len(facts.pools)} are named; name each, in "
            "their order"
        )
    samples = SpinUpSamples(inputs, targets, facts.logarithmic, facts.logarithmic_inputs)
    split = _divided(arrays.get(SPLIT), len(samples))
    known = np.isfinite(samples.targets[split["training"]]).any(0)
    if not known.all():
        lacking = [name for name, there in zip(facts.pools, known, strict=True) if not there]
        raise InvalidData(
            f"no site of training has a value of {', '.join(lacking)}; leave these pools out, or "
            "give other sites in split"
        )
    return samples, split


def _divided(part: NDArray[Any] | None, count: int) -> Split:
    """Sites of each part, as the file says or in their order."""
    if part is None:
        part = np.searchsorted(np.array(SHARES) * count, np.arange(count), side="right")
    if part.shape != (count,):
        raise InvalidData(f"split has shape {part.shape}; wanted one number for {count} sites")
    if not np.isin(part, range(len(PARTS))).all():
        odd = part[~np.isin(part, range(len(PARTS)))][0]
        raise InvalidData(
            f"split has {odd}; wanted 0 (training), 1 (validation) or 2 (test) for each site: "
            "leave out of the file what is not to be used"
        )
    split = {name: np.flatnonzero(part == number) for number, name in enumerate(PARTS)}
    if empty := [name for name, rows in split.items() if not rows.size]:
        raise InvalidData(
            f"no site is for {' nor '.join(empty)}; wanted 0 (training), 1 (validation) and 2 "
            "(test) in split, each at least once"
        )
    return split


def _list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)
