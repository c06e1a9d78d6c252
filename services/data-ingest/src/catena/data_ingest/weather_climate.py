"""What a weather generator knows about a place: the parameters of its climate.

Every seasonal quantity is ``c0 + c1 cos(x) + c2 sin(x) + c3 cos(2 x) + c4 sin(2 x)`` with x = 2 pi
times the fraction of the year, counted from the start of January in the north and of July in the
south.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

HARMONICS = 5
LATENT = ("tasmax", "tasmin", "clearness", "humidity", "pressure")
"""Normal variables: two temperatures (K), logits of radiation's and humidity's share, Pa."""
RESIDUALS = (*LATENT, "wind")
WET_MM = 0.1
"""A day with more is wet (mm)."""
CLEARNESS_RANGE = (0.02, 0.82)
"""Share of the radiation at the top of the atmosphere that reaches the ground."""


def basis(year_fraction: Array) -> Array:
    """The five functions at each time, shape (..., 5)."""
    angle = 2 * np.pi * np.asarray(year_fraction, dtype=np.float64)
    return np.stack(
        [np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)],
        axis=-1,
    )


def seasonal(coefficients: Array, functions: Array) -> Array:
    """Value of one quantity at each time, summed in a fixed order, shape (...)."""
    value = coefficients[0] * functions[..., 0]
    for number in range(1, HARMONICS):
        value = value + coefficients[number] * functions[..., number]
    total: Array = value
    return total


@dataclass(frozen=True)
class Climate:
    """Parameters of Richardson's (1981) generator, with humidity, pressure and wind beside.

    Parameters
    ----------
    name : str
    wet_after_dry, wet_after_wet : array, shape (5,)
        Logit of the probability of a wet day after a dry and a wet one.
    amount : array, shape (5,)
        Log of the mean amount of a wet day above `WET_MM` (mm).
    amount_shape : float
        Of the gamma distribution.
    mean : array, shape (5, 2, 5)
        Of each latent variable (`LATENT`), on dry and wet days. Pressure: what it differs from the
        standard atmosphere's.
    spread : array, shape (5, 2, 5)
        Log of the standard deviation.
    wind_scale : array, shape (2, 5)
        Log of the scale of wind's Weibull distribution (m s-1), on dry and wet days.
    wind_shape : float
    lag0, lag1 : array, shape (6, 6)
        Correlations of the residuals (`RESIDUALS`) on the same day, and of the day (rows) with the
        day before (columns).

    Raises
    ------
    InvalidData
        When shapes are wrong or no process has such correlations.
    """

    name: str
    wet_after_dry: Array
    wet_after_wet: Array
    amount: Array
    amount_shape: float
    mean: Array
    spread: Array
    wind_scale: Array
    wind_shape: float
    lag0: Array
    lag1: Array

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise InvalidData(
                    f"climate {self.name}: {name} has shape {value.shape}, wanted {shape} of "
                    "finite numbers"
                )
            object.__setattr__(self, name, value)
        if not (self.amount_shape > 0 and self.wind_shape > 0):
            raise InvalidData(
                f"climate {self.name}: shapes {self.amount_shape} and {self.wind_shape}; wanted "
                "positive numbers"
            )
        lowest = float(np.linalg.eigvalsh(innovation(self.lag0, self.lag1)).min())
        if lowest < -1e-9:
            raise InvalidData(
                f"climate {self.name}: lag0 and lag1 belong to no stationary process (eigenvalue "
                f"{lowest:g} of its noise, wanted 0 or more); weaken lag1"
            )

    def dynamics(self) -> tuple[Array, Array]:
        """A and B of ``z_t = A z_{t-1} + B e_t``; Matalas (1967, eq. 5 and 6)."""
        a = np.asarray(np.linalg.solve(self.lag0, self.lag1.T).T, dtype=np.float64)
        values, vectors = np.linalg.eigh(innovation(self.lag0, self.lag1))
        b: Array = vectors * np.sqrt(np.maximum(values, 0.0))
        return a, b

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        plain: dict[str, Any] = {name: getattr(self, name).tolist() for name in _SHAPES}
        return plain | {name: getattr(self, name) for name in _PLAIN}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        values: dict[str, Any] = {name: np.array(plain[name], dtype=np.float64) for name in _SHAPES}
        return cls(**values, **{name: plain[name] for name in _PLAIN})


_PLAIN = ("name", "amount_shape", "wind_shape")
_SHAPES: dict[str, tuple[int, ...]] = {
    "wet_after_dry": (HARMONICS,),
    "wet_after_wet": (HARMONICS,),
    "amount": (HARMONICS,),
    "mean": (len(LATENT), 2, HARMONICS),
    "spread": (len(LATENT), 2, HARMONICS),
    "wind_scale": (2, HARMONICS),
    "lag0": (len(RESIDUALS), len(RESIDUALS)),
    "lag1": (len(RESIDUALS), len(RESIDUALS)),
}


def innovation(lag0: Array, lag1: Array) -> Array:
    """Covariance of the noise: ``M0 - M1 M0^-1 M1'``."""
    covariance = lag0 - lag1 @ np.linalg.solve(lag0, lag1.T)
    return (covariance + covariance.T) / 2


