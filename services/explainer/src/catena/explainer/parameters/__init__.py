"""Which parameter of a land model drives which of its outputs, on a surrogate of that model."""

from catena.explainer.parameters.explanation import (
    ParameterExplanation,
    ParameterSettings,
    explain_parameters,
)
from catena.explainer.parameters.page import parameters_page
from catena.explainer.parameters.surrogate import ParameterModel, read_surrogate

__all__ = [
    "ParameterExplanation",
    "ParameterModel",
    "ParameterSettings",
    "explain_parameters",
    "parameters_page",
    "read_surrogate",
]
