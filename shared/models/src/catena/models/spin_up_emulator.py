"""A trained emulator of spin-ups, in physical units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from catena.models.column_scale import ColumnScale
from catena.models.orbit_spin_up import OrbitSpinUp, SpinUpConfig
from catena.models.plant_rows import PlantRows, Rows
from catena.models.spin_up_trust import ErrorSize, KnownSites, conformal_factors

__all__ = ["Prediction", "SpinUpEmulator", "SpinUpScales"]

Array = NDArray[np.float64]

CHUNK = 512
"""Sites that go through the model together."""
NORMAL_90 = 1.6449
"""Half width of the interval of 90 % in standard deviations of a normal distribution."""


@dataclass(frozen=True, eq=False)
class SpinUpScales:
    """How inputs and pools are scaled; goes with a checkpoint.

    Parameters
    ----------
    inputs : mapping of str to ColumnScale
        By kind: of the features where rows are alike (a series, plant types), else of the numbers.
    targets : ColumnScale
    """

    inputs: Mapping[str, ColumnScale]
    targets: ColumnScale

    def normalised(self, inputs: Mapping[str, ArrayLike]) -> dict[str, Tensor]:
        """Inputs as the model takes them."""
        return {
            name: torch.from_numpy(scale.normalised(inputs[name]))
            for name, scale in self.inputs.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        inputs = {name: scale.to_dict() for name, scale in self.inputs.items()}
        return {"inputs": inputs, "targets": self.targets.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        inputs = {name: ColumnScale.from_dict(one) for name, one in values["inputs"].items()}
        return cls(inputs, ColumnScale.from_dict(values["targets"]))


@dataclass(frozen=True, eq=False)
class Prediction:
    """Pools of sites, and how far they are to be trusted.

    Parameters
    ----------
    mean : Array, (N, K)
        Pools in their units.
    spread : Array, (N, K)
        Standard deviation of the error: half the interval over that of a normal distribution.
    lower, upper : Array, (N, K)
        Interval in which the pools of 90 % of sites lie that are like those of validation; not
        negative for pools in logarithms.
    unfamiliar : Array, (N,)
        Distance to the nearest site of training over that which 99 % of sites of validation have.
    """

    mean: Array
    spread: Array
    lower: Array
    upper: Array
    unfamiliar: Array


@dataclass(frozen=True, eq=False)
class Trust:
    """What :meth:`SpinUpEmulator.judged` knows beside the model.

    Parameters
    ----------
    size : ErrorSize
    factors : Array, (K,)
        Half interval over the size.
    known : KnownSites
    """

    size: ErrorSize
    factors: Array
    known: KnownSites


class SpinUpEmulator:
    """Sites to the pools of their equilibrium.

    Parameters
    ----------
    config : SpinUpConfig
    scales : SpinUpScales
    members : sequence of mapping of str to Tensor
        Weights of :class:`OrbitSpinUp`, adapters merged; of several models the mean of what they
        say is taken, in normalised units.
    pools : sequence of str, optional
        Names, in their order.
    about : mapping, optional
        What the sites of training say of themselves, as JSON holds it.
    rows : PlantRows, optional
        With it the model sees rows of one plant each, and a site is put together of its rows.

    Raises
    ------
    ValueError
        When the weights are not those of this config, or scales lack, or there are no weights.
    """

    def __init__(
        self,
        config: SpinUpConfig,
        scales: SpinUpScales,
        members: Sequence[Mapping[str, Tensor]],
        pools: Sequence[str] = (),
        about: Mapping[str, Any] | None = None,
        rows: PlantRows | None = None,
    ) -> None:
        lacking = [kind.name for kind in config.inputs if kind.name not in scales.inputs]
        if lacking:
            raise ValueError(f"scales of {sorted(scales.inputs)}; {', '.join(lacking)} wanted too")
        known = config.targets if rows is None else len(rows.output)
        told = config.targets if rows is None else len(rows.outputs)
        if not members or (pools and len(pools) != known) or told != config.targets:
            raise ValueError(
                f"weights of {len(members)} models, names of {len(pools)} pools, {told} numbers of "
                f"a row; wanted one model at least, {known} names and {config.targets} numbers"
            )
        self.config, self.scales, self.rows = config, scales, rows
        self.pools, self.about = tuple(pools), dict(about or {})
        self.trust: Trust | None = None
        self.models = [_loaded(config, weights) for weights in members]

    def predict(self, inputs: Mapping[str, ArrayLike]) -> Array:
        """Pools (N, K) in their units; those in logarithms are never negative.

        Parameters
        ----------
        inputs : mapping of str to array, (N, rows, features) or (N, numbers)
            In the units of the training, NaN where missing.

        Raises
        ------
        ValueError
            When a kind lacks or has another shape, or kinds are of different numbers of sites, or
            of none.
        """
        inputs, rows = self._by_row(inputs)
        made = self.scales.targets.restored(self._said(self._normalised(inputs)).mean(0))
        return self._by_site(made, rows)

    def judged(self, inputs: Mapping[str, ArrayLike]) -> Prediction:
        """Pools with the interval of each, and how unfamiliar sites are.

        Parameters
        ----------
        inputs
            As of :meth:`predict`.

        Raises
        ------
        ValueError
            As :meth:`predict`; and when it was never calibrated.
        """
        trust = self.trust
        if trust is None:
            raise ValueError("this emulator has no intervals; train it with sites of validation")
        inputs, rows = self._by_row(inputs)
        normalised = self._normalised(inputs)
        said = self._said(normalised)
        mean, half = said.mean(0), trust.size.at(_features(said, normalised)) * trust.factors
        targets, sd = self.scales.targets, half / NORMAL_90
        away = trust.known.unfamiliar(_places(normalised))
        if self.rows is not None and rows is not None:
            away = self.rows.largest(away, rows)
        return Prediction(
            self._by_site(targets.restored(mean), rows),
            self._by_site((targets.restored(mean + sd) - targets.restored(mean - sd)) / 2, rows),
            self._by_site(targets.restored(mean - half), rows),
            self._by_site(targets.restored(mean + half), rows),
            away,
        )

    def calibrate(
        self,
        inputs: Mapping[str, ArrayLike],
        pools: ArrayLike,
        training: NDArray[np.int64],
        validation: NDArray[np.int64],
    ) -> None:
        """Learn how large errors are, and what is familiar.

        How errors differ from site to site is learned on the sites of training, where there are
        many, but errors are small; how large they are altogether on those of validation.

        Parameters
        ----------
        inputs
            As of :meth:`predict`.
        pools : array_like, (N, K)
            The truth.
        training, validation : int64 arrays
            Rows.
        """
        inputs, rows = self._by_row(inputs)
        if self.rows is not None and rows is not None:
            pools = self.rows.targets(pools, rows)
            training, validation = (
                np.flatnonzero(np.isin(rows.site, part)) for part in (training, validation)
            )
        normalised = self._normalised(inputs)
        said = self._said(normalised)
        features, places = _features(said, normalised), _places(normalised)
        errors = said.mean(0) - self.scales.targets.normalised(pools)
        size = ErrorSize.fitted(features[training], errors[training])
        factors = conformal_factors(errors[validation], size.at(features[validation]))
        self.trust = Trust(size, factors, KnownSites.fitted(places[training], places[validation]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, for a safetensors file."""
        found: dict[str, NDArray[Any]] = {}
        for number, model in enumerate(self.models):
            for name, weight in model.state_dict().items():
                found[f"member{number}.{name}"] = weight.cpu().numpy()
        if self.trust is not None:
            found |= {f"size.{name}": one for name, one in self.trust.size.arrays().items()}
            found["known.places"] = self.trust.known.places
        return found

    def to_dict(self) -> dict[str, Any]:
        """All the rest, as JSON holds it."""
        found: dict[str, Any] = {
            "config": self.config.to_dict(),
            "scales": self.scales.to_dict(),
            "pools": list(self.pools),
            "about": self.about,
            "members": len(self.models),
        }
        if self.rows is not None:
            found["rows"] = self.rows.to_dict()
        if self.trust is not None:
            found["factors"] = self.trust.factors.tolist()
            found["edge"] = self.trust.known.edge
        return found

    @classmethod
    def from_parts(cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Of what :meth:`to_dict` and :meth:`arrays` gave: an artifact's JSON and arrays.

        Raises
        ------
        ValueError
            When something lacks, or does not fit.
        """
        try:
            members = [
                {
                    name.removeprefix(f"member{number}."): torch.from_numpy(np.array(one))
                    for name, one in arrays.items()
                    if name.startswith(f"member{number}.")
                }
                for number in range(values["members"])
            ]
            made = cls(
                SpinUpConfig.from_dict(values["config"]),
                SpinUpScales.from_dict(values["scales"]),
                members,
                values["pools"],
                values["about"],
                PlantRows.from_dict(values["rows"]) if "rows" in values else None,
            )
            if "factors" in values:
                parts = {name.removeprefix("size."): one for name, one in arrays.items()}
                made.trust = Trust(
                    ErrorSize.of(parts),
                    np.asarray(values["factors"], np.float64),
                    KnownSites(np.array(arrays["known.places"], np.float32), values["edge"]),
                )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"what an emulator is made of lacks or is something else: {error!r}; train it again"
            ) from error
        return made

    def _by_row(
        self, inputs: Mapping[str, ArrayLike]
    ) -> tuple[Mapping[str, ArrayLike], Rows | None]:
        """Inputs of what the model sees: of rows, where it knows plants apart."""
        if self.rows is None:
            return inputs, None
        rows = self.rows.rows(inputs)
        return self.rows.inputs(inputs, rows), rows

    def _by_site(self, outputs: Array, rows: Rows | None) -> Array:
        return outputs if self.rows is None or rows is None else self.rows.pools(outputs, rows)

    def _normalised(self, inputs: Mapping[str, ArrayLike]) -> dict[str, Tensor]:
        lacking = [kind.name for kind in self.config.inputs if kind.name not in inputs]
        if lacking:
            raise ValueError(f"inputs {sorted(inputs)} came; {', '.join(lacking)} wanted too")
        normalised = self.scales.normalised(inputs)
        counts = {name: len(values) for name, values in normalised.items()}
        count = min(counts.values())
        if count < 1 or count < max(counts.values()):
            said = ", ".join(f"{sites} of {name}" for name, sites in counts.items())
            raise ValueError(f"sites: {said}; wanted as many of each kind, and one at least")
        return normalised

    @torch.no_grad()
    def _said(self, normalised: Mapping[str, Tensor]) -> Array:
        """Normalised pools that each model says, (member, N, K)."""
        count = len(next(iter(normalised.values())))
        made = [
            torch.cat(
                [
                    model({name: values[at : at + CHUNK] for name, values in normalised.items()})
                    for at in range(0, count, CHUNK)
                ]
            )
            for model in self.models
        ]
        return torch.stack(made).double().numpy()


def _loaded(config: SpinUpConfig, weights: Mapping[str, Tensor]) -> OrbitSpinUp:
    with torch.device("meta"):
        model = OrbitSpinUp(config)
    try:
        model.load_state_dict(dict(weights), assign=True)
    except RuntimeError as error:
        raise ValueError(f"weights of another emulator: {error}") from error
    return model.eval().requires_grad_(False)


def _features(said: Array, normalised: Mapping[str, Tensor]) -> Array:
    """What the size of an error may depend on, (N, D): pools, how models differ, inputs.

    None of it leads back to the weights: the pools that are predicted are what they were.
    """
    parts = [said.mean(0)]
    if len(said) > 1:
        parts.append(np.log(said.std(0) + 1e-3))
    return np.concatenate([*parts, _places(normalised).astype(np.float64)], -1)


def _places(normalised: Mapping[str, Tensor]) -> NDArray[np.float32]:
    """Sites in a space in which each kind of input weighs as much as another, (N, D).

    What is missing lies a standard deviation off what is known.
    """
    parts = []
    for values in normalised.values():
        flat = values.flatten(1).numpy()
        both = np.concatenate([np.nan_to_num(flat), np.isnan(flat)], -1)
        parts.append(both / np.sqrt(flat.shape[1]))
    return np.concatenate(parts, -1).astype(np.float32)
