"""Observations out of datasets, in the model's units, months held back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import land_runs as land

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.model_runs import udunits
from catena.calibrator.observed import LATENT_HEAT, Observed, read_observed
from catena.calibrator.steps import Bounds, Step, steps_of
from catena.shared.errors import InvalidData

TRUTH = np.array([0.25, 0.03, 2.0])
MONTHS = Bounds.of(land.month_bounds())
GPP = Observed("GPP", relative_sd=0.1, absolute_sd=0.5, units="gC m-2 d-1")
HEAT = Observed("EFLX_LH_TOT", relative_sd=0.1, absolute_sd=5.0)


def asked(aggregation: str = "monthly") -> tuple[list[Step], OutputTable]:
    steps, units = [], []
    for name, (unit, _) in land.VARIABLES.items():
        found = steps_of(name, MONTHS, aggregation)  # type: ignore[arg-type]
        steps += found
        units += [udunits(unit)] * len(found)
    names = tuple(f"{step.variable}_{step.label()}" for step in steps)
    return steps, OutputTable(names, tuple(units), ("",) * len(names))


def read(
    dataset: Any = None, variables: Any = (GPP, HEAT), aggregation: str = "monthly", **how: Any
):
    dataset = land.towers(TRUTH) if dataset is None else dataset
    return read_observed(dataset, *asked(aggregation), list(variables), **how)


def test_carbon_and_water_come_in_the_models_units() -> None:
    found = read()
    truth = land.fluxes(TRUTH[None], np.arange(48))
    assert found.used.all()
    assert found.values[:48] == pytest.approx(truth["GPP"][0], rel=1e-9)
    assert found.values[48:] == pytest.approx(truth["EFLX_LH_TOT"][0], rel=1e-9)


def test_a_millimetre_a_day_is_28_watts() -> None:
    watts = LATENT_HEAT / 86400
    assert watts == pytest.approx(28.35, abs=0.02)


def test_the_error_grows_with_the_value_from_a_floor() -> None:
    found = read()
    floor = 0.5 / 86400
    assert found.error_sd[0] == pytest.approx(floor), "nothing grows in January"
    assert found.error_sd[6] == pytest.approx(np.hypot(0.1 * found.values[6], floor))
    assert found.error_sd[48:].min() > 5.0


def test_the_floor_of_heat_may_be_given_as_water() -> None:
    heat = Observed("EFLX_LH_TOT", absolute_sd=0.2, units="mm d-1")
    assert read(variables=[heat]).error_sd[50] == pytest.approx(0.2 * 28.356, rel=1e-3)


def test_missing_months_are_masked_and_later_ones_held_back() -> None:
    found = read(land.towers(TRUTH, missing=(5, 40)), end="2012-12-31")
    assert not found.used[5] and not found.withheld[5], "nobody measured it"
    assert found.used[:36].sum() == 35 and not found.used[36:48].any()
    assert found.withheld[36:48].sum() == 11 and not found.withheld[:36].any()
    assert not (found.used & found.withheld).any()


def test_a_variable_that_is_not_asked_for_is_masked() -> None:
    found = read(variables=[GPP])
    assert found.used[:48].all() and not found.used[48:].any()


def test_a_year_counts_when_all_of_it_was_observed() -> None:
    found = read(land.towers(TRUTH, missing=(14,)), aggregation="yearly")
    assert found.used.tolist() == [True, False, True, True] + [True] * 4
    found = read(land.towers(TRUTH, missing=(14,)), aggregation="yearly", least_coverage=0.9)
    assert found.used.all()


def test_a_year_that_the_calibration_cuts_is_held_back() -> None:
    found = read(aggregation="yearly", end="2012-06-30")
    assert found.used[:4].tolist() == [True, True, False, False]
    assert found.withheld[:4].tolist() == [False, False, True, True]


def test_one_of_several_sites_is_read() -> None:
    dataset = land.towers(TRUTH, sites=("US-Ha1", "US-WCr"))
    dataset["gpp"][0] *= 2
    assert read(dataset, site="US-WCr").values == pytest.approx(read().values)
    with pytest.raises(InvalidData) as caught:
        read(dataset)
    assert caught.value.violations[0].field == "site"
    assert "US-Ha1, US-WCr" in caught.value.violations[0].description


@pytest.mark.parametrize(
    ("variables", "how", "field", "said"),
    [
        ([Observed("NPP", absolute_sd=1.0)], {}, "variables[0].name", "GPP, EFLX_LH_TOT"),
        ([HEAT, Observed("GPP", "nee", 0, 1.0)], {}, "variables[1].observed_as", "gpp, evspsbl"),
        ([Observed("GPP", "evspsbl", 0, 1.0)], {}, "variables[0].observed_as", "cannot become"),
        ([Observed("GPP", "", 0, 1.0, "W m-2")], {}, "variables[0].units", "cannot become"),
        ([GPP], {"start": "2030-01-01"}, "start", "nothing was observed"),
    ],
)
def test_what_does_not_fit_is_named(
    variables: list[Observed], how: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(InvalidData) as caught:
        read(variables=variables, **how)
    assert caught.value.violations[0].field == field
    assert said in caught.value.violations[0].description


def test_outputs_of_several_cells_cannot_be_compared_with_one_place() -> None:
    steps, table = asked()
    steps[0] = Step("GPP", steps[0].start, steps[0].end, cell=1)
    with pytest.raises(InvalidData, match="several cells"):
        read_observed(land.towers(TRUTH), steps, table, [GPP])
