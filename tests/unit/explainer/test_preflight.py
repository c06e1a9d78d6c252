"""What does not fit the artifacts is said before a job is made of it, under its field."""

from __future__ import annotations

from typing import Any

import pytest
from support import planted_orbit as planted

from catena.explainer import preflight
from catena.explainer.preflight import check_against_artifacts
from catena.explainer.queries import ExplainForecastQuery
from catena.models.orbit import Orbit
from catena.shared.errors import InvalidRequest
from catena.shared.requests import request_from_dict


class Store:
    """Has one checkpoint, whatever is asked for."""

    def __init__(self) -> None:
        self.checkpoint = planted.checkpoint(Orbit(planted.about().fields))

    def open(self, ref: Any) -> planted.PlainFiles:
        return self.checkpoint


def faults(methods: tuple[str, ...] = (), **changes: Any) -> dict[str, str]:
    def ref(kind: str) -> dict[str, str]:
        return {"uri": f"jobs/{kind}", "digest": "sha256:" + "1" * 64, "kind": kind}

    fields = {
        "checkpoint": ref("checkpoint"),
        "cache": ref("hot_cache"),
        "days": {"start": "2001-01-01", "end": "2001-02-01"},
        "targets": [{"variable": "tas"}],
        **changes,
    }
    message = request_from_dict(
        "explainer", "ExplainForecast", {"fields": fields, "methods": methods}
    )
    try:
        check_against_artifacts(ExplainForecastQuery.from_message(message), Store())  # type: ignore[arg-type]
    except InvalidRequest as error:
        return {item.field: item.description for item in error.violations}
    return {}


def test_a_request_that_fits_the_checkpoint_passes() -> None:
    assert faults() == {} == faults(leads_h=[6, 24])


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"targets": [{"variable": "psl"}]}, "fields.targets[0].variable", "forecasts tas"),
        ({"leads_h": [6, 12]}, "fields.leads_h[1]", "got 12; the model was trained on 6, 24 h"),
    ],
)
def test_what_the_checkpoint_does_not_have_is_named(
    changes: dict[str, Any], field: str, words: str
) -> None:
    found = faults(**changes)
    assert list(found) == [field] and words in found[field]


def test_more_contributions_than_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # 8 forecasts of 2 leads, of 4 variables on 16 x 32 cells.
    monkeypatch.setattr(preflight, "MOST_NUMBERS", 8 * 2 * 4 * 16 * 32)
    assert not faults() and not faults(count=16, leads_h=[6])
    assert "9 forecasts of 2 leads" in faults(count=9)["fields.count"]
    assert not faults(count=9, methods=("attention",)), "which has no contributions"
