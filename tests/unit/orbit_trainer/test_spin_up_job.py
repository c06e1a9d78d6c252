"""Sites of a file for a fine-tuning for spin-ups: what is wrong with them is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from catena.orbit_trainer.spin_up_job import read_samples
from catena.orbit_trainer.vocabulary import SpinUpSites
from catena.shared.errors import InvalidData

SITES = SpinUpSites.model_validate(
    {
        "files": {"uri": "imports/x", "digest": "sha256:" + "0" * 64, "kind": "files"},
        "file": "sites.safetensors",
        "pools": ["wood", "litter"],
    }
)


def arrays() -> dict[str, Any]:
    pools = np.arange(1.0, 41.0).reshape(20, 2)
    return {"inputs.static": np.ones((20, 3)), "targets": pools, "split": np.arange(20) % 3}


def test_sites_are_divided_as_the_file_says_or_in_their_order() -> None:
    given = arrays()
    samples, split = read_samples(SITES, given)
    assert len(samples) == 20
    assert split["test"].tolist() == [2, 5, 8, 11, 14, 17]
    del given["split"]
    _, split = read_samples(SITES, given)
    assert {name: len(rows) for name, rows in split.items()} == {
        "training": 14,
        "validation": 3,
        "test": 3,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("targets"), "has the arrays inputs.static, split; wanted targets"),
        (lambda one: one.update(targets=one["targets"][:, :1]), "1 pools, the request names 2"),
        (lambda one: one.update(split=one["split"][:5]), "one number for 20 sites"),
        (lambda one: one.update(split=np.zeros(20)), "no site is for validation nor test"),
        (lambda one: one["split"].put(4, 7), "split has 7; wanted 0"),
        (lambda one: one["targets"].__setitem__((slice(0, 20, 3), 1), np.nan), "value of litter;"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    given = arrays()
    change(given)
    with pytest.raises(InvalidData, match=said):
        read_samples(SITES, given)
