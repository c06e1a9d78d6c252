"""Donors for basins without a gauge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.process_weather import some_records

from catena.forecaster.process.donors import dissimilarity, great_circle, regionalise
from catena.forecaster.process.forecaster import ProcessForecaster, weather_climate
from catena.shared.errors import InvalidData

ALL = np.ones(1000, bool)


@pytest.fixture(scope="module")
def region():
    """Eight basins; the attribute 'kind' says exactly which parameters made their flow."""
    records, model = some_records(8, 1000)
    kind = np.array([0.0, 1.0, 2.0, 3.0, 0.01, 1.01, 2.01, 3.01])
    parameters = model.parameters.copy()
    parameters[4:] = parameters[:4]
    same = type(model)(parameters, model.latitude, model.band_warmth)
    flow = same.run(records.weather[..., 0], records.weather[..., 1], records.days).flow
    attributes = np.stack([records.attribute("slope_mean"), kind], axis=1)
    records = replace(
        records, flow=flow, attributes=attributes, attribute_names=("slope_mean", "kind")
    )
    gauged, rest = records.select(records.basins[:4]), records.select(records.basins[4:])
    climate = weather_climate(gauged, ALL)
    fitted = ProcessForecaster(gauged.basins, same.rows(slice(0, 4)), climate, np.zeros(4))
    return gauged, rest, fitted


def test_distance_on_the_ground_is_that_of_the_sphere() -> None:
    # a quarter of a meridian, and half of the equator
    apart = great_circle(np.array([0.0, 0.0]), np.array([0.0, 0.0]), [90.0, 0.0], [0.0, 180.0])
    np.testing.assert_allclose(apart[0], np.pi * 6371.0 * np.array([0.5, 1.0]), rtol=1e-9)


def test_the_twin_is_found_and_its_parameters_forecast_the_flow(region) -> None:
    gauged, rest, fitted = region
    made = regionalise(fitted, gauged, rest, ALL, attributes=["kind"], count=1, location_weight=0.0)
    assert [d[0] for d in made.donors] == list(gauged.basins)
    np.testing.assert_allclose(made.simulate(rest), rest.flow, rtol=1e-5)


def test_flows_are_averaged_not_parameters(region) -> None:
    gauged, rest, fitted = region
    three = regionalise(fitted, gauged, rest, ALL, attributes=["kind"], count=3)
    issues, weather = np.array([500, 600]), rest.weather[:, [[501, 502], [601, 602]]]
    each = [member.forecast(rest, issues, 2, weather) for member in three.members]
    np.testing.assert_allclose(three.forecast(rest, issues, 2, weather), np.mean(each, axis=0))
    assert len(three.members) == 3 and np.ptp(each, axis=0).max() > 0.0


def test_flow_of_basins_without_a_gauge_is_not_looked_at(region) -> None:
    gauged, rest, fitted = region
    blind = rest.with_flow(np.full(rest.flow.shape, np.nan))
    one, other = (
        regionalise(fitted, gauged, r, ALL, attributes=["kind"]).forecast(r, np.array([500]), 3)
        for r in (rest, blind)
    )
    np.testing.assert_array_equal(one, other)


def test_location_counts_by_its_weight(region) -> None:
    gauged, rest, _ = region
    by_place = dissimilarity(rest, gauged, ["kind"], 1.0)
    # basins lie on a line: the last gauged one is nearest to all the others
    assert (by_place.argmin(axis=1) == 3).all()
    by_kind = dissimilarity(rest, gauged, ["kind"], 0.0)
    assert by_kind.argmin(axis=1).tolist() == [0, 1, 2, 3]
    both = dissimilarity(rest, gauged, ["kind"], 0.25)
    np.testing.assert_allclose(both, 0.25 * by_place + 0.75 * by_kind)


def test_missing_attributes_count_as_the_mean(region) -> None:
    gauged, rest, _ = region
    attributes = rest.attributes.copy()
    attributes[0, 1] = np.nan
    gappy = replace(rest, attributes=attributes)
    attributes[0, 1] = gauged.attribute("kind").mean()
    filled = replace(rest, attributes=attributes)
    np.testing.assert_allclose(
        dissimilarity(gappy, gauged, ["kind"]), dissimilarity(filled, gauged, ["kind"]), rtol=1e-6
    )


def test_badly_modelled_basins_are_no_donors(region) -> None:
    gauged, rest, fitted = region
    poor = replace(fitted, misfit=np.array([0.9, 0.1, 0.1, 0.1]))
    made = regionalise(poor, gauged, rest, ALL, attributes=["kind"])
    assert not any(gauged.basins[0] in chosen for chosen in made.donors)
    with pytest.raises(InvalidData, match="0 of 4 calibrated basins"):
        regionalise(poor, gauged, rest, ALL, attributes=["kind"], worst_misfit=0.01)


def test_a_basin_is_never_its_own_donor(region) -> None:
    gauged, _, fitted = region
    with pytest.raises(InvalidData, match="basin-0"):
        regionalise(fitted, gauged, gauged, ALL, attributes=["kind"])
    made = regionalise(fitted, gauged, gauged, ALL, attributes=["kind"], leave_out=True)
    wanted = {basin: set(gauged.basins) - {basin} for basin in gauged.basins}
    assert {b: set(d) for b, d in zip(made.basins, made.donors, strict=True)} == wanted


def test_a_basin_left_out_has_the_donors_that_it_has_where_it_was_never_calibrated(region) -> None:
    gauged, _, fitted = region
    one = gauged.select(gauged.basins[:1])
    left_out = regionalise(fitted, gauged, one, ALL, attributes=["kind"], count=2, leave_out=True)
    three = gauged.select(gauged.basins[1:])
    fewer = ProcessForecaster(
        three.basins, fitted.model.rows(slice(1, 4)), fitted.climate[1:], fitted.misfit[1:]
    )
    never = regionalise(fewer, three, one, ALL, attributes=["kind"], count=2)
    assert left_out.donors == never.donors
    np.testing.assert_array_equal(left_out.simulate(one), never.simulate(one))
    each = left_out.simulate_each(one)
    np.testing.assert_allclose(each.mean(axis=-1), left_out.simulate(one))
    assert each.shape == (1, 1000, 2) and np.ptp(each, axis=-1).max() > 0


def test_basins_without_coordinates_are_named(region) -> None:
    gauged, rest, _ = region
    lost = replace(rest, longitude=np.array([1.0, np.nan, 1.0, 1.0]))
    with pytest.raises(InvalidData, match="basin-5"):
        dissimilarity(lost, gauged, ["kind"])
    assert np.isfinite(dissimilarity(lost, gauged, ["kind"], 0.0)).all()
