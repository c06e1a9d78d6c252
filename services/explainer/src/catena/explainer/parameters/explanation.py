"""Which parameter drives which output: Sobol, PAWN and Shapley values of one surrogate, together.

Every output asked for gets first-order and total Sobol indices. What costs more (pairs, PAWN,
Shapley values) is given for all outputs where they are few, else for some spread evenly over each
group (the steps of one variable): those are called detailed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.explainer.attribution.agreement import Agreement, rank_agreement
from catena.explainer.parameters.groups import OutputGroup, output_groups, spread_over
from catena.explainer.parameters.pawn import PawnIndices, pawn_indices
from catena.explainer.parameters.shapley import ParameterShap, parameter_shap
from catena.explainer.parameters.sobol import SobolIndices, sobol_indices
from catena.explainer.parameters.surrogate import ParameterModel
from catena.explainer.parameters.tables import dataset_of
from catena.explainer.parameters.words import NOTHING, notes_of, words_of
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

METHODS = ("sobol", "pawn", "shap")
MOST_DETAILED = 24
"""Outputs that get everything."""
OUTPUTS_AT_A_TIME = 1000
"""Of a field: their sums are held together."""
FIRST_SAMPLES = 1024
PAWN_SAMPLES = 4096


@dataclass(frozen=True)
class ParameterSettings:
    """What to compute.

    Parameters
    ----------
    methods : tuple of str
        Of ``"sobol"``, ``"pawn"``, ``"shap"``.
    outputs : tuple of str
        Names of the outputs to explain; all where empty.
    samples : int
        Base points of Sobol's indices at most, a power of two; 1024 to begin with, doubled until
        all intervals are within `tolerance`.
    tolerance : float
        Wanted half width of the intervals of Sobol's indices.
    confidence : float
        Of all intervals, and of PAWN's threshold.
    points, background : int
        Points whose Shapley values are given, and points that stand for the box.
    seed : int
        The same seed gives the same numbers.
    """

    methods: tuple[str, ...] = METHODS
    outputs: tuple[str, ...] = ()
    samples: int = 32768
    tolerance: float = 0.01
    confidence: float = 0.95
    points: int = 128
    background: int = 32
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ParameterExplanation:
    """Sensitivities of the outputs of a surrogate.

    Parameters
    ----------
    model : ParameterModel
        With the outputs that were asked for.
    settings : ParameterSettings
    title : str
    groups : tuple of OutputGroup
        Outputs that are steps of one variable.
    detailed : (m,) array of int
        Outputs with everything.
    sobol : SobolIndices or None
        Of all outputs, without pairs.
    pairs : (d, d, m) array or None
        Second-order Sobol indices of the detailed outputs; NaN on the diagonal.
    pairs_error : (d, d, m) array or None
        Half widths of their intervals.
    pawn : PawnIndices or None
    shap : ParameterShap or None
        Both of the detailed outputs.
    agreement : Agreement or None
        Mean rank correlation between methods over the detailed outputs.
    seconds : dict
        CPU seconds by method; they are not part of the result.
    """

    model: ParameterModel
    settings: ParameterSettings
    title: str
    groups: tuple[OutputGroup, ...]
    detailed: NDArray[np.int64]
    sobol: SobolIndices | None
    pairs: Array | None
    pairs_error: Array | None
    pawn: PawnIndices | None
    shap: ParameterShap | None
    agreement: Agreement | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def still(self) -> NDArray[np.bool_]:
        """Outputs that do not vary over the box, (k,)."""
        if self.sobol is not None:
            return self.sobol.still
        found = np.zeros(len(self.model.outputs), dtype=bool)
        if self.pawn is not None:
            found[self.detailed] = np.isnan(self.pawn.median[0])
        elif self.shap is not None:
            size = np.abs(self.shap.prediction).max(0)
            found[self.detailed] = np.ptp(self.shap.prediction, axis=0) <= 1e-9 * size
        return found

    def shares(self) -> tuple[str, Array]:
        """The leading method and its importances of the detailed outputs, (d, m).

        Total Sobol indices; without them each parameter's share of the mean size of all Shapley
        values; without those PAWN. NaN for an output that does not vary.
        """
        if self.sobol is not None:
            return "sobol", self.sobol.total[:, self.detailed]
        if self.shap is not None:
            size = self.shap.importance
            whole = np.where(self.still[self.detailed], np.nan, size.sum(0))
            return "shap", size / whole
        assert self.pawn is not None
        return "pawn", self.pawn.median

    def to_dataset(self) -> xr.Dataset:
        """All numbers; see :mod:`catena.explainer.parameters.tables`."""
        return dataset_of(self)

    def about(self) -> dict[str, Any]:
        """What was done and what it says, JSON-able, without times."""
        return {
            "title": self.title,
            "surrogate": self.model.about,
            "parameters": [
                {"name": name, "units": units, "long_name": words, "low": low, "high": high}
                for name, units, words, low, high in zip(
                    *vars(self.model.parameters).values(),
                    self.model.low.tolist(),
                    self.model.high.tolist(),
                    strict=True,
                )
            ],
            "outputs": len(self.model.outputs),
            "detailed_outputs": [self.model.outputs.names[i] for i in self.detailed],
            "groups": [{"name": g.name, "units": g.units, "outputs": len(g)} for g in self.groups],
            "settings": asdict(self.settings),
            "methods": self._methods(),
            "agreement": None
            if self.agreement is None
            else {
                "methods": list(self.agreement.methods),
                "spearman": [
                    [None if np.isnan(x) else round(float(x), 4) for x in row]
                    for row in self.agreement.spearman
                ],
            },
            "drivers": self._drivers(),
            "notes": notes_of(self),
            "words": words_of(self),
        }

    def _methods(self) -> dict[str, Any]:
        done: dict[str, Any] = {}
        if (s := self.sobol) is not None:
            done["sobol"] = {
                "samples": s.samples,
                "evaluations": s.evaluations,
                "largest_half_width": s.error,
                "within_tolerance": s.converged,
            }
        if (p := self.pawn) is not None:
            done["pawn"] = {"samples": p.samples, "slices": p.slices, "threshold": p.threshold}
        if (h := self.shap) is not None:
            done["shap"] = {
                "method": h.method,
                "evaluations": h.evaluations,
                "additivity_error": h.additivity,
            }
        return done

    def _drivers(self) -> dict[str, list[dict[str, Any]]]:
        """Parameters of each detailed output by falling importance, those that do something."""
        _, shares = self.shares()
        names = self.model.parameters.names
        return {
            self.model.outputs.names[output]: [
                {"parameter": names[i], "share": round(float(column[i]), 4)}
                for i in np.argsort(-column, kind="stable")
                if column[i] >= NOTHING  # NaN is not
            ]
            for output, column in zip(self.detailed, shares.T, strict=True)
        }


def explain_parameters(
    model: ParameterModel,
    settings: ParameterSettings | None = None,
    *,
    title: str = "",
    progress: Progress | None = None,
) -> ParameterExplanation:
    """Find which parameter drives which output.

    Parameters
    ----------
    model : ParameterModel
        See :func:`catena.explainer.parameters.surrogate.read_surrogate`.
    settings : ParameterSettings, optional
    title : str
        For the page; that of the runs where empty.
    progress : callable, optional
        Takes a share from 0 to 1 and a message.

    Raises
    ------
    InvalidData
        Unknown or repeated methods or outputs, a surrogate that gives NaN, or none of whose outputs
        depends on any parameter.
    """
    settings = settings or ParameterSettings()
    report = progress or (lambda fraction, message: None)
    model = model.select(_chosen(model, settings))
    groups = output_groups(model.outputs)
    detailed = spread_over(groups, MOST_DETAILED)
    some = model.select(detailed.tolist())
    d, seconds = len(model.parameters), {}
    sobol = pairs = pawn = shap = None
    if "sobol" in settings.methods:
        began = time.process_time()
        if len(detailed) == len(model.outputs):
            sobol = pairs = _sobol(model, settings, True, _part(report, 0.0, 0.5))
        else:
            pairs = _sobol(some, settings, True, _part(report, 0.0, 0.1))
            sobol = _sobol_of_many(model, settings, _part(report, 0.1, 0.5))
        seconds["sobol"] = time.process_time() - began
    if "pawn" in settings.methods:
        began = time.process_time()
        report(0.5, "PAWN")
        unit = np.random.default_rng([settings.seed, 3]).random((PAWN_SAMPLES, d))
        pawn = pawn_indices(
            unit, some.predict(unit), confidence=settings.confidence, seed=settings.seed
        )
        seconds["pawn"] = time.process_time() - began
    if "shap" in settings.methods:
        began = time.process_time()
        shap = parameter_shap(
            some.predict, d, points=settings.points, background=settings.background,
            seed=settings.seed, progress=_part(report, 0.6, 0.98),
        )  # fmt: skip
        seconds["shap"] = time.process_time() - began
    found = ParameterExplanation(
        model,
        settings,
        title or model.about["title"] or "Sensitivity of a land model to its parameters",
        groups,
        detailed,
        sobol,
        None if pairs is None else pairs.second,
        None if pairs is None else pairs.second_error,
        pawn,
        shap,
        _agreement(detailed, sobol, pawn, shap),
        seconds,
    )
    if found.still.all():
        raise InvalidData(
            f"none of the {len(model.outputs)} outputs depends on any of the {d} parameters: there "
            "is nothing to explain; look at the runs that the surrogate was trained on"
        )
    report(1.0, "sensitivities found")
    return found


def _chosen(model: ParameterModel, settings: ParameterSettings) -> list[int]:
    """Places of the outputs asked for, in the model's order."""
    known = {name: place for place, name in enumerate(model.outputs.names)}
    wrong = [
        FieldViolation(f"methods[{i}]", f"got {name!r}; name each of {', '.join(METHODS)} once")
        for i, name in enumerate(settings.methods)
        if name not in METHODS or name in settings.methods[:i]
    ]
    wrong += [
        FieldViolation(f"outputs[{i}]", f"got {name!r}; the surrogate has {_some(known)}")
        for i, name in enumerate(settings.outputs)
        if name not in known
    ]
    if not settings.methods:
        wrong.append(FieldViolation("methods", f"got none; choose from {', '.join(METHODS)}"))
    if wrong:
        raise InvalidData("the sensitivities asked for cannot be given", violations=wrong)
    return sorted({known[name] for name in settings.outputs}) or list(range(len(known)))


