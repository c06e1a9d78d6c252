from __future__ import annotations

import json

import pytest
import torch

from catena.models.orbit import Orbit
from catena.models.orbit_config import SIZES, OrbitConfig, variable_ids

NAMES = ("orography", "tas", "ta_85000")
GOOD = {"variables": NAMES, "outputs": ("tas",), "grid": (8, 16), "width": 32, "heads": 2}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"variables": ()}, r"variables \[\]; wanted one at least"),
        ({"variables": ("tas", "tas")}, "each once"),
        ({"outputs": ("pr",)}, r"outputs \['pr'\].*unknown: \['pr'\]"),
        ({"outputs": ()}, "wanted one at least, each once, all among the variables"),
        ({"outputs": ("tas", "tas")}, "unknown: none"),
        ({"grid": (8, 18)}, "grid 8 x 18 is not divisible by the patch of 4"),
        ({"grid": (0, 16)}, "wanted whole numbers above zero"),
        ({"patch": 0}, "wanted whole numbers above zero"),
        ({"depth": -1}, "wanted whole numbers above zero"),
        ({"decoder_depth": -1}, "wanted whole numbers above zero"),
        ({"heads": 3}, "width 32 with 3 heads; wanted a multiple of the heads"),
        ({"width": 30}, "width 30 with 2 heads; wanted a multiple"),
        ({"drop_path": 1.0}, "drop_path 1.0; wanted 0 or more, less than 1"),
        ({"drop_path": float("nan")}, "drop_path nan"),
    ],
)
def test_sizes_that_do_not_fit_are_named(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OrbitConfig(**{**GOOD, **wrong})


def test_a_config_survives_json() -> None:
    config = OrbitConfig(**GOOD, depth=2, drop_path=0.1)
    assert OrbitConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_names_of_variables_become_rows_in_the_order_of_the_input() -> None:
    config = OrbitConfig(**GOOD)
    assert variable_ids(config, ["ta_85000", "orography"]).tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"those that the model knows.*unknown: \['pr'\]"):
        variable_ids(config, ["tas", "pr"])
    with pytest.raises(ValueError, match="wanted each once"):
        variable_ids(config, ["tas", "tas"])


@pytest.mark.parametrize(
    ("size", "published"),
    [("8M", 8e6), ("115M", 112e6), ("1B", 0.98e9), ("10B", 9.3e9), ("113B", 113e9)],
)
def test_sizes_have_the_published_number_of_parameters(size: str, published: float) -> None:
    with torch.device("meta"):
        model = Orbit(OrbitConfig.of_size(size, [f"v{n}" for n in range(91)]))
    counted = sum(weight.numel() for weight in model.parameters())
    assert counted == pytest.approx(published, rel=0.05)


def test_an_unknown_size_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"size '2B'; wanted one of {', '.join(SIZES)}"):
        OrbitConfig.of_size("2B", NAMES)


def test_a_size_takes_other_fields_grids_and_shapes() -> None:
    config = OrbitConfig.of_size("8M", NAMES, ["tas"], grid=(32, 64), patch=2, depth=3)
    assert (config.outputs, config.depth) == (("tas",), 3)
    assert (config.tokens, config.head_width) == (512, 64)
