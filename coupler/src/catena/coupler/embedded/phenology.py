"""When leaves come and go: evergreen, seasonal-deciduous and stress-deciduous plants."""

from __future__ import annotations

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.state import (
    N_TISSUES,
    P_DAYS_ACTIVE,
    P_DORMANT,
    P_FDD,
    P_OFFSET_COUNTER,
    P_OFFSET_SWI,
    P_ONSET_COUNTER,
    P_ONSET_GDD,
    P_ONSET_GDDFLAG,
    P_ONSET_SWI,
    STORAGE,
    XFER,
)


@compiled
def begin_onset(plant, scalars):  # type: ignore[no-untyped-def]
    """Wake up: a part of the storage becomes transfer, to be displayed within ``ndays_on``."""
    plant[P_DORMANT] = 0.0
    plant[P_ONSET_COUNTER] = scalars[i.NDAYS_ON]
    plant[P_DAYS_ACTIVE] = 0.0
    plant[P_ONSET_GDDFLAG] = 0.0
    plant[P_ONSET_GDD] = 0.0
    plant[P_ONSET_SWI] = 0.0
    plant[P_OFFSET_SWI] = 0.0
    plant[P_FDD] = 0.0
    for tissue in range(N_TISSUES):
        moved = scalars[i.FSTOR2TRAN] * plant[STORAGE + tissue]
        plant[STORAGE + tissue] -= moved
        plant[XFER + tissue] += moved


@compiled
def evergreen(plant):  # type: ignore[no-untyped-def]
    """Evergreens have no season: what a cold start has stored is displayed at once."""
    if plant[P_DORMANT] < 0.5:
        return
    plant[P_DORMANT] = 0.0
    for tissue in range(N_TISSUES):
        plant[tissue] += plant[STORAGE + tissue] + plant[XFER + tissue]
        plant[STORAGE + tissue] = 0.0
        plant[XFER + tissue] = 0.0


@compiled
def begin_offset(plant, scalars):  # type: ignore[no-untyped-def]
    """Begin to shed leaves and fine roots over ``ndays_off``."""
    plant[P_OFFSET_COUNTER] = scalars[i.NDAYS_OFF]
    plant[P_OFFSET_SWI] = 0.0
    plant[P_FDD] = 0.0


@compiled
def seasonal(plant, scalars, soil, daylength, lengthening):  # type: ignore[no-untyped-def]
    """Triggers of seasonal-deciduous plants (White et al. 1997; Oleson et al. 2013, section 20.2).

    Degree-days above 0 degC count from the winter solstice; at ``crit_onset_gdd`` the leaves come.
    They go when days have become shorter than ``crit_dayl``.
    """
    if plant[P_DORMANT] > 0.5:
        if lengthening < 0.5:
            plant[P_ONSET_GDDFLAG] = 0.0
            plant[P_ONSET_GDD] = 0.0
            return
        plant[P_ONSET_GDDFLAG] = 1.0
        plant[P_ONSET_GDD] += max(soil, 0.0)
        if plant[P_ONSET_GDD] >= scalars[i.CRIT_ONSET_GDD]:
            begin_onset(plant, scalars)
    elif plant[P_OFFSET_COUNTER] <= 0.0 and lengthening < 0.5 and daylength < scalars[i.CRIT_DAYL]:
        begin_offset(plant, scalars)