def feasible(lag0: Array, lag1: Array) -> tuple[Array, Array]:
    """The nearest correlations, by shrinking towards none, that a stationary process can have."""
    identity = np.eye(lag0.shape[0])
    for share in np.linspace(1.0, 0.0, 101):
        small0, small1 = share * lag0 + (1 - share) * identity, share * lag1
        if (
            np.linalg.eigvalsh(small0).min() > 1e-6
            and np.linalg.eigvalsh(innovation(small0, small1)).min() > 1e-6
        ):
            return small0, small1
    raise InvalidData("correlations that are not numbers; wanted finite ones")


# Residuals of mid-latitude sites. Temperatures and radiation: A and B of Richardson & Wright (1984,
# WGEN, eq. 8 and 9); the rows of humidity, pressure and wind are of the size seen at five AmeriFlux
# sites in North America.
_A = [
    [0.567, 0.086, -0.002, 0.0, 0.0, 0.0],
    [0.253, 0.504, -0.050, 0.0, 0.0, 0.0],
    [-0.006, -0.039, 0.244, 0.0, 0.0, 0.0],
    [0.0, 0.10, 0.0, 0.45, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.60, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.30],
]
_B = [
    [0.781, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.328, 0.637, 0.0, 0.0, 0.0, 0.0],
    [0.238, -0.341, 0.873, 0.0, 0.0, 0.0],
    [-0.15, 0.25, -0.40, 0.72, 0.0, 0.0],
    [-0.25, -0.20, 0.15, 0.0, 0.70, 0.0],
    [0.05, 0.05, -0.05, -0.10, -0.20, 0.92],
]


def default_correlations() -> tuple[Array, Array]:
    """Lag-0 and lag-1 correlations of the process with Richardson's matrices."""
    a, b = np.array(_A), np.array(_B)
    size = a.shape[0]
    # M0 = A M0 A' + B B'
    stacked = np.linalg.solve(np.eye(size**2) - np.kron(a, a), (b @ b.T).ravel())
    lag0 = stacked.reshape(size, size)
    scale = np.sqrt(np.diag(lag0))
    norm = np.outer(scale, scale)
    lag1 = (a @ lag0) / norm
    lag0 = lag0 / norm
    symmetric: Array = (lag0 + lag0.T) / 2
    return symmetric, lag1


def _season(winter: float, summer: float, coldest: float = 0.05) -> Array:
    """One harmonic that is `winter` in mid January and `summer` half a year later."""
    angle, half = 2 * np.pi * coldest, (winter - summer) / 2
    middle = (winter + summer) / 2
    return np.array([middle, half * np.cos(angle), half * np.sin(angle), 0.0, 0.0])


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _climate(
    name: str,
    *,
    wet: Sequence[float],
    persistence: float,
    amount: Sequence[float],
    shape: float,
    tasmax: Sequence[float],
    tasmin: Sequence[float],
    spread: Sequence[float],
    wet_cooling: float,
    clearness: Sequence[float],
    humidity: Sequence[float],
    wind: float,
    pressure: float,
) -> Climate:
    """A climate from pairs (winter, summer) in ordinary units.

    Parameters
    ----------
    wet : pair
        Share of wet days.
    persistence : float
        Correlation of a day's wetness with the day before.
    amount : pair
        mm on a wet day.
    tasmax, tasmin : pair
        degC on dry days; on wet ones `tasmax` is lower by `wet_cooling`.
    spread : pair
        Standard deviation of both (K).
    clearness, humidity : pair
        Shares on dry days; on wet ones the odds of radiation are 1/e, those of humidity twice.
    wind : float
        Weibull scale (m s-1).
    pressure : float
        Standard deviation (Pa).
    """
    after_dry = [_logit(share * (1 - persistence)) for share in wet]
    after_wet = [_logit(share + persistence * (1 - share)) for share in wet]
    low, high = CLEARNESS_RANGE
    radiation = [_logit((share - low) / (high - low)) for share in clearness]
    moist = [_logit(share) for share in humidity]
    rows: list[list[list[float]]] = [
        [[value + 273.15 for value in tasmax], [value + 273.15 - wet_cooling for value in tasmax]],
        [[value + 273.15 for value in tasmin], [value + 273.65 for value in tasmin]],
        [radiation, [value - 1.0 for value in radiation]],
        [moist, [value + 0.7 for value in moist]],
        [[0.0, 0.0], [-0.3 * pressure, -0.3 * pressure]],
    ]
    spreads: list[list[Any]] = [
        [np.log(spread), np.log(spread)],
        [np.log(spread), np.log(spread)],
        [[np.log(0.8)] * 2, [np.log(0.8)] * 2],
        [[np.log(0.5)] * 2, [np.log(0.5)] * 2],
        [[np.log(pressure), np.log(0.7 * pressure)]] * 2,
    ]
    lag0, lag1 = default_correlations()
    return Climate(
        name=name,
        wet_after_dry=_season(*after_dry),
        wet_after_wet=_season(*after_wet),
        amount=_season(*np.log(amount)),
        amount_shape=shape,
        mean=np.array([[_season(*pair) for pair in row] for row in rows]),
        spread=np.array([[_season(*pair) for pair in row] for row in spreads]),
        wind_scale=np.array([_season(np.log(wind), np.log(0.85 * wind))] * 2),
        wind_shape=2.0,
        lag0=lag0,
        lag1=lag1,
    )


