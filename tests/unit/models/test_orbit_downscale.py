from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import (
    BandedConvolution,
    DownscaleConfig,
    OrbitDownscale,
    Window,
    initial_downscale,
)
from catena.models.orbit_grids import band_shares, resized_patches, resized_positions, upsampled
from catena.models.orbit_tiles import Tiles, downscaled

COARSE = OrbitConfig(("a", "b", "c"), ("b", "a"), (8, 16), patch=2, width=32, depth=2, heads=2)
CONFIG = DownscaleConfig(COARSE, factor=2, features=8)


def built(config: DownscaleConfig, *, stirred: float = 0.0) -> OrbitDownscale:
    model = OrbitDownscale(config)
    random = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(initial_downscale(config, name, tuple(weight.shape), 1, weight.dtype))
            weight.add_(stirred * torch.randn(weight.shape, generator=random))
    return model.eval()


def random_fields(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_an_untrained_model_is_the_interpolation() -> None:
    fields = random_fields(2, 3, 8, 16)
    wanted = upsampled(fields[:, [1, 0]], 2, "bicubic", periodic=True)
    torch.testing.assert_close(built(CONFIG)(fields), wanted, rtol=0, atol=0)


def test_everything_in_it_learns() -> None:
    model = built(CONFIG, stirred=0.1)
    model(random_fields(2, 3, 8, 16), spacing=torch.tensor([2.0, 4.0])).square().mean().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still


def test_the_date_line_is_no_edge() -> None:
    """Fields turned around the globe give results turned with them, where no token sees a place."""
    model = built(replace(CONFIG, coarse=replace(COARSE, depth=0)), stirred=0.1)
    with torch.no_grad():
        model.embedding.position.zero_()
        fields = random_fields(1, 3, 8, 16)
        turned = model(fields.roll(6, -1))
        torch.testing.assert_close(turned, model(fields).roll(12, -1), rtol=0, atol=1e-5)


def test_resolution_and_place_are_seen() -> None:
    model, fields = built(CONFIG, stirred=0.1), random_fields(2, 3, 8, 16)
    one = model(fields, spacing=torch.tensor([1.0, 1.0]))
    other = model(fields, spacing=torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(one[0], other[0], rtol=0, atol=1e-6)
    assert (one[1] - other[1]).abs().max() > 1e-4


def test_rows_go_over_from_band_to_band() -> None:
    shares = band_shares(12, 3)
    torch.testing.assert_close(shares.sum(1), torch.ones(12))
    # Middles lie between rows 1 and 2, 5 and 6, 9 and 10; before the first there is no other band.
    first = torch.tensor([1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0, 0, 0, 0, 0])
    torch.testing.assert_close(shares[:, 0], first)
    torch.testing.assert_close(shares.flip(0, 1), shares)


def test_each_band_has_its_own_kernel_and_constant() -> None:
    """A slope along the columns in the north, twice the field in the south, 3 in between."""
    layer = BandedConvolution(3, inputs=2, outputs=1)
    kernels = torch.zeros(3, 3, 3, 3)  # band, channel (the last is 1), row, column
    kernels[0, 1, 1, [0, 2]] = torch.tensor([-0.5, 0.5])
    kernels[1, 2, 1, 1] = 3.0
    kernels[2, 1, 1, 1] = 2.0
    fields = random_fields(2, 2, 3, 8)
    with torch.no_grad():
        layer.kernels.weight.copy_(kernels.view(1, 9, 3, 3))
        made = layer(fields, Window((3, 8)), periodic=True)[:, 0]
        south = layer(fields[:, :, 2:], Window((3, 8), top=2), periodic=True)[:, 0]
    own = fields[:, 1]
    torch.testing.assert_close(made[:, 0], (own[:, 0].roll(-1, 1) - own[:, 0].roll(1, 1)) / 2)
    torch.testing.assert_close(made[:, 1], torch.full((2, 8), 3.0))
    torch.testing.assert_close(made[:, 2], 2 * own[:, 2])
    torch.testing.assert_close(south, made[:, 2:])  # a part knows where it lies


def test_first_features_of_fields_keep_their_variance() -> None:
    model = built(replace(CONFIG, features=256))
    fields = random_fields(32, 3, 8, 16)
    with torch.no_grad():
        made = model.linear(fields, Window((8, 16)), periodic=True)
    assert 0.7 < made.square().mean().sqrt() < 1.3


def test_what_stands_in_a_missing_variable_is_not_looked_at() -> None:
    model, fields = built(CONFIG, stirred=0.1), random_fields(2, 3, 8, 16)
    present = torch.tensor([[True, True, False], [True, True, True]])
    spoiled = fields.clone()
    spoiled[0, 2] = torch.nan
    torch.testing.assert_close(
        model(spoiled, present=present), model(fields, present=present), rtol=0, atol=0
    )
    some = model(fields[:, [1, 0]], torch.tensor([1, 0]))
    lacking = model(fields, present=present[:1].expand(2, -1))
    torch.testing.assert_close(some, lacking, rtol=0, atol=1e-5)


def test_positions_of_the_same_grid_are_the_same_and_others_lie_between() -> None:
    position = random_fields(4 * 8, 5)
    assert resized_positions(position, (4, 8), (4, 8)) is position
    rows = torch.arange(4.0).repeat_interleave(8)[:, None]
    # A linear embedding stays linear inside: centres of the fine cells at -.25, .25, .75, ...
    fine = resized_positions(rows, (4, 8), (8, 16)).view(8, 16)
    wanted = ((torch.arange(8.0) - 0.5) / 2).clamp(0.0, 3.0)
    torch.testing.assert_close(fine, wanted[:, None].expand(8, 16))
    with pytest.raises(ValueError, match="32 positions came for 3 x 8 patches; 24 wanted"):
        resized_positions(position, (3, 8), (4, 8))


@pytest.mark.parametrize("size", [1, 2, 8])
def test_patches_of_another_size_have_the_tokens_of_the_interpolated_ones(size: int) -> None:
    tokeniser = random_fields(3, 16, 6).double()
    resized = resized_patches(tokeniser, size)
    assert resized.shape == (3, size**2, 6)
    small = min(size, 4)
    pixels = random_fields(5, 1, small, small).double()
    grown = torch.nn.functional.interpolate(pixels, (max(size, 4),) * 2, mode="bilinear")
    own, old = (pixels, grown) if size < 4 else (grown, pixels)
    torch.testing.assert_close(
        torch.einsum("bp,vpd->bvd", own.flatten(1), resized),
        torch.einsum("bp,vpd->bvd", old.flatten(1), tokeniser),
    )
    assert resized_patches(tokeniser, 4) is tokeniser


@pytest.mark.parametrize("tile", [(4, 4), (4, 6), (8, 16), (2, 14)])
@pytest.mark.parametrize("periodic", [True, False])
def test_tiles_change_nothing_where_the_halo_covers_what_a_cell_sees(
    tile: tuple[int, int], periodic: bool
) -> None:
    """Without blocks a cell sees two cells around it (two convolutions; bicubic interpolation)."""
    config = replace(CONFIG, coarse=replace(COARSE, depth=0), periodic=periodic)
    model, fields = built(config, stirred=0.1), random_fields(2, 3, 8, 16)
    with torch.no_grad():
        whole = model(fields)
    for blend in (0, 1):
        tiles = Tiles(tile, halo=4, blend=blend)
        torch.testing.assert_close(downscaled(model, fields, tiles), whole, rtol=0, atol=1e-5)
    # The halo is needed.
    cut = downscaled(model, fields, Tiles(tile, halo=0))
    assert ((cut - whole).abs().max() > 1e-3) == (tile != (8, 16))


def test_tiles_with_attention_are_close() -> None:
    """The worst case: every token looks at all others alike, and the tiles' means differ."""
    model = built(CONFIG, stirred=0.1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "query_norm" in name:
                weight.zero_()
        smooth = upsampled(random_fields(4, 3, 4, 8), 8, "bicubic", periodic=True)
        whole = model(smooth)
    for blend in (0, 4):
        off = downscaled(model, smooth, Tiles((16, 16), halo=8, blend=blend)) - whole
        assert 1e-3 < off.square().mean().sqrt() / whole.std() < 0.15


class Mean(OrbitDownscale):
    """Gives every cell the mean of its tile: as non-local as can be."""

    def forward(self, fields: Tensor, *_: object) -> Tensor:
        grid = [side * self.config.factor for side in fields.shape[2:]]
        return fields[:, [1, 0]].mean((2, 3), keepdim=True).expand(-1, -1, *grid)


def test_blended_tiles_have_no_seams() -> None:
    fields = random_fields(1, 3, 8, 16)
    model = Mean(CONFIG)
    hard, blended = (downscaled(model, fields, Tiles((8, 4), 4, blend)) for blend in (0, 2))
    # With the halo, tiles of columns 0-3, 4-7, ... see 12 of 16 columns.
    means = torch.stack(
        [fields[..., torch.arange(at - 4, at + 8) % 16].mean((2, 3))[:, [1, 0]] for at in (0, 4, 8)]
    )
    torch.testing.assert_close(hard[0, :, 5, [0, 7, 8, 15, 16]], means[[0, 0, 1, 1, 2], 0].T)
    # From the middle of one tile to the middle of the next on a straight line: 8 equal steps.
    share = (torch.arange(8) + 0.5) / 8
    line = means[0, 0, :, None] * (1 - share) + means[1, 0, :, None] * share
    torch.testing.assert_close(blended[0, :, 5, 4:12], line)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="factor 1"):
        replace(CONFIG, factor=1)
    with pytest.raises(ValueError, match="8 features and 0 bands; wanted 2 or more, and 1"):
        replace(CONFIG, bands=0)
    with pytest.raises(ValueError, match="interpolation 'nearest'; wanted one of bilinear"):
        replace(CONFIG, interpolation="nearest")
    with pytest.raises(ValueError, match="blended over 3; wanted"):
        Tiles((4, 4), halo=2, blend=3)
    model = built(CONFIG)
    with pytest.raises(ValueError, match="a grid of 7 x 16; wanted whole patches of 2"):
        model(random_fields(1, 3, 7, 16))
    with pytest.raises(ValueError, match="halo of 3 on a grid of 8 x 16; wanted whole patches"):
        downscaled(model, random_fields(1, 3, 8, 16), Tiles((4, 4), halo=3))


def test_its_shape_goes_through_json() -> None:
    import json

    assert DownscaleConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG
