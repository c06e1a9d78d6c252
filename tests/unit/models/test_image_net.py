from __future__ import annotations

import numpy as np
import pytest
import torch

from catena.models.image_net import CLOUD_FLOOR, ImageConfig, ImageNet

SMALL = ImageConfig(size=8, patch=4, bands=2, width=6, heads=2, layers=1, outputs=3)


def new(config: ImageConfig = SMALL) -> ImageNet:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return ImageNet(config)


def chips(count: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(count, 3, 8, 8, generator=generator)
    made[:, -1] = (made[:, -1] > 0.4).float()
    return made


def test_without_attention_it_is_a_mean_of_patches_by_hand() -> None:
    net = new(ImageConfig(size=8, patch=4, bands=2, width=6, layers=0, outputs=3))
    x = chips()
    kernel, bias = net.patches.weight.detach().numpy(), net.patches.bias.detach().numpy()
    for chip, told in zip(x.numpy(), net(x).detach().numpy(), strict=True):
        cloud = chip[-1]
        seen = np.concatenate([np.where(cloud > 0, 0, chip[:-1]), cloud[None]])
        total, weights = np.zeros(6), 0.0
        for i in (0, 1):
            for j in (0, 1):
                patch = seen[:, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
                token = (kernel * patch).sum((1, 2, 3)) + bias
                token = token + net.row[:, i, 0].detach().numpy()
                token = token + net.column[:, 0, j].detach().numpy()
                token = (token - token.mean()) / np.sqrt(token.var() + 1e-5)
                clear = 1 - patch[-1].mean() + CLOUD_FLOOR
                total, weights = total + clear * token, weights + clear
        out = net.out.weight.detach().numpy() @ (total / weights) + net.out.bias.detach().numpy()
        np.testing.assert_allclose(told, np.tanh(out), atol=1e-5)


def test_what_lies_under_clouds_is_not_looked_at() -> None:
    net, x = new(), chips()
    other = x.clone()
    other[:, :-1] += 100.0 * x[:, -1:]
    torch.testing.assert_close(net(other), net(x))
    other[:, :-1] += 0.5 * (1 - x[:, -1:])
    assert (net(other) - net(x)).abs().max() > 1e-3


def test_a_chip_all_under_clouds_has_an_encoding() -> None:
    x = chips()
    x[:, -1] = 1.0
    assert bool(new()(x).isfinite().all())


def test_it_matters_where_things_lie() -> None:
    net, x = new(), chips()
    assert (net(x.flip(-1)) - net(x)).abs().max() > 1e-4


def test_basins_do_not_mix() -> None:
    net, x = new(), chips()
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]))


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 3, 8, 16), (3, 8, 8)])
def test_other_bands_and_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 bands and the cloud mask"):
        new()(torch.zeros(shape))


def test_chips_are_cut_into_whole_patches() -> None:
    with pytest.raises(ValueError, match="want a divisor"):
        ImageNet(ImageConfig(size=64, patch=7))
