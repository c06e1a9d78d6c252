"""Second derivatives of networks: torch's fast paths that have none are left for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from catena.models.lstm_layer import plain_recurrence


@contextmanager
def second_derivatives() -> Iterator[None]:
    """What is computed while this lasts can be differentiated twice.

    The compiled recurrence of :class:`~catena.models.lstm_layer.LSTMLayer`, the fused attention of
    ``scaled_dot_product_attention`` and oneDNN's LSTM behind ``torch.nn.LSTM`` have a first
    derivative only. Here they give way to plain forms of the same function, which are slower.
    Settings are restored at the end, also after an error. Those of attention and of oneDNN are the
    process's, that of recurrences is the thread's.

    >>> from torch.nn.functional import scaled_dot_product_attention
    >>> x = torch.ones(1, 1, 2, 2, requires_grad=True)
    >>> with second_derivatives():
    ...     y = scaled_dot_product_attention(x, x, x).sum()
    ...     slope = torch.autograd.grad(y, x, create_graph=True)[0]
    ...     torch.autograd.grad(slope.square().sum(), x)[0].shape
    torch.Size([1, 1, 2, 2])
    """
    with (
        plain_recurrence(),
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.mkldnn.flags(enabled=False, deterministic=None, allow_tf32=None),
    ):
        yield
