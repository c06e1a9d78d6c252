from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from catena.explainer.attribution.permutation import permutation_importance, pinball_loss
from catena.explainer.attribution.prediction import Groups
from catena.shared.errors import InvalidData

GROUPS = Groups.of(["p", "p", "t", "q", "idle"])


def product(rows: Tensor) -> Tensor:
    """y_0 = p t + 2 q, y_1 = p + q; the second column of p does nothing."""
    p, _, t, q, _ = rows.unbind(1)
    return torch.stack([p * t + 2 * q, p + q], 1)


def rows_of(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed)).double()


def with_noise(x: Tensor, sd: float = 0.5) -> Tensor:
    return product(x) + sd * rows_of(len(x), seed=9)[:, :2]


def test_rises_of_a_known_model_in_closed_form() -> None:
    """Independent standard normals: a linear term b x rises by 2 b^2, a product by 2."""
    x = rows_of(20_000)
    found = permutation_importance(product, x, with_noise(x), GROUPS)
    np.testing.assert_allclose(found.error, [0.25, 0.25], rtol=0.05)
    np.testing.assert_allclose(found.rise[0], [2, 2, 8, 0], atol=0.15)
    np.testing.assert_allclose(found.rise[1], [2, 0, 2, 0], atol=0.1)
    np.testing.assert_allclose(found.relative, found.rise / found.error[:, None])
    assert (found.rise[:, 3] == 0).all()


def test_pairs_that_act_together_share_a_rise_and_others_do_not() -> None:
    """Both factors of a product: 2 together, 2 + 2 one by one; terms of a sum: nothing."""
    x = rows_of(20_000)
    pairs = [("p", "t"), ("t", "q"), ("q", "idle")]
    found = permutation_importance(product, x, with_noise(x), GROUPS, pairs=pairs)
    assert found.pairs == tuple(pairs)
    np.testing.assert_allclose(found.joint[0], [-2, 0, 0], atol=0.15)
    np.testing.assert_allclose(found.joint[1], [0, 0, 0], atol=0.1)
    np.testing.assert_allclose(found.relative_joint, found.joint / found.error[:, None])


def test_mean_over_all_cycles_is_the_mean_over_all_other_samples() -> None:
    """An independent slow way: each sample takes the block from every other sample in turn."""
    x = rows_of(6)
    y = with_noise(x)
    repeats = 600
    found = permutation_importance(product, x, y, GROUPS, repeats=repeats)
    for g, columns in enumerate(([0, 1], [2], [3], [4])):
        rise = torch.zeros(2).double()
        for i in range(6):
            for j in set(range(6)) - {i}:
                row = x[i].clone()
                row[columns] = x[j, columns]
                moved, as_is = product(row[None])[0] - y[i], product(x[i : i + 1])[0] - y[i]
                rise += (moved**2 - as_is**2) / 30
        error = 4 * found.spread[:, g] / repeats**0.5 + 1e-12
        assert ((found.rise[:, g] - rise).abs() < error).all()


def test_columns_come_from_another_sample_of_the_same_label() -> None:
    """Each row carries its own number and its basin's; the model sees where a block came from."""
    n = 12
    basins = [f"basin {i % 3}" for i in range(n)]
    x = torch.stack([torch.arange(n), torch.arange(n) % 3, torch.arange(n)], 1).double()
    seen: list[Tensor] = []

    def watch(rows: Tensor) -> Tensor:
        seen.append(rows)
        return rows[:, :1]

    groups = Groups.of(["block", "block", "own"])
    permutation_importance(watch, x, x[:, :1] + 1, groups, within=basins, repeats=20)
    moved = [rows for rows in seen if not torch.equal(rows[:, 0], x[:, 0])]
    assert len(moved) == 20
    for rows in moved:
        assert (rows[:, 0] != rows[:, 2]).all()
        assert torch.equal(rows[:, 1], x[:, 1])
        assert torch.equal(rows[:, 0] % 3, rows[:, 1])
        assert sorted(rows[:, 0].tolist()) == list(range(n))
    assert len({tuple(rows[:, 0].tolist()) for rows in moved}) > 10


def test_within_labels_a_difference_between_labels_is_not_importance() -> None:
    """A column that is constant in each basin: moving it between basins matters, within not."""
    basin = torch.arange(40) % 4
    x = torch.stack([basin.double(), rows_of(40)[:, 0]], 1)
    model, groups = (lambda rows: rows.sum(1, keepdim=True)), Groups.of(["attribute", "weather"])
    y = model(x) + 0.1
    between = permutation_importance(model, x, y, groups)
    inside = permutation_importance(model, x, y, groups, within=basin.tolist())
    assert between.rise[0, 0] > 1
    assert inside.rise[0, 0] == 0
    assert inside.rise[0, 1] > 0.5


