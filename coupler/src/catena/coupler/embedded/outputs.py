"""What the model can write: names as in ELM's history where ELM has them."""

from __future__ import annotations

from dataclasses import dataclass

from catena.coupler.embedded.constants import SECONDS
from catena.coupler.embedded.state import POOLS, TISSUES


@dataclass(frozen=True)
class Output:
    """One history variable.

    Parameters
    ----------
    name : str
    units : str
        As written.
    factor : float
        From the model's numbers per day to the units written.
    long_name : str
    elm : bool
        Whether ELM's history has it under this name.
    """

    name: str
    units: str
    factor: float
    long_name: str
    elm: bool = True


def _per_second(name: str, element: str, long_name: str, elm: bool = True) -> Output:
    return Output(name, f"g{element}/m^2/s", 1.0 / SECONDS, long_name, elm)


def _water(name: str, long_name: str, elm: bool = True) -> Output:
    return Output(name, "mm/s", 1.0 / SECONDS, long_name, elm)


def _pool(name: str, element: str, long_name: str, elm: bool = True) -> Output:
    return Output(name, f"g{element}/m^2", 1.0, long_name, elm)


def _state(name: str, units: str, long_name: str, elm: bool = True) -> Output:
    return Output(name, units, 1.0, long_name, elm)


OUTPUTS: tuple[Output, ...] = (
    _per_second("GPP", "C", "gross primary production"),
    _per_second("NPP", "C", "net primary production"),
    _per_second("AR", "C", "autotrophic respiration (MR + GR)"),
    _per_second("MR", "C", "maintenance respiration"),
    _per_second("GR", "C", "growth respiration"),
    _per_second("HR", "C", "heterotrophic respiration"),
    _per_second("NEE", "C", "net ecosystem exchange of carbon, positive to the atmosphere"),
    _state("TLAI", "m^2/m^2", "total projected leaf area index"),
    _state("BTRAN", "1", "transpiration beta factor"),
    _state("FPG", "proportion", "fraction of potential gpp allowed by nitrogen"),
    _state("FPI", "proportion", "fraction of potential immobilization"),
    _state("EFLX_LH_TOT", "W/m^2", "total latent heat flux"),
    _state("FSH", "W/m^2", "sensible heat"),
    _state("FGR", "W/m^2", "heat flux into soil"),
    _state("FSM", "W/m^2", "snow melt heat flux"),
    _state("RNET", "W/m^2", "net radiation"),
    _state("TSKIN", "K", "temperature of the surface"),
    _state("TSOI_10CM", "K", "temperature of the upper soil"),
    _water("QVEGT", "canopy transpiration"),
    _water("QVEGE", "canopy evaporation"),
    _water("QSOIL", "evaporation from soil and snow"),
    _water("QOVER", "surface runoff"),
    _water("QDRAI", "drainage out of the soil"),
    _water("RAIN", "rain"),
    _water("SNOW", "snowfall"),
    _state("H2OSNO", "mm", "snow (water equivalent)"),
    _state("TOTSOILLIQ", "kg/m^2", "water of the soil"),
    _state("SOILWATER_10CM", "kg/m^2", "water of the top 10 cm of soil"),
    _pool("TOTVEGC", "C", "total vegetation carbon"),
    _pool("TOTVEGC_ABG", "C", "aboveground vegetation carbon"),
    _pool("TOTLITC", "C", "total litter carbon"),
    _pool("TOTSOMC", "C", "total soil organic matter carbon"),
    _pool("TOTECOSYSC", "C", "total ecosystem carbon"),
    _pool("CPOOL", "C", "reserve of the plants; negative for a deficit"),
    _pool("NPOOL", "N", "nitrogen store of the plants"),
    _pool("SMINN", "N", "soil mineral nitrogen"),
    _per_second("NFIX_TO_SMINN", "N", "biological fixation"),
    _per_second("NDEP_TO_SMINN", "N", "atmospheric deposition"),
    _per_second("SUPPLEMENT_TO_SMINN", "N", "supplement of nitrogen"),
    _per_second("DENIT", "N", "denitrification"),
    _per_second("SMINN_LEACHED", "N", "leaching"),
    _per_second("SMINN_TO_NPOOL", "N", "uptake by plants"),
    *(_pool(f"{t.upper()}C", "C", f"{t} carbon") for t in TISSUES),
    *(_pool(f"{p.upper()}C", "C", f"{p} carbon") for p in POOLS),
    *(_per_second(f"{p.upper()}C_LOSS", "C", f"loss of {p} carbon", False) for p in POOLS),
    *(_per_second(f"{p.upper()}C_INPUT", "C", f"litter into {p}", False) for p in POOLS),
)
"""In the order of the model's row of outputs."""
N_OUTPUTS = len(OUTPUTS)
OUTPUT_NAMES = tuple(output.name for output in OUTPUTS)
_AT = {name: index for index, name in enumerate(OUTPUT_NAMES)}

O_GPP = _AT["GPP"]
O_NPP = _AT["NPP"]
O_AR = _AT["AR"]
O_MR = _AT["MR"]
O_GR = _AT["GR"]
O_HR = _AT["HR"]
O_NEE = _AT["NEE"]
O_TLAI = _AT["TLAI"]
O_BTRAN = _AT["BTRAN"]
O_FPG = _AT["FPG"]
O_FPI = _AT["FPI"]
O_LH = _AT["EFLX_LH_TOT"]
O_FSH = _AT["FSH"]
O_FGR = _AT["FGR"]
O_FSM = _AT["FSM"]
O_RNET = _AT["RNET"]
O_TSKIN = _AT["TSKIN"]
O_TSOI = _AT["TSOI_10CM"]
O_QVEGT = _AT["QVEGT"]
O_QVEGE = _AT["QVEGE"]
O_QSOIL = _AT["QSOIL"]
O_QOVER = _AT["QOVER"]
O_QDRAI = _AT["QDRAI"]
O_RAIN = _AT["RAIN"]
O_SNOW = _AT["SNOW"]
O_H2OSNO = _AT["H2OSNO"]
O_SOILWATER = _AT["TOTSOILLIQ"]
O_SOILWATER_10CM = _AT["SOILWATER_10CM"]
O_TOTVEGC = _AT["TOTVEGC"]
O_TOTVEGC_ABG = _AT["TOTVEGC_ABG"]
O_TOTLITC = _AT["TOTLITC"]
O_TOTSOMC = _AT["TOTSOMC"]
O_TOTECOSYSC = _AT["TOTECOSYSC"]
O_CPOOL = _AT["CPOOL"]
O_NPOOL = _AT["NPOOL"]
O_SMINN = _AT["SMINN"]
O_NFIX = _AT["NFIX_TO_SMINN"]
O_NDEP = _AT["NDEP_TO_SMINN"]
O_SUPPLEMENT = _AT["SUPPLEMENT_TO_SMINN"]
O_DENIT = _AT["DENIT"]
O_LEACHED = _AT["SMINN_LEACHED"]
O_UPTAKE = _AT["SMINN_TO_NPOOL"]
O_TISSUES = _AT["LEAFC"]
O_POOLS = _AT["LITR1C"]
O_LOSS = _AT["LITR1C_LOSS"]
O_INPUT = _AT["LITR1C_INPUT"]

POOL_OUTPUTS = frozenset(
    index
    for index, output in enumerate(OUTPUTS)
    if output.units in ("gC/m^2", "gN/m^2")
    or output.name in ("H2OSNO", "TOTSOILLIQ", "SOILWATER_10CM")
)
"""What :func:`catena.coupler.embedded.day.describe` fills: sums over the pools, of no use to the
model itself."""
