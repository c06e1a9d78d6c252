"""Networks are built as they were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.generated import generated_records
from catena.forecaster.forecasters import About
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.scenarios import no_weather
from catena.shared.errors import InvalidData

RECORDS = generated_records(2, 4, seed=5)


def fitted(model: str, settings: Settings, leads: int) -> NetworkForecaster:
    about = About.of(
        RECORDS, model=model, title="", leads=leads, training_days=("2001-01-01", "2003-12-31"),
        validation_days=("2004-01-01", "2004-12-31"), seed=0,
    )  # fmt: skip
    return NetworkForecaster.fit(about, RECORDS, settings)


@pytest.mark.parametrize("model", ["channel_tst", "tst"])
def test_the_whole_window_and_all_leads_are_used(model: str) -> None:
    """The public form has both in its weights: 90 days and 30 leads unless told otherwise."""
    made = fitted(model, Settings(window=120, width=12, steps=1, batch=16), leads=35)
    issue = np.array([1300])
    before = made.forecast(RECORDS, issue, no_weather()).flow
    assert before.shape == (2, 1, 35) and np.isfinite(before).all()
    flow = RECORDS.flow.copy()
    flow[:, 1300 - 110] += 50.0
    after = made.forecast(RECORDS.with_flow(flow), issue, no_weather()).flow
    assert (before != after).any(axis=(1, 2)).all()


def test_a_width_that_cannot_be_built_is_refused_in_words() -> None:
    with pytest.raises(InvalidData, match=r"width 50 .* no multiple of its 3 heads; give"):
        fitted("tst", Settings(width=50, steps=1), leads=3)
