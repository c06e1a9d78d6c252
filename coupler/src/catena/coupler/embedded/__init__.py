"""The embedded land model: a daily carbon, nitrogen, water and energy column with ELM's names.

Not a replacement of ELM: it makes ensembles, calibration and spin-up possible where ELM is not at
hand, with the same parameters, stages, restart and history names.
"""

from __future__ import annotations

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.model import EmbeddedModel
from catena.coupler.embedded.parameters import ParameterSet, parameter_table
from catena.coupler.embedded.periods import Days
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.stages import SpinUp, spin_up, transient
from catena.coupler.embedded.state import State, cold_start, leave_ad

__all__ = [
    "Columns",
    "Days",
    "EmbeddedModel",
    "ParameterSet",
    "Run",
    "SpinUp",
    "State",
    "cold_start",
    "leave_ad",
    "parameter_table",
    "simulate",
    "spin_up",
    "transient",
]
