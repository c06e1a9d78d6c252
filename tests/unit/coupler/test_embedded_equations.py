"""Single equations against closed forms, published numbers and independent slow solutions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from catena.coupler.embedded import ParameterSet, indices
from catena.coupler.embedded.allocation import growth_fractions, stem_to_leaf
from catena.coupler.embedded.canopy import leaf_area_index, water_stress
from catena.coupler.embedded.decomposition import loss_fraction
from catena.coupler.embedded.energy import penman_monteith
from catena.coupler.embedded.grid import DECOMPOSITION_WEIGHTS, EDGE, NODE, THICKNESS
from catena.coupler.embedded.hydraulics import (
    N_NODES,
    T_DRAINED,
    T_POTENTIAL,
    cosby,
    drained,
    soil_tables,
)
from catena.coupler.embedded.lookup import interpolate, place
from catena.coupler.embedded.nitrogen import fixation
from catena.coupler.embedded.photosynthesis import photosynthesis
from catena.coupler.embedded.roots import root_fractions
from catena.coupler.embedded.sun import day_length, sun_table
from catena.coupler.embedded.traits import N_TRAITS, T_CLOSED, T_OPEN, T_ROOTS, vcmax25
from catena.coupler.embedded.water import infiltrate
from catena.coupler.embedded.weather import (
    FORCING,
    N_WEATHER,
    W_DAY_FRACTION,
    W_DAYLENGTH,
    W_VPD,
    derive,
    kinetics_table,
)


def test_the_grid_is_elms() -> None:
    np.testing.assert_allclose(NODE[[0, 9]], [0.00710064, 2.864607], rtol=1e-6)
    np.testing.assert_allclose(THICKNESS[[0, 9]], [0.01751282, 1.5057607], rtol=1e-6)
    assert EDGE[-1] == pytest.approx(3.801882, rel=1e-6)
    assert DECOMPOSITION_WEIGHTS.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("a", "b"), [(6.0, 2.0), (7.0, 0.5), (11.0, 4.0)])
def test_roots_follow_zeng(a: float, b: float) -> None:
    found = np.zeros(10)
    root_fractions(a, b, EDGE, found)
    cumulative = 1.0 - 0.5 * (np.exp(-a * EDGE) + np.exp(-b * EDGE))
    np.testing.assert_allclose(found[:-1], np.diff(cumulative)[:-1], rtol=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-15)
    assert found[-1] == pytest.approx(1.0 - cumulative[-2])


def test_vcmax_of_the_default_tree_is_elms() -> None:
    # flnr 7.16 60 / (slatop leafcn)
    assert vcmax25(0.1007, 7.16, 3.6, 0.03, 25.0) == pytest.approx(0.1007 * 7.16 * 60 / 0.75)


def test_soil_of_cosby() -> None:
    porosity, b, potential, conductivity = cosby(np.array([43.0]), np.array([18.0]))
    # Loam (Cosby et al. 1984, table 5; Oleson et al. 2013): theta .435, b 5.77, psi -207 mm.
    assert porosity[0] == pytest.approx(0.435, abs=1e-3)
    assert b[0] == pytest.approx(5.772)
    assert potential[0] == pytest.approx(-0.2073, abs=1e-3)
    assert conductivity[0] == pytest.approx(86400 * 0.0070556 * 10 ** (-0.884 + 0.0153 * 43))


@pytest.mark.parametrize("saturation", [0.3, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("b", [3.0, 7.2, 12.9])
def test_drainage_is_the_solution_of_its_equation(saturation: float, b: float) -> None:
    porous, conductivity = 20.0, 135.0
    slow = solve_ivp(
        lambda _, s: -conductivity / porous * s ** (2 * b + 3),
        (0.0, 1.0),
        [saturation],
        method="LSODA",
        rtol=1e-10,
        atol=1e-13,
    )
    found = drained(np.array([saturation]), porous, conductivity, b)[0]
    assert found == pytest.approx(slow.y[0, -1], rel=1e-7)
    assert 0.0 < found < saturation


def test_tables_are_close_to_the_formulas() -> None:
    sand, clay = np.full(10, 15.0), np.full(10, 27.0)
    tables, porous = soil_tables(sand, clay)
    _, b, potential, conductivity = cosby(sand, clay)
    for saturation in np.random.default_rng(0).uniform(0.35, 1.0, 200):
        node, way = place(saturation, N_NODES)
        psi = interpolate(tables[4, T_POTENTIAL], node, way)
        assert psi == pytest.approx(potential[4] * saturation ** -b[4], rel=1e-3)
        down = interpolate(tables[4, T_DRAINED], node, way)
        left = drained(np.array([saturation]), porous[4], conductivity[4], b[4])[0]
        assert down == pytest.approx(porous[4] * (saturation - left), rel=2e-3, abs=2e-3)
        assert 0.0 <= down <= porous[4] * saturation


def test_a_full_column_runs_off_and_water_is_kept() -> None:
    tables, porous = soil_tables(np.full(10, 10.0), np.full(10, 60.0))
    water = porous.copy()
    runoff, drainage = infiltrate(water, 400.0, tables, porous, 1.0 / porous)
    assert runoff > 0.0
    assert drainage > 0.0
    assert water.sum() + runoff + drainage == pytest.approx(porous.sum() + 400.0, rel=1e-14)
    assert (water <= porous * (1 + 1e-12)).all()


def test_penman_monteith_is_the_solution_of_the_energy_balance() -> None:
    """An iteration for the surface temperature, with the saturation curve as a straight line."""
    slope, gamma, heat, deficit, air, g_surface = 145.0, 66.0, 1200.0, 1000.0, 0.03, 0.01
    radiative, net = 6.0, 350.0
    both = air + radiative / heat
    g_water = air * g_surface / (air + g_surface)

    def left_over(warmth: float) -> float:
        latent = heat / gamma * g_water * (deficit + slope * warmth)
        return net - radiative * warmth - heat * air * warmth - latent

    warmth = brentq(left_over, -50.0, 50.0, xtol=1e-12)
    wanted = heat / gamma * g_water * (deficit + slope * warmth)
    found = penman_monteith(net, slope, gamma, heat, deficit, (air, both), g_surface)
    assert found == pytest.approx(wanted, rel=1e-8)
    wet = penman_monteith(net, slope, gamma, heat, deficit, (air, both), -1.0)
    assert wet > found > 0.0


def weather(
    celsius: float = 22.0, rsds: float = 250.0, co2: float = 380.0, day: int = 172
) -> np.ndarray:
    row = np.array([celsius, celsius - 5, celsius + 5, rsds, 330.0, 1500.0, 98000.0, 0.0, 3.0])
    row[:3] += 273.15
    assert len(FORCING) == row.size
    out = np.zeros(N_WEATHER)
    derive(row, co2, 0.4, sun_table(40.0)[day], kinetics_table(), out)
    return out


def slow_photosynthesis(
    celsius: float, rsds: float, co2: float, latitude: float, day: int, lai: float, vcmax: float
) -> float:
    """Gross production of a day (gC m-2) by brute force: 400 times of day, 60 layers of leaves.

    Written from the papers, not from the model: Farquhar et al. 1980, Bernacchi et al. 2001,
    Medlyn et al. 2011, Spitters 1986, two classes of leaves in each layer.
    """
    delta = math.asin(
        0.39785
        * math.sin(
            math.radians(278.97 + 0.9856 * day)
            + math.radians(1.9165) * math.sin(math.radians(356.6 + 0.9856 * day))
        )
    )
    phi = math.radians(latitude)
    half = math.acos(-math.tan(phi) * math.tan(delta)) * 12.0 / math.pi
    hours = (np.arange(400) + 0.5) / 400.0 * 2.0 * half - half
    sine = math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * np.cos(
        hours * math.pi / 12.0
    )
    distance = 1.0 + 0.033 * math.cos(2.0 * math.pi * day / 365.0)
    outside = 1367.0 * distance * sine.mean() * 2.0 * half / 24.0
    tau = rsds / outside
    diffuse_part = 1.0 - 2.3 * (tau - 0.07) ** 2 if tau < 0.35 else max(1.33 - 1.46 * tau, 0.23)
    light = 2.3 * rsds * 24.0 / (2.0 * half) * sine / sine.mean()
    temperature = celsius + 5.0 * np.cos((hours - 2.0) * math.pi / 12.0)
    kelvin = temperature + 273.15

    def factor(energy: float) -> np.ndarray:
        return np.exp(energy / 8.31446 * (1.0 / 298.15 - 1.0 / kelvin))

    pressure, oxygen, g1 = 98000.0, 0.209, 4.0
    kc, ko = 404.9e-6 * factor(79430.0), 278.4e-3 * factor(36380.0)
    km, gamma = kc * (1.0 + oxygen / ko) * pressure, 42.75e-6 * factor(37830.0) * pressure
    saturated = 610.8 * np.exp(17.27 * temperature / (temperature + 237.3))
    root_d = np.sqrt(np.maximum(saturated - 1500.0, 50.0) / 1000.0)
    ci = co2 * 1e-6 * pressure * (1.0 - 1.0 / (1.0 + g1 / root_d))
    kb = 0.5 / np.maximum(sine, 0.1)
    layers = (np.arange(60) + 0.5) / 60.0 * lai
    total = np.zeros_like(hours)
    heat = 1.0 / (1.0 + np.exp(0.3 * (temperature - 43.0)))
    for depth in layers:
        leaf_vcmax = vcmax * math.exp(-0.3 * depth) * factor(65330.0) * heat
        leaf_jmax = 1.97 * vcmax * math.exp(-0.3 * depth) * factor(43540.0) * heat
        shade_light = 0.85 * 0.7 * light * diffuse_part * math.exp(-0.7 * depth)
        sun_light = shade_light + 0.85 * kb * light * (1.0 - diffuse_part)
        sunlit = np.exp(-kb * depth)
        for share, absorbed in ((sunlit, sun_light), (1.0 - sunlit, shade_light)):
            i2 = 0.425 * absorbed
            j = np.array(
                [
                    min(np.roots([0.7, -(a + m), a * m]).real)
                    for a, m in zip(i2, leaf_jmax, strict=True)
                ]
            )
            wc = leaf_vcmax * (ci - gamma) / (ci + km)
            wj = j * (ci - gamma) / (4.0 * ci + 8.0 * gamma)
            a = ((wc + wj) - np.sqrt((wc + wj) ** 2 - 4.0 * 0.98 * wc * wj)) / (2.0 * 0.98)
            total += share * a * lai / 60.0
    return float(total.mean() * 12.011e-6 * 2.0 * half * 3600.0)


@pytest.mark.parametrize(
    ("celsius", "rsds", "lai"), [(22.0, 250.0, 4.0), (12.0, 120.0, 4.0), (27.0, 300.0, 1.0)]
)
def test_three_times_of_day_and_two_leaves_are_nearly_all_times_and_layers(
    celsius: float, rsds: float, lai: float
) -> None:
    found, _ = photosynthesis(weather(celsius, rsds), lai, 57.0, 4.0, 1.0)
    wanted = slow_photosynthesis(celsius, rsds, 380.0, 40.0, 173, lai, 57.0)
    assert found == pytest.approx(wanted, rel=0.06)


def test_photosynthesis_responds_as_leaves_do() -> None:
    base, conductance = photosynthesis(weather(), 4.0, 57.0, 4.0, 1.0)
    more_co2, closing = photosynthesis(weather(co2=560.0), 4.0, 57.0, 4.0, 1.0)
    assert more_co2 > 1.05 * base
    assert closing < conductance
    assert photosynthesis(weather(rsds=120.0), 4.0, 57.0, 4.0, 1.0)[0] < base
    assert photosynthesis(weather(), 4.0, 80.0, 4.0, 1.0)[0] > base
    assert photosynthesis(weather(), 4.0, 57.0, 2.0, 1.0)[1] < conductance
    assert photosynthesis(weather(), 0.0, 57.0, 4.0, 1.0) == (0.0, 0.0)
    c4 = photosynthesis(weather(), 4.0, 57.0, 1.6, 0.0)[0]
    c4_more = photosynthesis(weather(co2=560.0), 4.0, 57.0, 1.6, 0.0)[0]
    assert c4_more < 1.02 * c4, "C4 plants hardly feel more CO2"


def test_leaf_area_is_the_integral_of_specific_leaf_area() -> None:
    """dL/dC = slatop + dsladlai L (Thornton and Zimmermann 2007)."""
    slow = solve_ivp(lambda _, lai: 0.03 + 0.002 * lai, (0.0, 142.0), [0.0], rtol=1e-10)
    assert leaf_area_index(142.0, 0.03, 0.002) == pytest.approx(slow.y[0, -1], rel=1e-6)
    assert leaf_area_index(142.0, 0.03, 0.0) == pytest.approx(4.26)


def test_water_stress_is_a_clipped_line_between_the_potentials() -> None:
    traits, share = np.zeros(N_TRAITS), np.zeros(10)
    traits[T_OPEN], traits[T_CLOSED] = -35.0, -224.0
    traits[T_ROOTS] = 1.0
    for potential, wanted in ((-10.0, 1.0), (-300.0, 0.0), (-129.5, 0.5)):
        found = water_stress(np.full(10, potential), 1.0, traits, share)
        assert found == pytest.approx(wanted)
    traits[T_ROOTS : T_ROOTS + 2] = 0.25, 0.75
    found = water_stress(np.array([-300.0, *[-10.0] * 9]), 1.0, traits, share)
    assert found == pytest.approx(0.75)
    assert share[0] == 0.0
    assert share.sum() == pytest.approx(1.0)


def test_allocation_of_the_default_tree_is_that_of_a_real_restart() -> None:
    """c_allometry 5.395 at annsum_npp 589.139 in ELM's restart of year 241 at Missouri Ozark."""
    pft = ParameterSet.default().pfts[0, 7]
    parts = np.zeros(6)
    growth_fractions(pft, 589.1389197980218, parts)
    assert parts.sum() == pytest.approx(1.0, abs=1e-14)
    assert 1.3 / parts[0] == pytest.approx(5.395102956, rel=1e-6)
    assert stem_to_leaf(0.2, 500.0) == 0.2
    assert stem_to_leaf(-1.0, 0.0) == pytest.approx(max(2.7 / (1 + math.exp(1.2)) - 0.4, 0.2))
    assert pft[indices.CROOT_STEM] == 0.3


