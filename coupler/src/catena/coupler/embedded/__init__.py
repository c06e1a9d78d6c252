"""The embedded land model: a daily carbon, nitrogen, water and energy column with ELM's names.

Not a replacement of ELM: it makes ensembles, calibration and spin-up possible where ELM is not at
hand, with the same parameters, stages, restart and history names.

What is simpler than in ELM, and was chosen so that the model with ELM's default parameters stands
near ELM at Missouri Ozark (GPP, latent heat, leaf area, soil and plant carbon):

- one pool of each kind for the whole soil; decomposition is slowed by the mean of ELM's depth
  factor over ELM's equilibrium profile of that pool (``depth_*``);
- water drains freely from layer to layer and does not rise; there is no ground water and no soil
  ice, but roots take up nothing from frozen soil;
- one temperature of the upper soil that follows the air;
- surplus mineral nitrogen is lost at ``excess_n_loss``, in place of ELM's nitrification and
  denitrification;
- plants draw on their nitrogen store over 45 days; the canopy holds three fillings of rain a day;
- phosphorus never limits, and there is no fire, harvest or crop management.
"""

from __future__ import annotations

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.model import EmbeddedModel
from catena.coupler.embedded.parameters import ParameterSet, parameter_table
from catena.coupler.embedded.periods import Days
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.stages import SpinUpStages, spin_up, transient
from catena.coupler.embedded.state import State, cold_start, leave_ad

__all__ = [
    "Columns",
    "Days",
    "EmbeddedModel",
    "ParameterSet",
    "Run",
    "SpinUpStages",
    "State",
    "cold_start",
    "leave_ad",
    "parameter_table",
    "simulate",
    "spin_up",
    "transient",
]
