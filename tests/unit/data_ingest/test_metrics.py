"""Metrics against sums written out in loops, and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.data_ingest.metrics import (
    ANNUAL,
    BELTS,
    MONTH_DAYS,
    SEASONAL,
    SEASONS,
    compute_metrics,
    region_weights,
)
from catena.data_ingest.named_grids import named_grid
from catena.shared.errors import InvalidData, InvalidRequest

GRID = named_grid("30deg")


def fields(seed: int, holes: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    model, reference = (280 + 10 * rng.standard_normal((12, *GRID.shape)) for _ in range(2))
    if holes:
        model[rng.random(model.shape) < 0.2] = np.nan
        reference[rng.random(reference.shape) < 0.2] = np.nan
        reference[:, 0, 0] = np.nan
    return model, reference


def weighted(cells):
    """Mean of (value, weight) pairs."""
    cells = list(cells)
    total = math.fsum(w for _, w in cells)
    return math.fsum(v * w for v, w in cells) / total


def slow_metrics(model, reference, weights):
    """The definitions cell by cell with math.fsum; no array operation."""
    ny, nx = weights.shape
    days = [31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    seasons = {
        "ann": list(range(12)),
        "djf": [0, 1, 11],
        "mam": [2, 3, 4],
        "jja": [5, 6, 7],
        "son": [8, 9, 10],
    }

    def there(t, j, i):
        return not (math.isnan(model[t, j, i]) or math.isnan(reference[t, j, i]))

    out: dict[str, dict[str, float]] = {}

    def put(name, season, value):
        out.setdefault(name, {})[season] = value

    for season, months in seasons.items():
        m, o, w = {}, {}, {}
        for j in range(ny):
            for i in range(nx):
                used = [t for t in months if there(t, j, i)]
                if used and weights[j, i] > 0:
                    m[j, i] = weighted((model[t, j, i], days[t]) for t in used)
                    o[j, i] = weighted((reference[t, j, i], days[t]) for t in used)
                    w[j, i] = weights[j, i]
        mm = weighted((m[c], w[c]) for c in m)
        om = weighted((o[c], w[c]) for c in m)
        put("mean_xy", season, mm)
        put("mean-obs_xy", season, om)
        put("bias_xy", season, mm - om)
        put("mae_xy", season, weighted((abs(m[c] - o[c]), w[c]) for c in m))
        put("rms_xy", season, weighted(((m[c] - o[c]) ** 2, w[c]) for c in m) ** 0.5)
        put("rmsc_xy", season, weighted(((m[c] - mm - o[c] + om) ** 2, w[c]) for c in m) ** 0.5)
        ms = weighted(((m[c] - mm) ** 2, w[c]) for c in m) ** 0.5
        os = weighted(((o[c] - om) ** 2, w[c]) for c in m) ** 0.5
        put("std_xy", season, ms)
        put("std-obs_xy", season, os)
        put("cor_xy", season, weighted(((m[c] - mm) * (o[c] - om), w[c]) for c in m) / ms / os)
        if season != "ann":
            continue
        rows = sorted({j for j, _ in m})
        mz = {j: weighted((m[c], w[c]) for c in m if c[0] == j) for j in rows}
        oz = {j: weighted((o[c], w[c]) for c in m if c[0] == j) for j in rows}
        belt = {j: max(weights[j]) for j in rows}
        put("rms_y", season, weighted(((mz[j] - oz[j]) ** 2, belt[j]) for j in rows) ** 0.5)
        md = {c: m[c] - mz[c[0]] for c in m}
        od = {c: o[c] - oz[c[0]] for c in m}
        put("rms_devzm", season, weighted(((md[c] - od[c]) ** 2, w[c]) for c in m) ** 0.5)
        for name, d in (("std_xy_devzm", md), ("std-obs_xy_devzm", od)):
            centre = weighted((d[c], w[c]) for c in m)
            put(name, season, weighted(((d[c] - centre) ** 2, w[c]) for c in m) ** 0.5)

    def month(t, function):
        return weighted(
            (function(model[t, j, i], reference[t, j, i]), weights[j, i])
            for j in range(ny)
            for i in range(nx)
            if there(t, j, i) and weights[j, i] > 0
        )

    squares = [month(t, lambda a, b: (a - b) ** 2) for t in range(12)]
    put("rms_xyt", "ann", weighted(zip([s**0.5 for s in squares], days, strict=True)))
    put("rms_xyt_pooled", "ann", weighted(zip(squares, days, strict=True)) ** 0.5)
    for name, pick in (("std_xyt", lambda a, b: a), ("std-obs_xyt", lambda a, b: b)):
        centre = weighted((month(t, pick), days[t]) for t in range(12))
        spread = weighted(
            (month(t, lambda a, b, p=pick, c=centre: (p(a, b) - c) ** 2), days[t])
            for t in range(12)
        )
        put(name, "ann", spread**0.5)
    return out


@settings(max_examples=25)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.sampled_from(["global", "NHEX", "SHEX", "TROPICS", "land", "ocean_TROPICS"]),
)
def test_every_metric_is_its_definition_to_1e_12(seed, holes, region):
    model, reference = fields(seed, holes)
    land = 100.0 * (np.random.default_rng(seed).random(GRID.shape) < 0.6)
    weights = region_weights(region, GRID.lat_edges, GRID.lon_edges, land)
    fast = compute_metrics(model, reference, weights)
    slow = slow_metrics(model, reference, weights)
    assert set(fast) == set(slow) == {*SEASONAL, *ANNUAL}
    for name, seasons in slow.items():
        assert set(fast[name]) == set(seasons)
        for season, value in seasons.items():
            # The bias is a difference of numbers near 280.
            assert fast[name][season] == pytest.approx(value, rel=1e-12, abs=3e-12), (name, season)


def test_plain_numpy_gives_the_same_where_nothing_is_missing():
    model, reference = fields(1, holes=False)
    w = GRID.areas() / GRID.areas().sum()
    d = MONTH_DAYS / MONTH_DAYS.sum()
    m, o = (np.tensordot(d, a, 1) for a in (model, reference))
    got = compute_metrics(model, reference, GRID.areas())
    assert got["rms_xy"]["ann"] == pytest.approx(np.sqrt((w * (m - o) ** 2).sum()), rel=1e-12)
    assert got["rms_xyt"]["ann"] == pytest.approx(
        d @ np.sqrt((w * (model - reference) ** 2).sum((1, 2))), rel=1e-12
    )
    correlation = np.cov(np.stack([m.ravel(), o.ravel()]), aweights=w.ravel(), ddof=0)
    assert got["cor_xy"]["ann"] == pytest.approx(
        correlation[0, 1] / np.sqrt(correlation[0, 0] * correlation[1, 1]), rel=1e-12
    )
    djf = np.average(model[[11, 0, 1]], axis=0, weights=[31, 31, 28.25])
    assert got["mean_xy"]["djf"] == pytest.approx((w * djf).sum(), rel=1e-12)


def test_closed_forms_of_a_shift_a_scaling_and_a_copy():
    """Of sin(lat), whose mean square over the sphere is 1/3."""
    grid = named_grid("180x16")
    pattern = np.broadcast_to(np.sin(np.radians(grid.lat))[:, None], grid.shape)
    reference = np.broadcast_to(pattern, (12, *grid.shape))
    copy = compute_metrics(reference, reference, grid.areas())
    assert copy["rms_xyt"]["ann"] == copy["rms_xy"]["jja"] == 0.0
    assert copy["cor_xy"]["ann"] == pytest.approx(1.0)
    assert copy["std_xyt"]["ann"] == pytest.approx(1 / math.sqrt(3), rel=1e-4)

    shifted = compute_metrics(reference + 2.0, reference, grid.areas())
    assert shifted["bias_xy"]["ann"] == pytest.approx(2.0)
    assert shifted["rms_xyt"]["ann"] == pytest.approx(2.0)
    assert shifted["rms_y"]["ann"] == pytest.approx(2.0)
    assert shifted["rmsc_xy"]["ann"] == pytest.approx(0.0, abs=1e-12)
    assert shifted["rms_devzm"]["ann"] == pytest.approx(0.0, abs=1e-12)

    scaled = compute_metrics(3.0 * reference, reference, grid.areas())
    assert scaled["std_xyt"]["ann"] == pytest.approx(3 * scaled["std-obs_xyt"]["ann"])
    assert scaled["rms_xy"]["ann"] == pytest.approx(2 / math.sqrt(3), rel=1e-4)
    assert scaled["cor_xy"]["djf"] == pytest.approx(1.0)


def test_pooled_and_mean_of_monthly_errors_differ_as_jensen_says():
    model, reference = fields(4, holes=False)
    model[0] += 50.0
    got = compute_metrics(model, reference, GRID.areas())
    assert got["rms_xyt_pooled"]["ann"] > 1.1 * got["rms_xyt"]["ann"]


@pytest.mark.parametrize("name", ["2.5deg", "7.5deg", "gaussian:32"])
def test_belts_have_their_areas_whatever_the_grid(name):
    grid = named_grid(name)
    for region, share in (("global", 1.0), ("NHEX", 0.25), ("SHEX", 0.25), ("TROPICS", 0.5)):
        weights = region_weights(region, grid.lat_edges, grid.lon_edges)
        assert weights.sum() == pytest.approx(4 * math.pi * share, rel=1e-12)


def test_land_and_ocean_share_each_belt():
    land = 100 * np.random.default_rng(0).random(GRID.shape)
    for belt in BELTS:
        parts = [
            region_weights(f"{surface}_{belt}", GRID.lat_edges, GRID.lon_edges, land)
            for surface in ("land", "ocean")
        ]
        whole = region_weights(belt, GRID.lat_edges, GRID.lon_edges)
        np.testing.assert_array_equal(sum(parts), whole)
        assert (np.minimum(*parts) == 0).all()


def test_a_region_without_values_has_no_metrics_and_no_warning():
    model, reference = fields(0, holes=False)
    model[:, :3] = np.nan
    weights = region_weights("SHEX", GRID.lat_edges, GRID.lon_edges)
    got = compute_metrics(model, reference, weights)
    assert all(math.isnan(value) for seasons in got.values() for value in seasons.values())


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidRequest, match="'NH': wanted one of global"):
        region_weights("NH", GRID.lat_edges, GRID.lon_edges)
    with pytest.raises(InvalidRequest, match="needs a land fraction"):
        region_weights("land", GRID.lat_edges, GRID.lon_edges)
    with pytest.raises(InvalidData, match="sftlf"):
        region_weights("land", GRID.lat_edges, GRID.lon_edges, np.zeros((2, 2)))
    with pytest.raises(InvalidData, match=r"wanted \(12, ny, nx\)"):
        compute_metrics(np.zeros((11, 2, 2)), np.zeros((11, 2, 2)), np.zeros((2, 2)))
    assert set(SEASONS) == {"ann", "djf", "mam", "jja", "son"}
