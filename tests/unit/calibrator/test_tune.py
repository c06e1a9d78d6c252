"""The search for settings gives the same answer each time, and never less than the defaults."""

from __future__ import annotations

import numpy as np
import pytest
from support import calibration as small
from support.site import Site

from catena.calibrator import tune
from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.prior import Prior
from catena.shared.errors import FailedPrecondition

PRIOR = Prior(tuple(p["name"] for p in small.PARAMETERS), small.LOW, small.HIGH)


def search(checkpoint: object = None, told: list[str] | None = None) -> SurrogateConfig:
    parameters, outputs = small.runs()
    return tune.search(
        parameters[:40],
        outputs[:40],
        PRIOR,
        trials=3,
        folds=2,
        svd_above=50,
        seed=1,
        progress=lambda fraction, message: (told if told is not None else []).append(message),
        checkpoint=checkpoint,  # type: ignore[arg-type]
    )


def test_candidates_begin_with_the_defaults_and_repeat() -> None:
    first, again = (tune.candidates(6, seed=3) for _ in range(2))
    assert first == again
    assert first[0] == SurrogateConfig()
    assert len(set(map(str, first))) == 6


def test_without_ray_the_search_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(FailedPrecondition, match="not connected"):
        search()


class Memory:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.saved: tuple[dict[str, np.ndarray], dict] | None = None

    def load(self):
        return self.saved

    def save(self, arrays, meta) -> None:
        self.saved = (dict(arrays), dict(meta))


@pytest.mark.slow
def test_rungs_are_run_on_ray_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Memory()
    best = search(checkpoint)
    assert best in tune.candidates(3, seed=1)
    assert checkpoint.saved is not None
    assert np.isfinite(checkpoint.saved[0]["rung0/scores"]).all()

    def refuse(*_: object) -> None:
        raise AssertionError("a finished rung was run again")

    monkeypatch.setattr(tune, "_run_rung", refuse)
    assert search(checkpoint) == best
