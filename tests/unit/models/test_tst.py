from __future__ import annotations

import pytest
import torch
from support.forecast_batches import SIZES, forecast_inputs, with_gaps

from catena.models.attention import Attention, position_code
from catena.models.flow_models import new_flow_model
from catena.models.tst_parts import CrossTemporalFusion, patches


def test_patches_end_at_the_issue_time_and_early_days_count_as_missing() -> None:
    series = torch.arange(1.0, 21.0)[None, :, None]
    cut, days = patches(series, 8, 4)
    assert days.tolist() == [-12, -8, -4, 0]
    assert cut[0, -1].tolist() == list(range(13, 21))
    assert cut[0, 0].tolist() == list(range(1, 9))
    cut, days = patches(series[:, :18], 8, 4)
    assert days.tolist() == [-12, -8, -4, 0]
    assert cut[0, 0].tolist() == [0, 0, *range(1, 7)]
    cut, days = patches(series[:, :3], 8, 4)
    assert days.tolist() == [0]
    assert cut[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 2, 3]


def test_attention_is_the_softmax_of_scaled_products() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2)
    tokens, memory = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    maps: list[torch.Tensor] = []
    out = attention(tokens, memory, None, maps)
    query, kv = attention.query(tokens), attention.key_value(memory)
    mixed = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        key, value = kv[..., :8][..., part], kv[..., 8:][..., part]
        weight = (query[..., part] @ key.transpose(1, 2) / 2.0).softmax(-1)
        torch.testing.assert_close(maps[0][:, head], weight)
        mixed.append(weight @ value)
    torch.testing.assert_close(out, attention.out(torch.cat(mixed, -1)))


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 10 of a token is no multiple of its 3 heads"):
        Attention(10, 3)


def test_positions_of_all_days_of_a_year_differ() -> None:
    code = position_code(torch.arange(-365.0, 31.0), 16)
    distance = torch.cdist(code, code) + torch.eye(len(code))
    assert distance.min() > 0.05


def test_the_gate_weighs_forecast_against_past() -> None:
    torch.manual_seed(1)
    fusion = CrossTemporalFusion(6, 2)
    future, past = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    remembered = fusion.attention(future, past)
    for bias, expected in ((50.0, future), (-50.0, remembered)):
        torch.nn.init.constant_(fusion.gate.bias, bias)
        torch.testing.assert_close(fusion(future, past), fusion.norm(expected))


def test_gates_and_maps_of_a_forecast_can_be_asked_for() -> None:
    net = new_flow_model("tst", {**SIZES, "width": 12, "heads": 3, "past_layers": 2}, 0)
    inputs = with_gaps(forecast_inputs(past=40, leads=9))
    shown = net.explain(inputs)
    gate = shown["gate"]
    assert gate.shape == (6, 9)
    assert ((gate >= 0) & (gate <= 1)).all()
    n = 4  # patches of 16 days every 8 days in 40 days
    assert shown["past_attention"].shape == (6, 2, 3, n, n)
    assert shown["future_attention"].shape == (6, 1, 3, 9, 9)
    assert shown["fusion_attention"].shape == (6, 3, 9, n)
    assert shown["lead_attention"].shape == (6, 1, 3, 9, n + n + 9)
    later = torch.ones(9, 9).triu(1).bool()
    assert (shown["future_attention"][..., later] == 0).all()
    assert (shown["lead_attention"][..., 2 * n :][..., later] == 0).all()
    # looking does not change the forecast
    torch.testing.assert_close(net(inputs).mean(), net(inputs).mean())


def test_a_past_of_any_length_of_nothing_changes_only_what_is_old() -> None:
    """Weights know ages of patches, not their number: more unseen past is more missing past."""
    net = new_flow_model("tst", SIZES, 0)
    assert not any("position" in name for name in net.state())
