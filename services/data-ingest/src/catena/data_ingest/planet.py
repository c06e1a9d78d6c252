"""The synthetic planet: a chaotic atmosphere on a sphere, cheap enough to make years of it.

On each level the barotropic vorticity equation (Charney, Fjortoft & von Neumann 1950) is solved by
the spectral transform method (Bourke 1972), with the vorticity relaxed to that of two narrow,
unstable westerly jets, hills that the flow must go round, drag and hyperdiffusion; levels pull at
each other weakly. The flow carries temperature and moisture: both are relaxed, moisture that
exceeds saturation rains out and warms the air, sooner in lows than in highs. It is no climate
model: everything made with it is called generated.

``d X / dt = - div(v (X + P)) + forcing`` for X = vorticity (P = f (1 + h), the planet's vorticity
and its hills), temperature and specific humidity (P = 0). Advection is stepped by Runge-Kutta of
order 4; relaxation and condensation once a step.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catena.data_ingest.planet_transform import EARTH_RADIUS_M, Transform, transform
from catena.data_ingest.weather_air import GRAVITY, saturation_pressure, specific_humidity
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

ROTATION = 7.292e-5  # s-1
DAY_S = 86400.0
LATENT_OVER_HEAT_CAPACITY = 2.5e6 / 1004.0  # K


@dataclass(frozen=True)
class Planet:
    """What makes one planet.

    Parameters
    ----------
    seed : int
        Of its hills and of the disturbance it starts from.
    truncation : int
        T21 lives on 32 x 64 points, T42 on 64 x 128.
    levels_pa : tuple of float
        Pressure, decreasing.
    step_s : int, optional
        Time step, a divisor of `output_s`; by default an hour at T21 and less at finer ones.
    output_s : int
        Time between fields.
    jet_m_s, jet_latitude, jet_width : float
        Speed that the level of 25,000 Pa is relaxed to, and place and half width of the jets
        (degrees).
    jet_days, drag_days, coupling_days : float
        Times of relaxation of the mean flow, of the eddies, and between levels.
    hills : float
        Standard deviation of h, the hills' height as a share of the layer's.
    hill_waves : int
        Highest total wavenumber of the hills.
    diffusion_hours : float
        E-folding time of the shortest wave; n^8.
    temperature_days, evaporation_days, rain_hours : float
        Times of relaxation of the tracers and of condensation.

    Raises
    ------
    InvalidData
        When steps do not fill the time between fields, or levels do not decrease.
    """

    seed: int = 0
    truncation: int = 21
    levels_pa: tuple[float, ...] = (85000.0, 50000.0, 25000.0)
    step_s: int = 0
    output_s: int = 21600
    jet_m_s: float = 115.0
    jet_latitude: float = 45.0
    jet_width: float = 9.0
    jet_days: float = 4.0
    drag_days: float = 22.0
    coupling_days: float = 100.0
    hills: float = 0.15
    hill_waves: int = 8
    diffusion_hours: float = 12.0
    temperature_days: float = 6.0
    evaporation_days: float = 1.0
    rain_hours: float = 4.0

    def __post_init__(self) -> None:
        if not self.step_s:
            object.__setattr__(self, "step_s", 3600 if self.truncation <= 21 else 1800)
        if self.output_s % self.step_s:
            raise InvalidData(
                f"planet with fields every {self.output_s} s and steps of {self.step_s} s; wanted "
                "a whole number of steps"
            )
        if not self.levels_pa or any(
            not high > low > 0 for high, low in itertools.pairwise((1e5, *self.levels_pa))
        ):
            raise InvalidData(
                f"levels {self.levels_pa} Pa; wanted decreasing pressures between 100000 and 0"
            )

    @property
    def digest(self) -> str:
        """Tells planets apart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class State:
    """A planet at one moment; all that is needed to go on, bit for bit.

    Parameters
    ----------
    step : int
        Steps since the start.
    coefficients : array, shape (2, m, n - m, 3 L)
        Vorticity (s-1) of all levels, then temperature (K), then specific humidity (1).
    """

    step: int
    coefficients: Array

    def save(self, path: Path) -> None:
        """Write to a file, in one step."""
        working = path.with_suffix(".part")
        with working.open("wb") as file:
            np.savez(file, step=np.int64(self.step), coefficients=self.coefficients)
        working.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Inverse of :meth:`save`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(int(arrays["step"]), arrays["coefficients"])