@compiled
def stressed(plant, scalars, soil, potential, daylength):  # type: ignore[no-untyped-def]
    """Triggers of stress-deciduous plants (Oleson et al. 2013, section 20.3, without its lags).

    Dormant plants wait for moist soil and, after frost, for warmth; active ones shed when drought,
    frost or short days last.

    Parameters
    ----------
    potential : float
        Soil water potential at about .1 m, MPa.
    """
    if plant[P_DORMANT] > 0.5:
        if soil < 0.0:
            plant[P_FDD] += 1.0
            if plant[P_FDD] > scalars[i.CRIT_OFFSET_FDD]:
                plant[P_ONSET_GDDFLAG] = 1.0
                plant[P_ONSET_GDD] = 0.0
                plant[P_ONSET_SWI] = 0.0
        if plant[P_ONSET_GDDFLAG] > 0.5:
            plant[P_ONSET_GDD] += max(soil, 0.0)
        if potential >= scalars[i.SOILPSI_ON]:
            plant[P_ONSET_SWI] += 1.0
        warm = plant[P_ONSET_GDDFLAG] < 0.5 or plant[P_ONSET_GDD] >= scalars[i.CRIT_ONSET_GDD]
        if (
            warm
            and plant[P_ONSET_SWI] > scalars[i.CRIT_ONSET_SWI]
            and daylength > scalars[i.CRIT_DAYL_STRESS]
        ):
            begin_onset(plant, scalars)
        return
    if plant[P_OFFSET_COUNTER] > 0.0:
        return
    plant[P_DAYS_ACTIVE] += 1.0
    if potential <= scalars[i.SOILPSI_OFF]:
        plant[P_OFFSET_SWI] += 1.0
    elif potential >= scalars[i.SOILPSI_ON]:
        plant[P_OFFSET_SWI] = max(plant[P_OFFSET_SWI] - 1.0, 0.0)
    if soil < 0.0:
        plant[P_FDD] += 1.0
    else:
        plant[P_FDD] = max(plant[P_FDD] - 1.0, 0.0)
    if (
        plant[P_OFFSET_SWI] >= scalars[i.CRIT_OFFSET_SWI]
        or plant[P_FDD] > scalars[i.CRIT_OFFSET_FDD]
        or (daylength <= scalars[i.CRIT_DAYL_STRESS] and plant[P_ONSET_COUNTER] <= 0.0)
    ):
        begin_offset(plant, scalars)


@compiled
def display(plant):  # type: ignore[no-untyped-def]
    """Move transfer pools into tissue: 2/(n + 1) of them with n days left, declining to the end.

    Source: the rate 2/n of Oleson et al. (2013, equation 20.3), so that nothing is left.
    """
    if plant[P_ONSET_COUNTER] <= 0.0:
        return
    fraction = min(2.0 / (plant[P_ONSET_COUNTER] + 1.0), 1.0)
    if plant[P_ONSET_COUNTER] <= 1.0:
        fraction = 1.0
    for tissue in range(N_TISSUES):
        moved = fraction * plant[XFER + tissue]
        plant[XFER + tissue] -= moved
        plant[tissue] += moved
    plant[P_ONSET_COUNTER] = max(plant[P_ONSET_COUNTER] - 1.0, 0.0)


@compiled
def shed_fraction(plant, days):  # type: ignore[no-untyped-def]
    """Fraction of leaves and fine roots that falls today in the offset period; counts the day.

    Litterfall rises linearly over the period (Oleson et al. 2013, equation 20.15): day i of n sheds
    i parts of those that are left, i + (i + 1) + ... + n.
    """
    left = plant[P_OFFSET_COUNTER]
    if left <= 0.0:
        return 0.0
    plant[P_OFFSET_COUNTER] = max(left - 1.0, 0.0)
    if left <= 1.0:
        plant[P_DORMANT] = 1.0
        plant[P_DAYS_ACTIVE] = 0.0
        return 1.0
    now = max(days - left + 1.0, 1.0)
    return now / (0.5 * (days * (days + 1.0) - now * (now - 1.0)))


@compiled
def background(plant, pft):  # type: ignore[no-untyped-def]
    """Share of the yearly turnover that goes on all the time: 1 for evergreens.

    Stress-deciduous plants that found no reason to shed for a year grow into it (Oleson et al.
    2013, section 20.3.3).
    """
    if pft[i.EVERGREEN] > 0.5:
        return 1.0
    if pft[i.STRESS_DECID] > 0.5:
        return min(max((plant[P_DAYS_ACTIVE] - 365.0) / 365.0, 0.0), 1.0)
    return 0.0