def test_missing_targets_are_left_out_and_an_output_without_any_is_nan() -> None:
    x = rows_of(200)
    y = with_noise(x)
    y[::2, 0] = torch.nan
    y[:, 1] = torch.nan
    found = permutation_importance(product, x, y, GROUPS, seed=3)
    error = (product(x) - y)[1::2, 0].square().mean()
    assert float(found.error[0]) == pytest.approx(float(error))
    assert found.rise[0].isfinite().all()
    assert (
        found.error[1].isnan() and found.rise[1].isnan().all() and found.relative[1].isnan().all()
    )


def test_gaps_of_the_inputs_move_with_their_block() -> None:
    x = rows_of(50)
    x[:10, 0] = torch.nan
    counts = []

    def watch(rows: Tensor) -> Tensor:
        counts.append(int(rows[:, 0].isnan().sum()))
        return rows.nan_to_num(nan=-1.0)[:, :2]

    permutation_importance(watch, x, x.nan_to_num()[:, :2] + 1, GROUPS)
    assert set(counts) == {10}


def test_a_model_without_error_has_no_relative_rise() -> None:
    x = rows_of(50)
    found = permutation_importance(product, x, product(x), GROUPS)
    assert (found.error == 0).all() and (found.rise[0, :3] > 0).all()
    assert found.relative.isnan().all()


def test_seeds_repeats_and_global_generators() -> None:
    x = rows_of(30)
    y = with_noise(x)
    numpys, torchs = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again, other = (
        permutation_importance(product, x, y, GROUPS, seed=seed, rows=rows)
        for seed, rows in ((1, 512), (1, 7), (2, 512))
    )
    np.testing.assert_array_equal(numpys, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torchs, torch.get_rng_state())
    torch.testing.assert_close(first.rise, again.rise)
    assert not torch.equal(first.rise, other.rise)
    assert (first.spread[0, :3] > 0).all()
    assert permutation_importance(product, x, y, GROUPS, repeats=1).spread.isnan().all()


def test_what_cannot_be_permuted_is_refused() -> None:
    x = rows_of(4)
    y = with_noise(x)
    with pytest.raises(InvalidData, match=r"one sample only of lone"):
        permutation_importance(product, x, y, GROUPS, within=["a", "a", "lone", "a"])
    with pytest.raises(InvalidData, match="one sample only: another"):
        permutation_importance(product, x[:1], y[:1], GROUPS)
    with pytest.raises(InvalidData, match="3 labels do not fit 4 samples"):
        permutation_importance(product, x, y, GROUPS, within=["a", "a", "a"])
    with pytest.raises(InvalidData, match=r"targets of shape \(4, 1\)"):
        permutation_importance(product, x, y[:, :1], GROUPS)
    with pytest.raises(InvalidData, match="none is observed"):
        permutation_importance(product, x, y * torch.nan, GROUPS)
    with pytest.raises(InvalidData, match="pair p and snow"):
        permutation_importance(product, x, y, GROUPS, pairs=[("p", "snow")])
    with pytest.raises(InvalidData, match="pair p and p"):
        permutation_importance(product, x, y, GROUPS, pairs=[("p", "p")])
    with pytest.raises(InvalidData, match="0 repeats"):
        permutation_importance(product, x, y, GROUPS, repeats=0)
    with pytest.raises(InvalidData, match="NaN or infinite"):
        permutation_importance(lambda rows: product(rows) / 0, x, y, GROUPS)


def test_a_quantile_is_judged_by_its_own_loss() -> None:
    """Closed form: the pinball loss of z_q for a standard normal is its density there."""
    level, at = 0.9, 1.2815515655446004
    noise = rows_of(40_000)[:, :1]
    loss = pinball_loss(level)(torch.full_like(noise, at), noise)
    assert float(loss.mean()) == pytest.approx(np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi), rel=0.02)
    others = [
        float(pinball_loss(level)(torch.full_like(noise, at + d), noise).mean())
        for d in (-0.2, 0.2)
    ]
    assert min(others) > float(loss.mean())

    x = rows_of(2000)
    y = x[:, [0]] + rows_of(2000, seed=3)[:, [1]]  # spread about the first column
    found = permutation_importance(
        lambda rows: rows[:, [0]] + at, x, y, GROUPS, loss=pinball_loss(level)
    )
    assert float(found.error) == pytest.approx(0.1755, rel=0.1)
    assert float(found.rise[0, 0]) > 0.1
    assert (found.rise[0, 1:] == 0).all()
