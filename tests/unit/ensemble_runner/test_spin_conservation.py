"""States are weighed, and a leak between what a column holds and its fluxes is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.spin_up_cases import case

from catena.coupler.embedded.state import S_C, State
from catena.coupler.spin_up.case import Stretch
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.native import Native
from catena.ensemble_runner.spin_conservation import conservation


def test_the_model_conserves_what_a_column_holds_and_a_leak_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = case(members=1, cells=2, years=2)
    values = Native(ad_years=40, final_years=10).run(made).state.values[:, 0]
    right = conservation(made, values)
    assert right.sites == made.sites
    assert right.carbon == pytest.approx(made.stocks(State(values[:, None])).carbon.mean())
    assert right.carbon_error < 1e-8 and right.nitrogen_error < 1e-9
    whole = EmbeddedCase.run

    def leaks(self: EmbeddedCase, state: State, cycles: int, **modes: Any) -> Stretch[State]:
        run = whole(self, state, cycles, **modes)
        lost = run.state.values.copy()
        lost[:, 0, S_C + 7] -= 1.0
        return replace(run, state=replace(run.state, values=lost))

    monkeypatch.setattr(EmbeddedCase, "run", leaks)
    found = conservation(made, values)
    assert found.carbon_error == pytest.approx(1.0 / made.cycle_years, rel=1e-6)


def test_states_of_failed_sites_are_not_run() -> None:
    made = case(members=1, cells=2, years=2)
    lost = np.full(made.cold_start().values[:, 0].shape, np.nan)
    assert conservation(made, lost).sites == 0