def _some(names: dict[str, int]) -> str:
    return ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")


def _part(report: Progress, start: float, end: float) -> Progress:
    return lambda fraction, message: report(start + (end - start) * fraction, message)


def _sobol(
    model: ParameterModel, settings: ParameterSettings, second_order: bool, report: Progress
) -> SobolIndices:
    return sobol_indices(
        model.predict,
        len(model.parameters),
        samples=min(FIRST_SAMPLES, settings.samples),
        most_samples=settings.samples,
        tolerance=settings.tolerance,
        confidence=settings.confidence,
        second_order=second_order,
        seed=settings.seed,
        progress=report,
    )


def _sobol_of_many(
    model: ParameterModel, settings: ParameterSettings, report: Progress
) -> SobolIndices:
    """First-order and total indices of outputs in parts, which bounds the memory."""
    k = len(model.outputs)
    starts = range(0, k, OUTPUTS_AT_A_TIME)
    parts = [
        _sobol(
            model.select(range(start, min(start + OUTPUTS_AT_A_TIME, k))),
            settings,
            False,
            _part(report, start / k, min(start + OUTPUTS_AT_A_TIME, k) / k),
        )
        for start in starts
    ]

    def joined(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts], axis=-1)

    return SobolIndices(
        joined("first"), joined("first_error"), joined("total"), joined("total_error"), None, None,
        joined("mean"), joined("variance"), settings.confidence,
        max(part.samples for part in parts), sum(part.evaluations for part in parts),
        max(part.error for part in parts), all(part.converged for part in parts),
    )  # fmt: skip


def _agreement(
    detailed: NDArray[np.int64],
    sobol: SobolIndices | None,
    pawn: PawnIndices | None,
    shap: ParameterShap | None,
) -> Agreement | None:
    """Mean over outputs of the rank correlations; what cannot be told from nothing is a tie."""
    found: dict[str, Array] = {}
    if sobol is not None:
        total, error = sobol.total[:, detailed], sobol.total_error[:, detailed]
        found["sobol"] = np.where(total > error, total, 0.0)
    if pawn is not None:
        found["pawn"] = np.where(pawn.matters, pawn.median, 0.0)
    if shap is not None:
        size = shap.importance
        found["shap"] = np.where(size > 0.01 * size.sum(0), size, 0.0)
    if len(found) < 2:
        return None
    each = [
        rank_agreement({name: values[:, k] for name, values in found.items()}).spearman
        for k in range(len(detailed))
    ]
    stack = np.stack(each)
    known = ~np.isnan(stack)
    whole = np.where(known, stack, 0.0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    return Agreement(tuple(found), whole)
