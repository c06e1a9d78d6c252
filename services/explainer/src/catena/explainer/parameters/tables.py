"""The numbers of a sensitivity as a dataset in CF style.

=======================  ==========================================  ==============================
variable                 dims                                        what
=======================  ==========================================  ==============================
``first_order``          (parameter, output)                         Sobol index of it alone
``total_order``          (parameter, output)                         and with all others
``second_order``         (parameter, other_parameter, detailed)      of the pair beyond each alone
``pawn``                 (parameter, detailed)                       median distance, 0 to 1
``shap``                 (sample, parameter, detailed)               units of the output
``shap_importance``      (parameter, detailed)                       mean size of ``shap``
``sample_value``         (sample, parameter)                         units of the parameter
``r2``, ``mean``,        (output)                                    of the surrogate
``standard_deviation``
=======================  ==========================================  ==============================

``detailed`` is the dim ``detailed_output``. Each index with an interval has a partner
``<name>_error``: its half width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from catena.explainer.parameters.explanation import ParameterExplanation

PAIR = ("parameter", "other_parameter", "detailed_output")


def dataset_of(found: ParameterExplanation) -> xr.Dataset:
    """Dataset of a sensitivity; methods that were not asked for are left out."""
    model, detailed = found.model, found.detailed
    names = np.array(model.outputs.names)
    parameters = list(model.parameters.names)
    dataset = xr.Dataset(
        coords={
            "parameter": parameters,
            "parameter_units": ("parameter", list(model.parameters.units)),
            "parameter_long_name": ("parameter", list(model.parameters.long_names)),
            "parameter_low": ("parameter", model.low),
            "parameter_high": ("parameter", model.high),
            "output": names.tolist(),
            "output_units": ("output", list(model.outputs.units)),
            "output_long_name": ("output", list(model.outputs.long_names)),
            "output_group": ("output", _group_of_each(found)),
            "detailed_output": names[detailed].tolist(),
            "detailed_output_units": (
                "detailed_output",
                [model.outputs.units[i] for i in detailed],
            ),
        },
        attrs={"Conventions": "CF-1.11", "title": found.title},
    )
    _add(dataset, "r2", ("output",), model.r2, "share of variance explained in cross-validation")
    if found.sobol is not None:
        _add_sobol(dataset, found)
    if (pawn := found.pawn) is not None:
        dims = ("parameter", "detailed_output")
        _add(dataset, "pawn", dims, pawn.median, "PAWN index, median over slices", pawn.error)
        _add(dataset, "pawn_largest", dims, pawn.largest, "PAWN index, largest over slices")
        dataset["pawn"].attrs["threshold"] = pawn.threshold
    if (shap := found.shap) is not None:
        three = ("sample", "parameter", "detailed_output")
        of_output = "units of the output"
        _add(
            dataset, "shap", three, shap.values.transpose(0, 2, 1), "Shapley value", units=of_output
        )
        _add(
            dataset, "shap_importance", three[1:], shap.importance, "mean size of Shapley values",
            units=of_output,
        )  # fmt: skip
        _add(
            dataset, "shap_reference", three[2:], shap.reference, "mean output over the background",
            units=of_output,
        )  # fmt: skip
        _add(
            dataset, "sample_value", three[:2], model.physical(shap.unit), "value of the parameter",
            units="units of the parameter",
        )  # fmt: skip
    return dataset


def _add_sobol(dataset: xr.Dataset, found: ParameterExplanation) -> None:
    sobol = found.sobol
    assert sobol is not None
    dims = ("parameter", "output")
    _add(dataset, "first_order", dims, sobol.first, "first-order Sobol index", sobol.first_error)
    _add(dataset, "total_order", dims, sobol.total, "total Sobol index", sobol.total_error)
    if found.pairs is not None:
        _add(
            dataset, "second_order", PAIR, found.pairs, "second-order Sobol index",
            found.pairs_error,
        )  # fmt: skip
        dataset.coords["other_parameter"] = list(found.model.parameters.names)
    of_output = "units of the output"
    _add(dataset, "mean", ("output",), sobol.mean, "mean over the box", units=of_output)
    _add(
        dataset, "standard_deviation", ("output",), np.sqrt(sobol.variance),
        "standard deviation over the box", units=of_output,
    )  # fmt: skip


def _add(
    dataset: xr.Dataset,
    name: str,
    dims: tuple[str, ...],
    values: np.ndarray,
    words: str,
    error: np.ndarray | None = None,
    units: str = "1",
) -> None:
    dataset[name] = (dims, np.asarray(values), {"long_name": words, "units": units})
    if error is not None:
        what = f"half width of the confidence interval of the {words}"
        dataset[f"{name}_error"] = (dims, error, {"long_name": what, "units": units})


def _group_of_each(found: ParameterExplanation) -> list[str]:
    names = [""] * len(found.model.outputs)
    for group in found.groups:
        for place in group.members:
            names[place] = group.name
    return names
