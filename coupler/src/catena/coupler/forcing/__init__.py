"""Forcing of land models: daily weather in local time, CO2, nitrogen deposition, site facts."""

from __future__ import annotations

from catena.coupler.forcing.co2 import CO2_1850_PPM, NDEP_1850, CO2Record, read_co2
from catena.coupler.forcing.daily import FORCING, N_FORCING, UNITS, DailyForcing
from catena.coupler.forcing.makers import daily_forcing, site_forcing
from catena.coupler.forcing.ranges import check_range
from catena.coupler.forcing.sites import SITES, SiteFacts, SoilLayer, site_facts

__all__ = [
    "CO2_1850_PPM",
    "FORCING",
    "NDEP_1850",
    "N_FORCING",
    "SITES",
    "UNITS",
    "CO2Record",
    "DailyForcing",
    "SiteFacts",
    "SoilLayer",
    "check_range",
    "daily_forcing",
    "read_co2",
    "site_facts",
    "site_forcing",
]
