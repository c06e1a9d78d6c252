"""Generated weather and small cases for the embedded land model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from catena.coupler.embedded import Columns, Days, ParameterSet, Run, State, cold_start, simulate

TREE = "broadleaf_deciduous_temperate_tree"
EVERGREEN = "needleleaf_evergreen_boreal_tree"
GRASS = "c3_non-arctic_grass"
C4 = "c4_grass"


def generated_weather(
    cells: int = 1,
    years: int = 1,
    seed: int = 0,
    warmth: float = 285.0,
    rain: float = 2.5,
    swing: float = 12.0,
) -> np.ndarray:
    """Noleap days of a mid-latitude climate, (cell, day, 9); rain in mm per day."""
    random = np.random.default_rng(seed)
    days = 365 * years
    season = -np.cos(2.0 * np.pi * (np.arange(days) - 15.0) / 365.0)
    shape = (cells, days)
    tas = warmth + swing * season + random.normal(0.0, 3.0, shape)
    half = random.uniform(2.0, 7.0, shape)
    cloud = random.uniform(0.3, 1.0, shape)
    rsds = np.maximum((180.0 + 110.0 * season) * cloud, 8.0)
    celsius = tas - half - 273.15
    vp = 610.8 * np.exp(17.27 * celsius / (celsius + 237.3)) * random.uniform(0.7, 1.0, shape)
    rlds = 5.67e-8 * tas**4 * (0.70 + 0.2 * (1.0 - cloud) + 2e-5 * vp)
    wet = random.random(shape) < 0.3
    pr = np.where(wet, random.exponential(rain / 0.3, shape), 0.0) / 86400.0
    ps = np.full(shape, 98000.0)
    wind = random.uniform(0.5, 6.0, shape)
    return np.ascontiguousarray(
        np.stack([tas, tas - half, tas + half, rsds, rlds, vp, ps, pr, wind], axis=-1)
    )


@dataclass(frozen=True)
class Case:
    """What a run needs besides parameters."""

    columns: Columns
    forcing: np.ndarray
    co2: float = 380.0
    ndep: float = 0.4

    @property
    def days(self) -> int:
        return int(self.forcing.shape[1])

    def cold(self, members: int = 1) -> State:
        return cold_start(self.columns.sand, self.columns.clay, members, self.columns.slots)

    def run(
        self,
        parameters: ParameterSet | None = None,
        state: State | None = None,
        years: int = 1,
        **options: object,
    ) -> Run:
        """Run whole years of the forcing, which must be of one year or of `years`."""
        parameters = parameters or ParameterSet.default()
        state = state or self.cold(parameters.members)
        cycles = max(365 * years // self.days, 1)
        return simulate(
            self.columns,
            self.forcing,
            np.full(self.days, self.co2),
            np.full(self.days, self.ndep),
            Days.since((1, 1, 1), self.days * cycles, "noleap"),
            parameters,
            state,
            cycles=cycles,
            **options,  # type: ignore[arg-type]
        )

    def accelerated(self, years: int = 40, parameters: ParameterSet | None = None) -> Run:
        """Accelerated decomposition from a cold start."""
        members = parameters.members if parameters else 1
        begin = replace(self.cold(members), spinup_state=1)
        return self.run(parameters, begin, years, accelerated=True)


def forest(**weather: object) -> Case:
    """Broadleaf deciduous trees on loam."""
    columns = Columns.site(40.0, -90.0, 40.0, 20.0, {TREE: 1.0})
    return Case(columns, generated_weather(**weather))  # type: ignore[arg-type]


def mixed(**weather: object) -> Case:
    """Trees, evergreens, two grasses and bare ground share a column."""
    columns = Columns.site(45.0, 10.0, 50.0, 15.0, {TREE: 0.4, EVERGREEN: 0.2, GRASS: 0.2, C4: 0.1})
    return Case(columns, generated_weather(**weather))  # type: ignore[arg-type]


def drawn(members: int, seed: int = 0) -> ParameterSet:
    """Members with the eight parameters of ELM's calibration drawn at random."""
    random = np.random.default_rng(seed)
    ranges: list[tuple[str, str | None, float, float]] = [
        ("rootb_par", TREE, 0.5, 4.0),
        ("slatop", TREE, 0.01, 0.05),
        ("flnr", TREE, 0.1, 0.4),
        ("frootcn", TREE, 25.0, 60.0),
        ("froot_leaf", TREE, 0.3, 1.5),
        ("br_mr", None, 1.5e-6, 4e-6),
        ("crit_dayl", None, 35000.0, 45000.0),
        ("crit_onset_gdd", None, 300.0, 1000.0),
    ]
    return ParameterSet.default(members).update(
        [(name, pft, random.uniform(low, high, members)) for name, pft, low, high in ranges]
    )
