from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from catena.models.derivatives import second_derivatives


def attention(x: Tensor) -> Tensor:
    return scaled_dot_product_attention(x, x, x)


def recurrence(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    # single precision: oneDNN takes no other
    return nn.LSTM(4, 3, batch_first=True).requires_grad_(False)(x[0])[0]


def curvature(function: object, x: Tensor) -> Tensor:
    """Gradient of the squared norm of the gradient."""
    x = x.clone().requires_grad_()
    assert callable(function)
    slope = torch.autograd.grad(function(x).sin().sum(), x, create_graph=True)[0]
    return torch.autograd.grad(slope.square().sum(), x)[0]


@pytest.mark.parametrize("function", [attention, recurrence])
def test_second_derivatives_are_there_while_asked_for(function: object) -> None:
    x = torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(1))
    before = torch.backends.mkldnn.enabled
    with second_derivatives():
        found = curvature(function, x)
        step = 1e-2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))

        def slope_norm(at: Tensor) -> Tensor:
            at = at.clone().requires_grad_()
            return torch.autograd.grad(function(at).sin().sum(), at)[0].double().square().sum()

        change = slope_norm(x + step) - slope_norm(x - step)
    torch.testing.assert_close(2 * (found * step).sum().double(), change, rtol=2e-2, atol=1e-5)
    assert torch.backends.mkldnn.enabled == before


def test_fused_attention_has_none() -> None:
    with pytest.raises(RuntimeError, match="not implemented"):
        curvature(attention, torch.ones(1, 2, 5, 4))


def test_settings_come_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), second_derivatives():
        assert not torch.backends.mkldnn.enabled
        assert not torch.backends.cuda.flash_sdp_enabled()
        raise ZeroDivisionError
    assert torch.backends.mkldnn.enabled
    assert torch.backends.cuda.flash_sdp_enabled()
