"""A large smooth output: how well few runs teach a surrogate of 42,660 numbers.

The family is generated: the closed-form land model of `catena.calibrator.generated` at 1,422
made-up places (evaporative demand, soil water and warmth vary smoothly over a 79 x 18 map) in 30
made-up years (weather with a memory of 0.5 from year to year, the same for all runs).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.calibrator import generated
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate_fit import fit_surrogate

Array = NDArray[np.float64]

MAP = (79, 18)
YEARS = 30
HELD_OUT = 200


def climate(seed: int = 0) -> generated.Climate:
    """Climate of 79 x 18 x 30 = 42,660 place-years, each attribute (42660,)."""
    rng = np.random.default_rng(seed)
    east, north = np.meshgrid(*(np.linspace(0, 1, n) for n in MAP), indexing="ij")
    weather = np.zeros((3, YEARS))
    for year in range(1, YEARS):
        weather[:, year] = 0.5 * weather[:, year - 1] + 0.85 * rng.standard_normal(3)

    def place_years(place: Array, weather_of: Array, size: float) -> Array:
        return (place[:, :, None] + size * weather_of).ravel()

    demand = 95 + 30 * north + 8 * np.sin(4 * east)
    water = 0.5 + 0.35 * np.sin(3 * east + 1) * np.cos(2 * north)
    warmth = 1.0 + 0.15 * (north - 0.5) + 0.04 * np.cos(5 * east)
    return generated.Climate(
        place_years(demand, weather[0], 6.0),
        np.clip(place_years(water, weather[1], 0.08), 0.02, 0.98),
        place_years(warmth, weather[2], 0.03),
    )


def field_r2(runs: tuple[int, ...] = (20, 50, 200)) -> dict[str, Any]:
    """R2 on centred outputs of held-out runs, pooled over all outputs, per number of runs."""
    names = tuple(p.name for p in generated.PARAMETERS)
    prior = Prior(names, generated.LOW, generated.HIGH)
    weather = climate()
    held_x = generated.draw_parameters(HELD_OUT, generated.LOW, generated.HIGH, seed=99)
    held_y = generated.latent_heat(held_x, weather)
    total = ((held_y - held_y.mean(axis=0)) ** 2).sum()
    figures: dict[str, Any] = {}
    for n in runs:
        x = generated.draw_parameters(n, generated.LOW, generated.HIGH, seed=n)
        began = time.process_time()
        surrogate = fit_surrogate(x, generated.latent_heat(x, weather), prior, seed=0)
        spent = time.process_time() - began
        mean = np.concatenate([surrogate.predict(rows)[0] for rows in np.split(held_x, 4)])
        figures[str(n)] = {
            "r2": float(1 - ((held_y - mean) ** 2).sum() / total),
            "method": surrogate.method,
            "train_cpu_s": spent,
        }
    return figures
