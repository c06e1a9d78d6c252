"""Parameters that have no effect, found in the output of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData


@dataclass(frozen=True)
class Effects:
    """Which parameters act.

    Parameters
    ----------
    active, inert, undetermined : tuple of str
        Inert: every pair of members that differ in this parameter alone has the same output, to
        the last bit. Undetermined: there is no such pair.
    """

    active: tuple[str, ...]
    inert: tuple[str, ...]
    undetermined: tuple[str, ...]


def parameter_effects(
    parameters: NDArray[np.float64], outputs: NDArray[np.float64], names: Sequence[str]
) -> Effects:
    """Find parameters whose sensitivity is exactly 0.

    Where all parameters vary at once a sensitivity of 0 cannot be told from a small one, so only
    pairs of members that differ in one parameter alone are looked at: one-at-a-time, Morris and
    Sobol designs have them, a random design has not.

    Parameters
    ----------
    parameters : float64 (member, parameter)
    outputs : float64 (member, output)
        Members with NaN are left out.
    names : sequence of str
        Of the parameters.

    Raises
    ------
    InvalidData
        When the shapes do not fit, or fewer than two members have an output.
    """
    if (
        parameters.ndim != 2
        or outputs.ndim != 2
        or len(parameters) != len(outputs)
        or parameters.shape[1] != len(names)
    ):
        raise InvalidData(
            f"got parameters {parameters.shape}, outputs {outputs.shape} and {len(names)} names; "
            "wanted (member, parameter), (member, output) and a name for each parameter"
        )
    good = np.isfinite(outputs).all(axis=1)
    if good.sum() < 2:
        raise InvalidData(f"{good.sum()} members have an output, wanted at least 2")
    values, results = parameters[good], outputs[good]
    seen = np.zeros(len(names), bool)
    acts = np.zeros(len(names), bool)
    for number in range(len(values) - 1):
        differs = values[number + 1 :] != values[number]
        alone = np.flatnonzero(differs.sum(axis=1) == 1)
        which = differs[alone].argmax(axis=1)
        changed = (results[number + 1 :][alone] != results[number]).any(axis=1)
        seen[which] = True
        acts[which[changed]] = True
    picked = [tuple(np.asarray(names)[mask].tolist()) for mask in (acts, seen & ~acts, ~seen)]
    return Effects(*picked)


def one_at_a_time(base: NDArray[np.float64], changed: NDArray[np.float64]) -> NDArray[np.float64]:
    """A design that tells which parameters act: the base, then each one changed alone.

    Parameters
    ----------
    base, changed : float64 (parameter,)

    Returns
    -------
    float64 (parameter + 1, parameter)
    """
    design = np.tile(base, (base.size + 1, 1))
    design[np.arange(1, base.size + 1), np.arange(base.size)] = changed
    return design
