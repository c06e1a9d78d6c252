"""The planet solves its equations, conserves what they conserve, and is chaotic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import sph_harm_y

from catena.data_ingest.planet import ROTATION, Model, Planet, State, advected
from catena.data_ingest.planet_fields import fields
from catena.data_ingest.planet_transform import EARTH_RADIUS_M, Transform, transform
from catena.shared.errors import InvalidData

DAY = 86400.0

Array = np.ndarray


@pytest.fixture(params=[21, 42])
def t(request: pytest.FixtureRequest) -> Transform:
    return transform(request.param)


def noise(t: Transform, count: int, *, high: int | None = None, seed: int = 0) -> Array:
    high = t.truncation if high is None else high
    return t.random(np.random.default_rng(seed), count, 0, high)


def test_grids_are_those_on_which_products_are_exact() -> None:
    assert (transform(21).nlat, transform(21).nlon) == (32, 64)
    assert (transform(42).nlat, transform(42).nlon) == (64, 128)
    assert transform(21).weights.sum() == pytest.approx(1, abs=1e-14)
    with pytest.raises(InvalidData, match=r"grid of 24 x 48 .* more than 31\.5 x 63"):
        Transform(21, 24, 48)


def test_coefficients_come_back(t: Transform) -> None:
    coefficients = noise(t, 3)
    back = t.to_coefficients(t.to_grid(coefficients))
    np.testing.assert_allclose(back, coefficients, atol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 7), (1, 1), (3, 9), (21, 21), (5, 21)])
def test_functions_are_spherical_harmonics(m: int, n: int) -> None:
    t = transform(21)
    coefficients = np.zeros((*t.shape, 1))
    coefficients[0, m, n - m] = 1.0
    colatitude, longitude = np.pi / 2 - np.radians(t.lat), np.radians(t.lon)
    reference = sph_harm_y(n, m, colatitude[None], longitude[:, None]).real
    # Orthonormal on the sphere with Condon-Shortley phase; ours have a global mean square of 1.
    factor = np.sqrt(4 * np.pi) * (-1) ** m * (np.sqrt(2) if m else 1)
    np.testing.assert_allclose(t.to_grid(coefficients)[..., 0], factor * reference, atol=1e-12)


def test_coefficients_have_the_mean_square_of_the_grid(t: Transform) -> None:
    coefficients = noise(t, 2)
    on_grid = t.mean(t.to_grid(coefficients) ** 2)
    np.testing.assert_allclose(np.square(coefficients).sum(axis=(0, 1, 2)), on_grid, rtol=1e-12)


def test_divergence_of_a_gradient_is_the_laplacian(t: Transform) -> None:
    potential = noise(t, 2)
    along = t.to_grid(t.d_lon(potential))
    across = t.slopes_to_grid(potential)
    laplacian = t.divergence(along, across) / EARTH_RADIUS_M**2
    wanted = t.laplacian[:, :, None] * potential
    np.testing.assert_allclose(laplacian, wanted, atol=1e-12 * np.abs(wanted).max())


def rossby_haurwitz(model: Model, spin: float, height: float, r: int, turn: float) -> Array:
    """Vorticity of psi = -a^2 spin mu + a^2 height cos^r(lat) mu cos(r (lon - turn)).

    Williamson et al. (1992, J. Comput. Phys. 102, test 6, eq. 133-137).
    """
    t = model.transform
    mu, lon = t.mu[:, None], np.radians(t.lon)[:, None, None]
    cos = np.sqrt(1 - mu**2)
    wave = cos**r * mu * np.cos(r * (lon - turn))
    vorticity = 2 * spin * mu - height * (r**2 + 3 * r + 2) * wave
    return t.to_coefficients(vorticity)


@pytest.mark.parametrize("r", [3, 4, 8])
def test_rossby_haurwitz_wave_moves_at_its_speed(r: int) -> None:
    model = Model(Planet(levels_pa=(50000.0,), hills=0.0))
    spin = height = 7.848e-6
    speed = (r * (3 + r) * spin - 2 * ROTATION) / ((1 + r) * (2 + r))
    steps, dt = 768, 450.0
    x = rossby_haurwitz(model, spin, height, r, 0.0)
    x = np.concatenate([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)
    for _ in range(steps):
        x = advected(model.advection, x, dt)
    wanted = rossby_haurwitz(model, spin, height, r, speed * steps * dt)
    assert abs(speed * steps * dt) > 0.05  # it has moved
    error = np.abs(x[..., :1] - wanted).max() / np.abs(wanted).max()
    assert error < 5e-8  # after four days: space is exact, Runge-Kutta leaves dt^5 a step


def test_error_of_a_step_falls_with_its_fifth_power() -> None:
    model = Model(Planet(levels_pa=(50000.0,), hills=0.0))
    start = rossby_haurwitz(model, 7.848e-6, 7.848e-6, 4, 0.0)
    start = np.concatenate([start, 0 * start, 0 * start], axis=-1)
    speed = (4 * 7 * 7.848e-6 - 2 * ROTATION) / 30

    def error(dt: float) -> float:
        wanted = rossby_haurwitz(model, 7.848e-6, 7.848e-6, 4, speed * dt)
        return float(np.abs(advected(model.advection, start, dt)[..., :1] - wanted).max())

    assert error(7200.0) / error(3600.0) == pytest.approx(2**5, rel=0.1)


@pytest.mark.parametrize("truncation", [21, 42])
def test_advection_conserves_energy_enstrophy_and_tracers(truncation: int) -> None:
    model = Model(Planet(truncation=truncation, hills=0.0))
    t, count = model.transform, model.count
    x = noise(t, 3 * count, seed=3)
    x[..., :count] *= 1e-5
    x[0, 0, 0, :count] = 0  # the mean vorticity of a sphere is zero
    change = model.advection(x)
    vorticity, tracers = x[..., :count], x[..., count:]
    stream = vorticity * t.inverse_laplacian[:, :, None]

    def product(one: Array, other: Array) -> Array:
        """Global mean of a product, relative to the size of what cancels."""
        terms = one * other
        return terms.sum(axis=(0, 1, 2)) / np.abs(terms).sum(axis=(0, 1, 2))

    assert np.abs(product(stream, change[..., :count])).max() < 1e-13  # energy
    assert np.abs(product(vorticity, change[..., :count])).max() < 1e-13  # enstrophy
    assert np.abs(product(tracers, change[..., count:])).max() < 1e-13  # tracer variance
    assert np.abs(change[0, 0, 0]).max() < 1e-13 * np.abs(change).max()  # tracer mass


def test_hills_break_enstrophy_but_not_energy() -> None:
    # So the test above sees what it claims to see.
    model = Model(Planet(hills=0.3))
    t, count = model.transform, model.count
    x = noise(t, 3 * count, seed=3, high=10) * 1e-5
    change = model.advection(x)[..., :count]
    energy = (x[..., :count] * t.inverse_laplacian[:, :, None] * change).sum(axis=(0, 1, 2))
    enstrophy = (x[..., :count] * change).sum(axis=(0, 1, 2))
    scale = np.abs(x[..., :count] * change).sum(axis=(0, 1, 2))
    assert np.abs(enstrophy / scale).min() > 1e-4
    lengths = np.abs(x[..., :count] * t.inverse_laplacian[:, :, None] * change).sum(axis=(0, 1, 2))
    assert np.abs(energy / lengths).max() < 1e-12


def test_rest_stays_at_rest_without_jets() -> None:
    planet = Planet(jet_m_s=0.0, hills=0.0)
    model = Model(planet)
    start = model.initial()
    start.coefficients[..., : model.count] = 0
    later = model.advance(start, 24)
    assert np.abs(later.coefficients[..., : model.count]).max() < 1e-20


def test_unstable_steps_are_reported() -> None:
    planet = Planet(step_s=21600, jet_m_s=400.0)
    with pytest.raises(InvalidData, match=r"left the range of numbers.*shorten step_s"):
        Model(planet).advance(Model(planet).initial(), 400)


@pytest.fixture(scope="module")
def grown() -> tuple[Model, State]:
    """A planet whose jets begin to break up."""
    model = Model(Planet())
    return model, model.advance(model.initial(), 24 * 12)


@pytest.fixture(scope="module")
def mature(grown: tuple[Model, State]) -> tuple[Model, State]:
    """A planet that has forgotten its start."""
    return grown[0], grown[0].advance(grown[1], 24 * 40)


@pytest.mark.slow
def test_neighbouring_planets_part(mature: tuple[Model, State]) -> None:
    model, state = mature
    near = State(state.step, state.coefficients.copy())
    near.coefficients[0, 3, 3, 0] += 1e-10  # s-1, of vorticities of 1e-5

    def distance(a: State, b: State) -> float:
        count = model.count
        return float(np.linalg.norm((a.coefficients - b.coefficients)[..., :count]))

    start = distance(state, near)
    state, near = model.advance(state, 24 * 20), model.advance(near, 24 * 20)
    early = distance(state, near)
    state, near = model.advance(state, 24 * 20), model.advance(near, 24 * 20)
    late = distance(state, near)
    assert early > 2 * start
    assert late > 10 * early  # e-folding time of a week or so: no forecast beyond that


@pytest.mark.slow
def test_climate_is_steady_and_anomalies_decay(mature: tuple[Model, State]) -> None:
    model, state = mature
    series = []
    for _ in range(4 * 160):
        now = fields(model, state)
        series.append(np.concatenate([now[name] for name in ("ua", "va", "ta")]))
        state = model.advance(state, 6)
    values = np.array(series)
    weights = model.transform.weights[:, None]
    anomaly = values - values.mean(axis=0)

    def mean(one: Array, other: Array) -> Array:
        return (one * other * weights).sum(axis=(-1, -2))

    def correlation(lag: int) -> float:
        one, other = anomaly[lag:], anomaly[:-lag]
        return float((mean(one, other) / np.sqrt(mean(one, one) * mean(other, other))).mean())

    # Persistence: 0.91 at 6 h, and 0.23 to 0.35 at 24 h by seed.
    assert correlation(1) == pytest.approx(0.91, abs=0.04)
    assert correlation(4) == pytest.approx(0.28, abs=0.12)
    assert abs(correlation(60)) < 0.15
    halves = values[:320], values[320:]
    spreads = [np.sqrt((half.var(axis=0) * weights).sum(axis=(-1, -2)) / 64) for half in halves]
    np.testing.assert_allclose(spreads[0], spreads[1], rtol=0.25)
    # Zonal means: their difference between halves is small beside the day-to-day spread.
    zonal = [half.mean(axis=(0, 3)) for half in halves]
    assert np.abs(zonal[0] - zonal[1]).mean() < 0.25 * spreads[0].mean()
    assert values[:, :3].max() > 60  # m s-1: there are jets
    assert values[:, :3].max() < 200


def test_fields_look_like_an_atmosphere(grown: tuple[Model, State]) -> None:
    model, state = grown
    now = fields(model, state)
    t = model.transform
    assert {name: values.shape for name, values in now.items()} == {
        **dict.fromkeys(("ua", "va", "ta", "hus", "zg"), (3, 32, 64)),
        **dict.fromkeys(("tas", "psl", "pr"), (32, 64)),
    }
    ta, hus, zg = now["ta"], now["hus"], now["zg"]
    assert (now["pr"] >= 0).all()
    assert 0.3 < (now["pr"] * t.weights[:, None]).sum() / 64 * DAY < 6  # mm a day
    assert (hus >= 0).all()
    assert hus[0].mean() > 3 * hus[1].mean() > 9 * hus[2].mean()
    assert (np.diff(ta, axis=0) < 0).all()  # colder above
    assert (np.diff(zg, axis=0) > 0).all()
    tropics, poles = np.abs(t.lat) < 20, np.abs(t.lat) > 70
    assert ta[0, tropics].mean() > ta[0, poles].mean() + 20
    assert (now["psl"].mean() - 101325) < 3000


def test_winds_are_the_derivatives_of_their_stream_function(grown: tuple[Model, State]) -> None:
    model, state = grown
    t = model.transform
    now = fields(model, state)
    cos = np.sqrt(t.cos2)[:, None, None]
    east, north = (now[name].T * cos[:, 0] for name in ("ua", "va"))
    # curl of v gives the vorticity back, its divergence nothing
    vorticity = t.divergence(north, -east) / EARTH_RADIUS_M
    wanted = state.coefficients[..., :3]
    # Vorticity of the mean: no flow has one.
    np.testing.assert_allclose(vorticity[0, 0, 1:], wanted[0, 0, 1:], atol=1e-14)
    np.testing.assert_allclose(vorticity[:, 1:], wanted[:, 1:], atol=1e-14)
    divergence = t.divergence(east, north) / EARTH_RADIUS_M
    assert np.abs(divergence).max() < 1e-15


def test_heights_of_a_solid_turn_have_a_closed_form() -> None:
    # psi = -a^2 w mu: laplacian(Phi) = div(f grad psi) gives Phi = -2/3 Omega w a^2 P2 + const.
    model = Model(Planet(levels_pa=(50000.0,), hills=0.0))
    t, spin = model.transform, 1e-5
    vorticity = t.to_coefficients(np.ones((64, 1, 1)) * 2 * spin * t.mu[:, None])
    warm = t.to_coefficients(model.rest_temperature)
    now = fields(model, State(0, np.concatenate([vorticity, warm, 0 * warm], axis=-1)))
    height = now["zg"][0].mean(axis=1) * 9.80665
    wanted = -ROTATION * spin * EARTH_RADIUS_M**2 * t.mu**2
    np.testing.assert_allclose(height - height[16], wanted - wanted[16], atol=1e-6 * 30000)
    np.testing.assert_allclose(now["ua"][0, :, 0], spin * EARTH_RADIUS_M * np.sqrt(t.cos2))


def test_seeds_make_planets_of_their_own() -> None:
    same, other = Model(Planet(seed=1)), Model(Planet(seed=2))
    assert np.array_equal(same.hills, Model(Planet(seed=1)).hills)
    assert not np.allclose(same.hills, other.hills)
    assert not np.allclose(same.initial().coefficients, other.initial().coefficients)
    assert same.transform.mean(same.hills**2)[0] == pytest.approx(0.15**2)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidData, match="whole number of steps"):
        Planet(step_s=5000)
    with pytest.raises(InvalidData, match="decreasing"):
        Planet(levels_pa=(50000.0, 85000.0))
    with pytest.raises(InvalidData, match="decreasing"):
        replace(Planet(), levels_pa=())
