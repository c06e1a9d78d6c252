from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.calibration import HIGH, LOW, OUTPUTS, PARAMETERS, small_calibration

from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.prior import Prior
from catena.calibrator.storage import About, OutputTable, write_surrogate
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.explainer.parameters import surrogate as module
from catena.explainer.parameters.surrogate import ParameterModel, read_surrogate
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData

PRIOR = Prior(("a", "b", "c"), np.array([-1.0, 0.0, 1e-6]), np.array([1.0, 10.0, 4e-6]))
QUICK = SurrogateConfig(width=16, depth=2, members=2, fold_members=2, epochs=40)
UNIT = np.random.default_rng(3).random((300, 3))


def series(unit: np.ndarray, outputs: int) -> np.ndarray:
    time = np.linspace(0.0, 6.0, outputs)
    return 5.0 + unit[:, :1] * np.sin(time) + unit[:, 1:2] ** 2 * time + unit[:, 2:] * unit[:, :1]


def stored(kind: str, outputs: int) -> tuple[Surrogate, ParameterModel]:
    """A surrogate of the calibrator, and what the explainer reads of it."""
    x = PRIOR.from_unit(PRIOR.sobol_unit(64, 7))
    y = series(PRIOR.to_unit(x), outputs)
    fitted = fit_surrogate(x, y, PRIOR, method=kind, seed=1, config=QUICK)
    names = tuple(f"flux_{i}" for i in range(outputs))
    table = OutputTable(names, ("W m-2",) * outputs, tuple(f"flux, {n}" for n in names))
    data = {"title": "a series", "generated": True, "source_note": "", "model": ""}
    files = Files()
    write_surrogate(files, fitted, About(PRIOR, table, ("x", "y", "z"), data))  # type: ignore[arg-type]
    return fitted, read_surrogate(files)  # type: ignore[arg-type]


class Files:
    """An artifact in memory that can be written and read, and torn."""

    kind = "surrogate"

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def write_json(self, name: str, value: Any) -> None:
        self.held[name] = json.loads(json.dumps(value))

    def write_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self.held[name] = {key: value.copy() for key, value in arrays.items()}

    def read_json(self, name: str) -> Any:
        return self.held[name]

    read_arrays = read_json


@pytest.mark.parametrize("kind", ["gp", "mlp"])
@pytest.mark.parametrize("outputs", [4, 80])
def test_it_predicts_what_the_calibrator_predicts(
    kind: str, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, model = stored(kind, outputs)
    wanted = fitted.predict(PRIOR.from_unit(UNIT))[0]
    assert model.about["method"] == kind and model.about["runs"] == 64
    assert np.allclose(model.predict(UNIT), wanted, rtol=1e-6, atol=1e-6)
    assert np.array_equal(model.r2, fitted.r2)
    assert np.allclose(model.physical(UNIT), PRIOR.from_unit(UNIT))
    some = model.select([3, 0])
    assert some.outputs.names == ("flux_3", "flux_0") and len(some.r2) == 2
    assert np.allclose(some.predict(UNIT), wanted[:, [3, 0]], rtol=1e-6, atol=1e-6)
    monkeypatch.setattr(module, "NUMBERS", 500)
    assert np.allclose(model.predict(UNIT), wanted, rtol=1e-6, atol=1e-6)


def opened() -> tuple[ArtifactStore, Artifact]:
    calibration = small_calibration()
    return calibration.store, calibration.store.open(calibration.surrogate["uri"])


def test_an_artifact_of_the_calibrators_job_is_read() -> None:
    model = read_surrogate(opened()[1])
    assert model.parameters.names == tuple(p["name"] for p in PARAMETERS)
    assert model.parameters.long_names == tuple(p["long_name"] for p in PARAMETERS)
    assert model.outputs.units == tuple(o["units"] for o in OUTPUTS)
    assert np.array_equal(model.low, LOW) and np.array_equal(model.high, HIGH)
    assert (model.r2 > 0.9).all() and model.about["title"] == "leaky bucket"


def test_what_is_no_surrogate_is_refused() -> None:
    store, _ = opened()
    with pytest.raises(InvalidData, match="ensemble"):
        read_surrogate(store.open(small_calibration().ensemble["uri"]))


def test_a_surrogate_whose_parts_do_not_fit_is_refused() -> None:
    artifact = opened()[1]

    torn = Files()
    torn.held = {name: artifact.read_json(name) for name in ("surrogate.json",)}
    arrays = artifact.read_arrays("surrogate.safetensors")
    for name, cut in (("emulator.inputs", slice(5)), ("reduction.offset", slice(2))):
        torn.write_arrays("surrogate.safetensors", arrays | {name: arrays[name][cut]})
        with pytest.raises(InvalidData, match="train it again"):
            read_surrogate(torn)  # type: ignore[arg-type]


def test_points_outside_the_box_are_refused() -> None:
    model = read_surrogate(opened()[1])
    for bad in (UNIT[:, :2], UNIT + 1.0, np.full((2, 3), np.nan)):
        with pytest.raises(InvalidData):
            model.predict(bad)