@pytest.mark.parametrize("rate", [0.0, 1e-9, 1e-4, 0.0199999, 0.02, 0.3, 1.2])
def test_a_day_takes_what_exponential_decay_takes(rate: float) -> None:
    assert loss_fraction(rate) == pytest.approx(-math.expm1(-rate), rel=1e-11, abs=0)


def test_fixation_saturates() -> None:
    assert fixation(600.0) * 365.0 == pytest.approx(1.8 * (1.0 - math.exp(-1.8)))
    assert fixation(-10.0) == 0.0


def test_days_are_as_long_as_almanacs_say() -> None:
    # 40 degrees north: 15 h 1 min and 9 h 20 min of geometric day (no refraction: 10 min less).
    hours = day_length(40.0, np.array([172.0, 355.0])) / 3600.0
    np.testing.assert_allclose(hours, [14.84, 9.16], atol=0.05)
    assert day_length(80.0, np.array([172.0]))[0] == pytest.approx(86400.0)
    assert day_length(80.0, np.array([355.0]))[0] == 0.0
    equal = day_length(0.0, np.arange(1.0, 366.0))
    np.testing.assert_allclose(equal, 43200.0, atol=1.0)
    north, south = sun_table(45.0), sun_table(-45.0)
    assert north[30, 2] == 1.0
    assert south[30, 2] == 0.0


def test_derived_weather_is_physical_at_the_pole_and_in_the_heat() -> None:
    for latitude in (-89.9, 0.0, 70.0):
        for day in (0, 171, 354):
            row = np.array([320.0, 310.0, 330.0, 300.0, 400.0, 500.0, 101325.0, 0.0, 0.0])
            out = np.zeros(N_WEATHER)
            derive(row, 400.0, 0.0, sun_table(latitude)[day], kinetics_table(), out)
            assert np.isfinite(out).all()
            assert out[W_VPD] > 0.0
            assert 0.0 <= out[W_DAY_FRACTION] <= 1.0
            assert out[W_DAYLENGTH] == pytest.approx(86400.0 * out[W_DAY_FRACTION])
