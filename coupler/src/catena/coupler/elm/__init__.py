"""The real E3SM Land Model, made, built, run and resumed through CIME.

>>> config = ElmConfig.load(path)                                          # doctest: +SKIP
>>> print(ElmExperiment(config).plan_text())                               # doctest: +SKIP
>>> ElmExperiment(config).run()                                            # doctest: +SKIP
"""

from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.ensemble import ElmEnsemble, EnsembleReport
from catena.coupler.elm.equilibrium import judge_equilibrium
from catena.coupler.elm.experiment import ElmExperiment
from catena.coupler.elm.history import collect_history, collect_restarts, read_history
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.model import ElmModel
from catena.coupler.elm.parameters import perturb_parameters
from catena.coupler.elm.sensitivity import one_at_a_time, parameter_effects
from catena.coupler.elm.swap import ElmSwap

__all__ = [
    "ElmCase",
    "ElmConfig",
    "ElmEnsemble",
    "ElmExperiment",
    "ElmLandCase",
    "ElmModel",
    "ElmSwap",
    "EnsembleReport",
    "collect_history",
    "collect_restarts",
    "judge_equilibrium",
    "one_at_a_time",
    "parameter_effects",
    "perturb_parameters",
    "read_history",
]
