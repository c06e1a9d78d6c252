from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support.planted_parameters import (
    HIGH,
    LOW,
    NAMES,
    Formula,
    planted_model,
    planted_series,
)

from catena.explainer.parameters import (
    ParameterExplanation,
    ParameterSettings,
    explain_parameters,
    parameters_page,
)
from catena.explainer.parameters import explanation as module
from catena.explainer.parameters.groups import output_groups, pooled, spread_over
from catena.explainer.parameters.surrogate import Named
from catena.models.svd import LinearReduction
from catena.shared.errors import InvalidData

FAST: dict[str, Any] = {"samples": 1024, "points": 32, "background": 16}


@functools.lru_cache(maxsize=1)
def planted() -> ParameterExplanation:
    return explain_parameters(planted_model(), ParameterSettings(**FAST, seed=1))


@functools.lru_cache(maxsize=1)
def series() -> ParameterExplanation:
    return explain_parameters(planted_series(), ParameterSettings(**FAST))


def test_what_was_planted_is_found() -> None:
    data = planted().to_dataset()
    total = data["total_order"]
    assert np.allclose(total.sel(output="sum"), [0.9, 0.0, 0.0, 0.1], atol=0.01)
    assert np.allclose(total.sel(output="product"), [1.0, 1.0, 0.0, 0.0], atol=0.01)
    first = data["first_order"].sel(output="product")
    assert np.abs(first).max() < 0.02
    pair = data["second_order"].sel(detailed_output="product")
    both = float(pair.sel(parameter="light", other_parameter="water"))
    assert both == pytest.approx(1.0, abs=0.01)
    assert np.isnan(pair.sel(parameter="light", other_parameter="light"))
    spread = float(data["standard_deviation"].sel(output="sum"))
    assert spread == pytest.approx((10 / 3) ** 0.5, rel=0.01)
    # the mean distance of 3 x from its mean, x uniform over [-1, 1], is 1.5
    size = data["shap_importance"].sel(detailed_output="sum", parameter="light")
    assert float(size) == pytest.approx(1.5, rel=0.1)
    pawn = data["pawn"]
    over = pawn > pawn.attrs["threshold"]
    assert over.sel(detailed_output="sum", parameter="light")
    assert not over.sel(parameter="idle").any()
    value = data["sample_value"]
    assert (value >= LOW).all() and (value <= HIGH).all()


def test_contributions_sum_to_the_output() -> None:
    found = planted()
    assert found.shap is not None
    wanted = found.model.predict(found.shap.unit) - found.shap.reference
    assert np.allclose(found.shap.values.sum(2), wanted, atol=1e-9)


def test_an_output_that_does_not_vary_is_noted_and_has_no_numbers() -> None:
    found = planted()
    data = found.to_dataset()
    assert found.still.tolist() == [False, False, True]
    for name in ("first_order", "total_order", "total_order_error"):
        assert np.isnan(data[name].sel(output="still")).all()
    assert any(note.startswith("still does not vary") for note in found.about()["notes"])
    assert found.about()["drivers"]["still"] == []


def test_the_words_say_what_the_numbers_say() -> None:
    about = planted().about()
    words = about["words"]
    assert "sum is driven by light (90 %) and root (10 %)" in words
    assert "the strongest is that of light with water for product (100 %)" in words
    assert "idle does next to nothing" in words
    assert "R2 of 0.970 (median over outputs; the worst 0.950)" in words
    assert "of which it misses 5 % at worst" in words
    assert [row["parameter"] for row in about["drivers"]["sum"]] == ["light", "root"]


def test_one_parameter_drives_all_and_has_none_to_act_with() -> None:
    model = planted_model(
        parameters=Named(("light",), ("W m-2",), ("light",)),
        outputs=Named(("bend",), ("K",), ("a bend",)),
        low=LOW[:1],
        high=HIGH[:1],
        r2=np.ones(1),
        emulator=Formula(lambda x: x**3),
        reduction=LinearReduction(np.array([280.0]), np.ones(1), None, np.zeros(1)),
    )
    found = explain_parameters(model, ParameterSettings(**FAST))
    assert found.sobol is not None and np.allclose([found.sobol.first, found.sobol.total], 1.0)
    words = found.about()["words"]
    assert "bend is driven by light (100 %)" in words
    assert "interactions" not in words.lower() and "rank" not in words
    assert parameters_page(found).startswith("<!doctype html>")


def test_methods_agree_on_what_was_planted() -> None:
    agreement = planted().agreement
    assert agreement is not None and agreement.methods == ("sobol", "pawn", "shap")
    assert agreement.between("sobol", "shap") > 0.9


def test_a_surrogate_that_is_not_trusted_is_called_so() -> None:
    doubtful = explain_parameters(
        planted_model(r2=np.array([0.4, 0.8, 1.0])), ParameterSettings(**FAST, methods=("sobol",))
    )
    notes = " ".join(doubtful.about()["notes"])
    assert "Do not trust sum" in notes and "Take product with care" in notes
    assert "not the model" in doubtful.about()["words"]
    page = parameters_page(doubtful)
    assert "Do not trust sum" in page and "sum *" in page


