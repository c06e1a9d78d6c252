"""Physical constants and fixed choices of the embedded model; names of PFT-independent numbers.

Values as in the E3SM Land Model's ``shr_const_mod`` where it has them.
"""

from __future__ import annotations

SECONDS = 86400.0
"""Seconds per day."""
DAYS_PER_YEAR = 365.0
"""Days per year of the rates that are given per year, as in ELM's noleap calendar."""
FREEZING = 273.15
"""K."""
STEFAN_BOLTZMANN = 5.67e-8
"""W m-2 K-4."""
VAPORISATION = 2.501e6
"""Latent heat of vaporisation, J kg-1."""
FUSION = 3.337e5
"""Latent heat of fusion, J kg-1."""
HEAT_CAPACITY_AIR = 1004.64
"""J kg-1 K-1."""
GAS = 8.31446
"""J mol-1 K-1."""
DRY_AIR = 287.04
"""Gas constant of dry air, J kg-1 K-1."""
WATER_TO_AIR = 0.622
"""Ratio of the molar masses of water and dry air."""
KARMAN = 0.4

# Radiation.
EMISSIVITY = 0.97
PAR_PER_WATT = 2.3
"""Photons per energy of sunlight: half of it is photosynthetically active, 4.6 umol J-1."""
LEAF_ABSORPTANCE = 0.85
DIFFUSE_EXTINCTION = 0.7
"""Per unit of leaf area, spherical leaves under a uniform sky (Spitters 1986)."""
SHADING = 0.5
"""Extinction of net radiation per unit of plant area."""
ALBEDO_SOIL = 0.17
ALBEDO_SNOW = 0.6

# Canopy and soil surface.
MINIMUM_WIND = 1.0
"""m s-1; weaker wind is gusty."""
REFERENCE_HEIGHT = 10.0
"""m above the displacement height: where the forcing is taken to be measured."""
MINIMUM_VPD = 50.0
"""Pa; floor of the humidity deficit in Medlyn's equation."""
INTERCEPTION = 0.25
"""Largest intercepted fraction of rain (Lawrence et al. 2007)."""
CANOPY_CAPACITY = 0.1
"""kg m-2 of water per unit of plant area (Oleson et al. 2013, section 7.1)."""
CANOPY_FILLINGS = 3.0
"""Times that a day's rain can wet the canopy after it has dried."""
STEM_AREA_WOODY = 1.0
"""Stem area index of a grown stand, m2 m-2."""
STEM_AREA_HALF = 500.0
"""Dead stem carbon with half of that, gC m-2."""

# Snow and soil heat.
DEGREE_DAY = 3.0
"""kg m-2 K-1 d-1 (land model of the spec; Hock 2003 gives 1.5 to 6)."""
SOIL_HEAT_CAPACITY = 2.0e6
"""J m-3 K-1."""
SOIL_HEAT_DEPTH = 0.35
"""m; thickness that follows the temperature of the surface."""
SOIL_HEAT_DAYS = 8.0
"""e-folding time of that under bare ground, days."""
SNOW_INSULATION = 0.05
"""Per kg m-2 of snow: how the exchange of heat with the soil slows down."""

# Photosynthesis.
OXYGEN = 0.209
"""mol mol-1."""
NITROGEN_SCALING = 0.3
"""Decline of leaf nitrogen per unit of leaf area (Oleson et al. 2013, section 8.3)."""
JMAX_PER_VCMAX = 1.97
QUANTUM_YIELD = 0.425
"""Electrons per absorbed photon: half of .85."""
THETA_LIGHT = 0.7
THETA_CJ = 0.98
C4_QUANTUM_YIELD = 0.05
DARK_RESPIRATION = 0.015
"""Of Vcmax (Collatz et al. 1991)."""

# Carbon and nitrogen of plants.
RESERVE_DAYS = 30.0
"""Days in which a carbon deficit is paid back (ELM's ``dayscrecover``)."""
NITROGEN_STORE_DAYS = 45.0
"""Days over which the plant draws on its own nitrogen store."""
FIXATION_MAX = 1.8
"""gN m-2 yr-1 (Cleveland et al. 1999; Oleson et al. 2013, equation 16.1)."""
FIXATION_RATE = 0.003
"""Per gC m-2 yr-1 of net primary production."""
