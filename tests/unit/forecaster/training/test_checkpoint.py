from __future__ import annotations

from pathlib import Path

import numpy as np

from catena.forecaster.training.checkpoint import FileCheckpoint, Part


def test_parts_of_a_checkpoint_do_not_touch_one_another(tmp_path: Path) -> None:
    """Names of arrays are the same in both parts."""
    path = tmp_path / "state"
    search, training = (Part(FileCheckpoint(path), name) for name in ("search", "training"))
    assert search.load() is None
    search.save({"a": np.arange(3)}, {"rung": 1})
    assert training.load() is None
    training.save({"a": np.ones(2), "b": np.zeros(1)}, {"step": 7})
    training.save({"a": np.full(2, 5.0)}, {"step": 8})
    one, two = search.load(), training.load()
    assert one is not None and two is not None
    assert one[1] == {"rung": 1} and one[0]["a"].tolist() == [0, 1, 2]
    assert two[1] == {"step": 8} and {k: v.tolist() for k, v in two[0].items()} == {"a": [5, 5]}