@pytest.mark.parametrize("method", ["sobol", "pawn", "shap"])
def test_one_method_alone_is_enough(method: str) -> None:
    found = explain_parameters(planted_model(), ParameterSettings(**FAST, methods=(method,)))
    assert found.agreement is None and list(found.about()["methods"]) == [method]
    assert "light" in found.about()["words"].split("idle")[0]
    assert found.about()["drivers"]["sum"][0]["parameter"] == "light"
    assert found.still.tolist() == [False, False, True]
    assert "idle does next to nothing" in found.about()["words"]
    assert parameters_page(found).startswith("<!doctype html>")


def test_only_what_is_asked_for_is_computed() -> None:
    found = explain_parameters(
        planted_model(), ParameterSettings(**FAST, outputs=("product",), methods=("sobol",))
    )
    assert found.model.outputs.names == ("product",)
    assert found.to_dataset()["total_order"].shape == (4, 1)
    whole = planted()
    assert found.sobol is not None and whole.sobol is not None


def test_the_same_seed_gives_the_same_numbers_and_page() -> None:
    again = explain_parameters(planted_model(), ParameterSettings(**FAST, seed=1))
    other = explain_parameters(planted_model(), ParameterSettings(**FAST, seed=2))
    assert again.to_dataset().identical(planted().to_dataset())
    assert json.dumps(again.about()) == json.dumps(planted().about())
    assert parameters_page(again) == parameters_page(planted())
    assert not other.to_dataset().identical(planted().to_dataset())


def test_many_outputs_are_grouped_and_some_are_detailed() -> None:
    found = series()
    data = found.to_dataset()
    assert data.sizes["output"] == 80 and data.sizes["detailed_output"] == module.MOST_DETAILED
    assert [(g.name, len(g)) for g in found.groups] == [("GPP", 40), ("LH", 40)]
    fade = np.linspace(1.0, 0.0, 40)
    share = fade**2 / (fade**2 + (1 - fade) ** 2)
    assert np.allclose(data["total_order"][0], np.tile(share, 2), atol=0.02)
    assert found.sobol is not None
    index = pooled(found.sobol.total, found.sobol.variance, found.groups[0])
    assert np.allclose(index, [0.5, 0.5, 0.0, 0.0], atol=0.02)
    words = found.about()["words"]
    assert "light counts most for GPP_2000 (100 %) and least for GPP_2039 (under 1 %)" in words
    page = parameters_page(found)
    assert "GPP (40)" in page and "GPP, 40 outputs" in page


def test_parts_of_the_outputs_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTPUTS_AT_A_TIME", 30)
    settings = ParameterSettings(**FAST, methods=("sobol",))
    parted = explain_parameters(planted_series(), settings)
    assert parted.sobol is not None and series().sobol is not None
    for name in ("first", "total", "mean", "variance"):
        one, other = getattr(parted.sobol, name), getattr(series().sobol, name)
        assert np.allclose(one, other, atol=0.01), name


def test_the_dataset_survives_a_file(tmp_path: Any) -> None:
    data = planted().to_dataset()
    data.to_zarr(tmp_path / "sensitivity.zarr")
    assert xr.open_zarr(tmp_path / "sensitivity.zarr").load().equals(data)
    assert data["total_order_error"].attrs["units"] == "1"
    json.dumps(planted().about(), allow_nan=False)


def test_what_cannot_be_given_is_refused_all_at_once() -> None:
    asked = ParameterSettings(methods=("sobol", "deep"), outputs=("sum", "gpp"))
    with pytest.raises(InvalidData) as caught:
        explain_parameters(planted_model(), asked)
    assert [v.field for v in caught.value.violations] == ["methods[1]", "outputs[1]"]
    with pytest.raises(InvalidData, match="nothing to explain"):
        explain_parameters(
            planted_model(), ParameterSettings(outputs=("still",), methods=("sobol", "pawn"))
        )


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("EFLX_LH_TOT_2006", "EFLX_LH_TOT"),
        ("GPP_2011-06", "GPP"),
        ("GPP_2011-06-15_c12", "GPP"),
        ("NEE_m07", "NEE"),
        ("runoff_winter", "runoff"),
        ("QRUNOFF", "QRUNOFF"),
        ("2006", "2006"),
        ("H2OSOI_c3", "H2OSOI"),
    ],
)
def test_names_of_steps_are_grouped(name: str, stem: str) -> None:
    assert output_groups(Named((name,), ("1",), (name,)))[0].name == stem


def test_units_part_a_group_and_detail_is_spread() -> None:
    names = ("GPP_1", "GPP_2", "GPP_3", "T_1")
    groups = output_groups(Named(names, ("g", "g", "mol", "K"), names))
    assert [(g.name, g.members) for g in groups] == [
        ("GPP (g)", (0, 1)),
        ("GPP (mol)", (2,)),
        ("T", (3,)),
    ]
    long = output_groups(Named(tuple(f"a_{i}" for i in range(100)), ("1",) * 100, ("",) * 100))
    assert spread_over(long, 5).tolist() == [0, 25, 50, 74, 99]
    assert NAMES[0] == "light"