CLIMATES: dict[str, Climate] = {
    climate.name: climate
    for climate in (
        _climate(
            "tundra", wet=(0.30, 0.40), persistence=0.25, amount=(1.2, 3.0), shape=0.8,
            tasmax=(-22, 11), tasmin=(-30, 3), spread=(7.5, 4.0), wet_cooling=0.0,
            clearness=(0.45, 0.45), humidity=(0.75, 0.75), wind=5.0, pressure=1000,
        ),
        _climate(
            "boreal", wet=(0.35, 0.40), persistence=0.25, amount=(2.0, 5.0), shape=0.75,
            tasmax=(-12, 22), tasmin=(-22, 10), spread=(7.0, 4.0), wet_cooling=1.0,
            clearness=(0.45, 0.50), humidity=(0.80, 0.65), wind=3.0, pressure=1000,
        ),
        _climate(
            "temperate_continental", wet=(0.32, 0.32), persistence=0.2, amount=(5.0, 9.5),
            shape=0.7, tasmax=(4, 30), tasmin=(-6, 18), spread=(6.0, 3.2), wet_cooling=2.0,
            clearness=(0.50, 0.55), humidity=(0.68, 0.68), wind=3.5, pressure=750,
        ),
        _climate(
            "temperate_oceanic", wet=(0.60, 0.42), persistence=0.35, amount=(5.0, 5.0),
            shape=0.75, tasmax=(7.5, 21), tasmin=(2, 12), spread=(3.5, 2.8), wet_cooling=0.5,
            clearness=(0.35, 0.47), humidity=(0.86, 0.75), wind=4.8, pressure=1200,
        ),
        _climate(
            "mediterranean", wet=(0.33, 0.05), persistence=0.35, amount=(9.0, 7.0), shape=0.7,
            tasmax=(12, 31), tasmin=(3, 17), spread=(3.5, 3.0), wet_cooling=1.5,
            clearness=(0.52, 0.68), humidity=(0.72, 0.52), wind=3.2, pressure=700,
        ),
        _climate(
            "semi_arid", wet=(0.10, 0.17), persistence=0.3, amount=(5.0, 7.0), shape=0.65,
            tasmax=(15, 36), tasmin=(1, 20), spread=(5.0, 3.0), wet_cooling=4.0,
            clearness=(0.64, 0.66), humidity=(0.45, 0.35), wind=3.4, pressure=500,
        ),
        _climate(
            "savanna", wet=(0.02, 0.55), persistence=0.25, amount=(6.0, 11.0), shape=0.75,
            tasmax=(31, 30), tasmin=(15, 21), spread=(2.4, 2.0), wet_cooling=2.0,
            clearness=(0.65, 0.52), humidity=(0.38, 0.75), wind=2.5, pressure=250,
        ),
        _climate(
            "tropical_wet", wet=(0.65, 0.55), persistence=0.2, amount=(12.0, 10.5), shape=0.7,
            tasmax=(30.5, 31.5), tasmin=(22.5, 22.5), spread=(1.4, 1.3), wet_cooling=1.2,
            clearness=(0.50, 0.53), humidity=(0.82, 0.80), wind=1.8, pressure=200,
        ),
    )
}  # fmt: skip
"""Built-in climates, after climatologies of typical stations; northern, mid January and July."""
