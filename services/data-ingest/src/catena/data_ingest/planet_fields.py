"""From a planet's state to fields with canonical names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.data_ingest.planet import Model, State
from catena.data_ingest.planet_transform import EARTH_RADIUS_M
from catena.data_ingest.weather_air import DRY_AIR_GAS_CONSTANT, GRAVITY

Array = NDArray[np.float64]

LEVEL_FIELDS = ("ua", "va", "ta", "hus", "zg")
SURFACE_FIELDS = ("tas", "psl", "pr")


def fields(model: Model, state: State) -> dict[str, Array]:
    """All fields of a state, shape (L, nlat, nlon) on levels and (nlat, nlon) at the surface.

    Parameters
    ----------
    model : Model
    state : State

    Notes
    -----
    All are values of the moment, precipitation too: what falls in the hours after a step would
    give a forecast its future. Heights come from the linear balance equation, ``laplacian(Phi) =
    div(f grad(psi))``; sea level takes 0.6 of the lowest level's. Temperature is brought down from
    the lowest level at 6.5 K/km.
    """
    t, count = model.transform, model.count
    cos = np.sqrt(t.cos2)[:, None]
    east, north = model.velocity(state.coefficients)
    grid = t.to_grid(state.coefficients)
    balance = t.divergence(model.coriolis * north, -model.coriolis * east) / EARTH_RADIUS_M
    geopotential = t.to_grid(balance * t.inverse_laplacian[:, :, None])
    temperature = grid[..., count : 2 * count]
    rest_height = 288.15 / 0.0065 * (1 - (model.levels / 101325.0) ** 0.190263)
    density = model.levels[0] / (DRY_AIR_GAS_CONSTANT * model.rest_temperature[..., 0].mean())
    made = {
        "ua": east / cos,
        "va": north / cos,
        "ta": temperature,
        "hus": np.maximum(grid[..., 2 * count :], 0.0),
        "zg": rest_height + geopotential / GRAVITY,
        "tas": temperature[..., 0] + 0.0065 * rest_height[0],
        "psl": 101325.0 + 0.6 * density * geopotential[..., 0],
        "pr": model.condensation(grid) @ model.layer_mass,
    }
    # (lon, lat, L) -> (L, lat, lon)
    return {name: np.ascontiguousarray(values.T) for name, values in made.items()}
