"""What the Climate Data Store has of ERA5, and the requests that it takes.

Source: the pages of the datasets in the store, which show the request for every choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from catena.shared.lexicon import lookup

_INSTANTS = (
    "2m_temperature", "2m_dewpoint_temperature", "skin_temperature",
    "10m_u_component_of_wind", "10m_v_component_of_wind", "surface_pressure",
    "volumetric_soil_water_layer_1", "volumetric_soil_water_layer_2",
    "volumetric_soil_water_layer_3", "volumetric_soil_water_layer_4",
)  # fmt: skip
_AMOUNTS = (
    "total_precipitation", "snowfall", "snowmelt", "potential_evaporation", "runoff",
    "surface_runoff", "surface_solar_radiation_downwards", "surface_thermal_radiation_downwards",
    "surface_net_solar_radiation", "surface_net_thermal_radiation", "surface_latent_heat_flux",
    "surface_sensible_heat_flux",
)  # fmt: skip
_SINGLE = (
    *_INSTANTS,
    "sea_surface_temperature", "maximum_2m_temperature_since_previous_post_processing",
    "minimum_2m_temperature_since_previous_post_processing", "instantaneous_10m_wind_gust",
    "10m_wind_gust_since_previous_post_processing", "mean_sea_level_pressure",
    "total_cloud_cover", "total_column_water_vapour", "snow_depth", "sea_ice_cover",
    "land_sea_mask",
    *_AMOUNTS,
    "convective_precipitation", "evaporation", "toa_incident_solar_radiation",
    "mean_total_precipitation_rate", "mean_snowfall_rate", "mean_evaporation_rate",
    "mean_runoff_rate", "mean_surface_downward_short_wave_radiation_flux",
    "mean_surface_downward_long_wave_radiation_flux",
    "mean_surface_net_short_wave_radiation_flux", "mean_surface_net_long_wave_radiation_flux",
    "mean_surface_latent_heat_flux", "mean_surface_sensible_heat_flux",
)  # fmt: skip
_LAND = (*_INSTANTS, "snow_depth_water_equivalent", *_AMOUNTS, "total_evaporation")
_LEVELS = (
    "temperature", "u_component_of_wind", "v_component_of_wind", "vertical_velocity",
    "specific_humidity", "relative_humidity", "geopotential",
)  # fmt: skip

# The store's word where the lexicon knows the variable by the name in its files only.
_IN_FILES = {"snow_depth": "sd"}

PRESSURES = tuple(
    str(level)
    for level in (
        *(1, 2, 3, 5, 7, 10, 20, 30, 50, 70, *range(100, 251, 25), *range(300, 751, 50)),
        *range(775, 1001, 25),
    )
)
"""hPa."""


@dataclass(frozen=True)
class Product:
    """One kind of data of a dataset.

    Parameters
    ----------
    vocabulary : str
        Of its files.
    frequency : str
        Facet of entries.
    hours : tuple of str
        Times of the day that it has.
    """

    vocabulary: str
    frequency: str
    hours: tuple[str, ...]

    @property
    def monthly(self) -> bool:
        """Whether it holds means of months: a year of them is one request."""
        return self.frequency == "mon"


@dataclass(frozen=True)
class CdsDataset:
    """One dataset of the store.

    Parameters
    ----------
    variables : tuple of str
        The store's long names of those that the lexicon knows.
    products : mapping
        ``product_type`` -> product; one with the name ``""`` where the dataset has no types.
    first : datetime.date
    levels : bool
        On pressure levels.
    """

    variables: tuple[str, ...]
    products: Mapping[str, Product]
    first: date
    levels: bool = False

    def canonical(self, vocabulary: str) -> dict[str, tuple[str, ...]]:
        """Canonical name -> the store's variable; of several the first, amounts before rates."""
        names: dict[str, tuple[str, ...]] = {}
        for variable in self.variables:
            row = lookup(vocabulary, _IN_FILES.get(variable, variable))
            if row is not None:
                names.setdefault(row.name, (variable,))
        return names


def _clock(step: int) -> tuple[str, ...]:
    return tuple(f"{hour:02d}:00" for hour in range(0, 24, step))


_HOURLY = {
    "reanalysis": Product("era5", "1hr", _clock(1)),
    "ensemble_members": Product("era5_ensemble", "3hr", _clock(3)),
    "ensemble_mean": Product("era5_ensemble", "3hr", _clock(3)),
}
_MONTHLY = {"monthly_averaged_reanalysis": Product("era5_monthly", "mon", ("00:00",))}
_ERA5, _ERA5_LAND = date(1940, 1, 1), date(1950, 1, 1)

DATASETS = {
    "reanalysis-era5-single-levels": CdsDataset(_SINGLE, _HOURLY, _ERA5),
    "reanalysis-era5-pressure-levels": CdsDataset(_LEVELS, _HOURLY, _ERA5, levels=True),
    "reanalysis-era5-single-levels-monthly-means": CdsDataset(_SINGLE, _MONTHLY, _ERA5),
    "reanalysis-era5-pressure-levels-monthly-means": CdsDataset(
        _LEVELS, _MONTHLY, _ERA5, levels=True
    ),
    "reanalysis-era5-land": CdsDataset(
        _LAND, {"": Product("era5_land", "1hr", _clock(1))}, _ERA5_LAND
    ),
    "reanalysis-era5-land-monthly-means": CdsDataset(_LAND, _MONTHLY, _ERA5_LAND),
}
"""Datasets by the store's names."""


def request(
    product_type: str,
    product: Product,
    variables: tuple[str, ...],
    *,
    hours: tuple[str, ...] = (),
    days: tuple[int, ...] = (),
    levels: tuple[str, ...] = (),
    area: tuple[float, float, float, float] | None = None,
) -> dict[str, Any]:
    """A request without its years and months, as the store's pages show it.

    Parameters
    ----------
    product_type : str
        Empty where the dataset has none.
    product : Product
    variables : tuple of str
        Long names.
    hours, days : tuple
        Default: all.
    levels : tuple of str
        hPa.
    area : tuple of float, optional
        North, west, south, east, degrees; east of a box across 180 degrees is made to exceed west.
    """
    made: dict[str, Any] = {"product_type": [product_type]} if product_type else {}
    made |= {"variable": list(variables), "time": list(hours or product.hours)}
    if not product.monthly:
        made["day"] = [f"{day:02d}" for day in days or range(1, 32)]
    if levels:
        made["pressure_level"] = list(levels)
    if area is not None:
        north, west, south, east = area
        made["area"] = [north, west, south, east + 360.0 * (east < west)]
    return made | {"data_format": "netcdf", "download_format": "unarchived"}
