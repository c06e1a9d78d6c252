"""Faults of place and names, for the catalogue of :mod:`support.faulty_datasets`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from support.faulty_datasets import fault, planted, without

# Places


@fault("monthly_gridded", "longitude", "lon", "lon 0 to 315", "-180 to 180")
def longitudes_to_the_east(good: xr.Dataset) -> xr.Dataset:
    order = [*range(4, 8), *range(4)]
    turned = good.isel(lon=order)
    edges = turned["lon_bnds"].values
    low = turned["lon"].values < 0
    attributes = dict(good["lon"].attrs)
    return turned.assign_coords(
        lon=("lon", np.where(low, turned["lon"] + 360, turned["lon"]), attributes),
        lon_bnds=(("lon", "bnds"), edges + 360 * low[:, None]),
    )


@fault("monthly_gridded", "longitude", "lon", "lon 135 ... -180", "ascending")
def longitudes_backwards(good: xr.Dataset) -> xr.Dataset:
    return good.isel(lon=slice(None, None, -1))


@fault("monthly_gridded", "longitude", "lon", "lon -180 and 180", "each meridian once")
def repeated_meridian(good: xr.Dataset) -> xr.Dataset:
    cyclic = good.isel(lon=[*range(8), 0])
    lon = good["lon"].values
    edges = np.concatenate([good["lon_bnds"].values, good["lon_bnds"].values[:1] + 360])
    return cyclic.assign_coords(
        lon=("lon", [*lon, 180.0], dict(good["lon"].attrs)), lon_bnds=(("lon", "bnds"), edges)
    )


@fault("hourly_site", "longitude", "lon", "lon 273.59", "-180 to 180")
def site_far_in_the_east(good: xr.Dataset) -> xr.Dataset:
    return good.assign_coords(lon=((), 273.59, dict(good["lon"].attrs)))


@fault("monthly_gridded", "latitude_order", "lat", "lat 75 ... -75", "ascending")
def north_first(good: xr.Dataset) -> xr.Dataset:
    return good.isel(lat=slice(None, None, -1))


@fault("monthly_gridded", "coordinate_range", "lat", "-180 to 135", "-90 to 90", outcome="refused")
def latitude_and_longitude_exchanged(good: xr.Dataset) -> xr.Dataset:
    grid = ["lat_bnds", "lon_bnds"]
    return good.drop_vars(grid).rename(lat="lon", lon="lat")


@fault(
    "monthly_gridded",
    "coordinate",
    "lat",
    "no coordinate for lat",
    "values of lat",
    outcome="refused",
)
def no_latitudes(good: xr.Dataset) -> xr.Dataset:
    return good.drop_vars(["lat", "lat_bnds"])


@fault("monthly_gridded", "coordinate", "lat", "lat -45.0 2 times", "once", outcome="refused")
def latitude_twice(good: xr.Dataset) -> xr.Dataset:
    lat = good["lat"].values.copy()
    lat[0] = lat[1]
    return good.drop_vars("lat_bnds").assign_coords(lat=lat)


@fault(
    "monthly_gridded",
    "coordinate",
    "lon",
    "1 of 8 values of lon missing",
    "no missing",
    outcome="refused",
)
def longitude_missing(good: xr.Dataset) -> xr.Dataset:
    lon = good["lon"].values.copy()
    lon[3] = np.nan
    return good.drop_vars("lon_bnds").assign_coords(lon=lon)


@fault(
    "monthly_gridded", "bounds", "lat", "lat_bnds -90 to -60", "enclose lat -45",
    truth=lambda good: good.drop_vars("lat_bnds"),
)  # fmt: skip
def bounds_of_other_latitudes(good: xr.Dataset) -> xr.Dataset:
    edges = good["lat_bnds"].values.copy()
    edges[1] = edges[0]
    return good.assign_coords(lat_bnds=(("lat", "bnds"), edges))


@fault(
    "monthly_gridded",
    "bounds",
    "lat",
    "'lat_edges'",
    "bounds, or no word",
    truth=lambda good: good.drop_vars("lat_bnds"),
)
def bounds_that_are_not_there(good: xr.Dataset) -> xr.Dataset:
    changed = good.drop_vars("lat_bnds")
    changed["lat"].attrs["bounds"] = "lat_edges"
    return changed


@fault("daily_levels", "level", "plev", "200 to 850 'hPa'", "20000 to 85000 Pa")
def levels_in_hectopascal(good: xr.Dataset) -> xr.Dataset:
    attributes = {**good["plev"].attrs, "units": "hPa"}
    return good.assign_coords(plev=("plev", good["plev"].values / 100, attributes))


@fault("daily_levels", "level", "plev", "plev 20000 ... 85000", "surface first")
def levels_from_above(good: xr.Dataset) -> xr.Dataset:
    return good.isel(plev=slice(None, None, -1))


@fault("daily_levels", "level", "plev", "200 to 850 'Pa'", "85000 Pa", outcome="refused")
def hectopascal_labelled_pascal(good: xr.Dataset) -> xr.Dataset:
    attributes = dict(good["plev"].attrs)
    return good.assign_coords(plev=("plev", good["plev"].values / 100, attributes))


@fault("daily_levels", "level", "plev", "''", "pressure in Pa", outcome="refused")
def levels_without_unit(good: xr.Dataset) -> xr.Dataset:
    return without(good, "plev", "units")


# Names and dimensions


@fault("monthly_gridded", "dimension_names", "", "latitude, longitude", "lat, lon")
def other_names_of_coordinates(good: xr.Dataset) -> xr.Dataset:
    return good.rename(lat="latitude", lon="longitude")


@fault("monthly_gridded", "coordinate_roles", "", "lat_bnds", "coordinates")
def bounds_among_the_data(good: xr.Dataset) -> xr.Dataset:
    return good.reset_coords(["time_bnds", "lat_bnds"])


@fault("hourly_site", "scalar_dimension", "gridcell", "gridcell of size 1", "no such dimension")
def dimension_of_one(good: xr.Dataset) -> xr.Dataset:
    return good.expand_dims("gridcell")


@fault("hourly_site", "scalar_dimension", "lat", "lat of size 1", "no such dimension")
def grid_of_one(good: xr.Dataset) -> xr.Dataset:
    return good.expand_dims(["lat", "lon"])


@fault(
    "monthly_gridded", "dimension", "band", "band", "time, lat, lon", outcome="refused", gone="tas"
)
def unknown_dimension(good: xr.Dataset) -> xr.Dataset:
    return good.assign(tas=good["tas"].expand_dims(band=3))


@fault("monthly_gridded", "lexicon", "", "t2m", "tas")
def name_of_the_source(good: xr.Dataset) -> xr.Dataset:
    return good.rename(tas="t2m")


@fault("monthly_gridded", "lexicon", "", "temperature", "tas")
def name_only_by_standard_name(good: xr.Dataset) -> xr.Dataset:
    return good.rename(tas="temperature")


@fault(
    "monthly_gridded",
    "lexicon",
    "quality",
    "variable quality",
    "a variable",
    outcome="refused",
    gone="quality",
)
def unknown_variable(good: xr.Dataset) -> xr.Dataset:
    return good.assign(quality=good["tas"] * 0).pipe(without, "quality", "standard_name")


@fault(
    "monthly_gridded",
    "lexicon",
    "tas",
    "precipitation_flux",
    "of tas",
    outcome="refused",
    gone="tas",
)
def name_against_standard_name(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v, standard_name="precipitation_flux")


@fault(
    "monthly_gridded", "lexicon", "air", "air -> tas", "one variable", outcome="refused", gone="air"
)
def two_for_one(good: xr.Dataset) -> xr.Dataset:
    return good.assign(air=good["tas"] + 1)


@fault(
    "daily_basin", "known_defect", "pr", "4 times too large", "sound", outcome="refused", gone="pr"
)
def wrong_product(good: xr.Dataset) -> xr.Dataset:
    return good


@fault("monthly_gridded", "numeric", "tas", "type <U", "numbers", outcome="refused", gone="tas")
def numbers_as_text(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v.astype("U8"))


@fault("monthly_gridded", "attributes", "", "tas:standard_name", "CF attributes")
def no_standard_name(good: xr.Dataset) -> xr.Dataset:
    return without(good, "tas", "standard_name", "long_name")