class Model:
    """Equations of one planet.

    Parameters
    ----------
    planet : Planet
    """

    def __init__(self, planet: Planet) -> None:
        self.planet = planet
        self.transform: Transform = transform(planet.truncation)
        t = self.transform
        self.levels = np.array(planet.levels_pa)
        self.count = self.levels.size
        # Westerlies grow with height.
        speed = planet.jet_m_s * (1.18 - 0.73 * self.levels / 1e5)
        shape = np.zeros_like(t.mu)
        for side in (-1, 1):
            shape += 1 / np.cosh((t.lat - side * planet.jet_latitude) / planet.jet_width) ** 2
        jet = np.ones((t.nlon, 1, 1)) * (shape * np.sqrt(t.cos2))[:, None] * speed
        self.jet_vorticity = t.divergence(np.zeros_like(jet), -jet) / EARTH_RADIUS_M
        self.coriolis = 2 * ROTATION * t.mu[:, None]
        self.hills = self._hills()
        self._planetary = self.coriolis * (1 + self.hills)
        mean_flow = ((t.order == 0) & t.inside)[:, :, None]
        n8 = (t.degree * (t.degree + 1) / (planet.truncation * (planet.truncation + 1))) ** 4
        self._diffusion = (n8 / (planet.diffusion_hours * 3600))[:, :, None]
        self._damping = np.where(
            mean_flow, 1 / (planet.jet_days * DAY_S), 1 / (planet.drag_days * DAY_S)
        )
        self._jet_forcing = self.jet_vorticity * mean_flow / (planet.jet_days * DAY_S)
        mu2 = np.ones((t.nlon, 1, 1)) * (t.mu**2 - 1 / 3)[:, None]
        contrast = 5 + 50 * self.levels / 1e5  # K between equator and pole
        self.rest_temperature = 290 * (self.levels / 1e5) ** 0.19 - contrast * mu2
        edges = np.concatenate([[1e5], (self.levels[1:] + self.levels[:-1]) / 2, [0.0]])
        self.layer_mass = -np.diff(edges) / GRAVITY  # kg m-2

    def initial(self) -> State:
        """The jets with a small disturbance, at rest temperature and 60 % of saturation."""
        t = self.transform
        noise = t.random(self._random("start"), self.count, 1, 10)
        vapour = 0.6 * self.saturation(self.rest_temperature)
        parts = [
            self.jet_vorticity + 1e-6 * noise,
            t.to_coefficients(self.rest_temperature),
            t.to_coefficients(vapour),
        ]
        return State(0, np.concatenate(parts, axis=-1))

    def advance(self, state: State, steps: int) -> State:
        """The state `steps` time steps later.

        Raises
        ------
        InvalidData
            When the numbers run away, e.g. with too long a time step.
        """
        x, dt = state.coefficients, float(self.planet.step_s)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                forcing = self.forcing(x)
                # Hyperdiffusion is implicit: stable for whatever step.
                x = (advected(self.advection, x, dt) + dt * forcing) / (1 + dt * self._diffusion)
        if not np.isfinite(x).all():
            raise InvalidData(
                f"planet {self.planet.digest} left the range of numbers between steps {state.step} "
                f"and {state.step + steps}; wanted finite fields: shorten step_s "
                f"(is {self.planet.step_s} s)"
            )
        return State(state.step + steps, x)

    def advection(self, x: Array) -> Array:
        """``- div(v (X + P))`` of all fields, as coefficients."""
        t = self.transform
        fields = t.to_grid(x)
        fields[..., : self.count] += self._planetary
        east, north = self.velocity(x)
        carried = fields.reshape(t.nlon, t.nlat, -1, self.count)
        flux = t.divergence(
            (carried * east[:, :, None]).reshape(fields.shape),
            (carried * north[:, :, None]).reshape(fields.shape),
        )
        return flux / -EARTH_RADIUS_M

    def velocity(self, x: Array) -> tuple[Array, Array]:
        """Eastward and northward wind times cos(lat) (m s-1), shape (nlon, nlat, L) each."""
        t = self.transform
        stream = x[..., : self.count] * t.inverse_laplacian[:, :, None]
        return (
            t.slopes_to_grid(stream) / -EARTH_RADIUS_M,
            t.to_grid(t.d_lon(stream)) / EARTH_RADIUS_M,
        )

    def forcing(self, x: Array) -> Array:
        """Relaxation of vorticity and tracers, evaporation, condensation; per second."""
        planet, t, count = self.planet, self.transform, self.count
        vorticity = x[..., :count]
        pull = (vorticity.mean(axis=-1, keepdims=True) - vorticity) / (planet.coupling_days * DAY_S)
        forced = self._jet_forcing - self._damping * vorticity + pull
        grid = t.to_grid(x)
        temperature, vapour = grid[..., count : 2 * count], grid[..., 2 * count :]
        bearable = self.bearable(grid)
        condensed = np.maximum(vapour - bearable, 0) / (planet.rain_hours * 3600)
        # Short of what the air bears: else it would rain, and warm, where no moisture is carried.
        dry = np.maximum(0.9 * bearable - vapour, 0)
        warmed = (self.rest_temperature - temperature) / (planet.temperature_days * DAY_S)
        tracers = np.concatenate(
            [
                warmed + LATENT_OVER_HEAT_CAPACITY * condensed,
                dry / (planet.evaporation_days * DAY_S) - condensed,
            ],
            axis=-1,
        )
        return np.concatenate([forced, t.to_coefficients(tracers)], axis=-1)

    def condensation(self, grid: Array) -> Array:
        """Moisture that falls out (s-1), from all fields on the grid, shape (nlon, nlat, L)."""
        excess: Array = np.maximum(grid[..., 2 * self.count :] - self.bearable(grid), 0)
        return excess / (self.planet.rain_hours * 3600)

    def bearable(self, grid: Array) -> Array:
        """Specific humidity above which it rains: air rises in lows and sinks in highs."""
        spin = grid[..., : self.count] * np.sign(self.coriolis)
        saturated = self.saturation(grid[..., self.count : 2 * self.count])
        return saturated * (1 - 0.4 * np.tanh(spin / 4e-5))

    def saturation(self, temperature: Array) -> Array:
        """Saturation specific humidity on the levels, shape (nlon, nlat, L)."""
        return specific_humidity(saturation_pressure(temperature), self.levels)

    def _hills(self) -> Array:
        t = self.transform
        field = t.to_grid(t.random(self._random("hills"), 1, 1, self.planet.hill_waves))
        hills: Array = field / np.sqrt(t.mean(field**2)) * self.planet.hills
        return hills

    def _random(self, purpose: str) -> np.random.Generator:
        words = [self.planet.seed, int.from_bytes(purpose.encode())]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def advected(tendency: Callable[[Array], Array], x: Array, dt: float) -> Array:
    """One step of the classical Runge-Kutta scheme of order 4."""
    a = tendency(x)
    b = tendency(x + dt / 2 * a)
    c = tendency(x + dt / 2 * b)
    d = tendency(x + dt * c)
    return x + dt / 6 * (a + 2 * b + 2 * c + d)
