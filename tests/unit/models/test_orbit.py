from __future__ import annotations

import copy

import pytest
import torch
from support.unfolded_orbit import UnfoldedOrbit
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from catena.models.orbit import (
    Block,
    FeedForward,
    Orbit,
    SelfAttention,
    _GeluLinear,
    initial,
    initialise,
)
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_embedding import patches, unpatched

GRID = (8, 16)


def config_of(count: int = 5, **more: object) -> OrbitConfig:
    names = tuple(f"v{n}" for n in range(count))
    shape = {"outputs": names, "grid": GRID, "width": 32, "depth": 2, "heads": 4, **more}
    return OrbitConfig(variables=names, **shape)


def model_of(config: OrbitConfig, dtype: torch.dtype = torch.float64) -> Orbit:
    """A model none of whose weights is a special one: no bias is 0, no norm is the identity."""
    model = initialise(Orbit(config).to(dtype), seed=0)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=random, dtype=dtype)
    return model


def inputs_of(count: int, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(2)
    fields = torch.randn(batch, count, *GRID, generator=random, dtype=torch.float64)
    return fields, torch.arange(count), torch.tensor([6.0, 24.0, 240.0, 0.0])[:batch].double()


def outputs_and_gradients(
    function: nn.Module, model: Orbit, fields: Tensor, *others: Tensor | None
) -> dict[str, Tensor]:
    """What a function of the model's weights gives, and its gradients by weights and fields."""
    fields = fields.clone().requires_grad_()
    out = function(fields, *others)
    random = torch.Generator().manual_seed(3)
    asked = torch.randn(out.shape, generator=random, dtype=torch.float64)
    named = dict(model.named_parameters())
    found = torch.autograd.grad((out * asked).sum(), [fields, *named.values()])
    return {"outputs": out.detach(), **dict(zip(("fields", *named), found, strict=True))}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, wanted in other.items():
        assert wanted.isfinite().all(), name
        off = (one[name] - wanted).abs().max() / wanted.abs().max().clamp(min=1.0)
        assert off <= 1e-12, f"{name}: {off:.1e}"


def presence(batch: int, count: int) -> Tensor:
    """Some variables lack in the first two samples; the last one has none at all."""
    random = torch.Generator().manual_seed(4)
    present = torch.rand(batch, count, generator=random) < 0.6
    present[:-1, 0] = True
    present[-1] = False
    return present


@pytest.mark.parametrize("masked", [False, True], ids=["all there", "some lack"])
@pytest.mark.parametrize("count", [1, 5, 48, 91])
def test_folded_is_the_reference_order_gradients_included(count: int, masked: bool) -> None:
    model = model_of(config_of(count))
    inputs = inputs_of(count)
    present = presence(3, count) if masked else None
    folded = outputs_and_gradients(model, model, *inputs, present)
    reference = outputs_and_gradients(UnfoldedOrbit(model), model, *inputs, present)
    assert_same(folded, reference)
    # The comparison is of something: only what adds the same to all scores is without effect, and
    # with one variable there is nothing to choose among.
    still = {name for name, found in reference.items() if found.abs().max() < 1e-10}
    assert {name for name in still if "aggregation" not in name} == {
        f"blocks.{n}.attention.key_norm.bias" for n in range(2)
    }
    assert any("aggregation" in name for name in still) == (count == 1)


@pytest.mark.parametrize("patch", [1, 2, 8])
def test_folded_is_the_reference_order_with_any_patch(patch: int) -> None:
    model = model_of(config_of(3, patch=patch, outputs=("v2", "v0"), decoder_depth=1))
    inputs = inputs_of(3, batch=2)
    folded = outputs_and_gradients(model, model, *inputs)
    assert folded["outputs"].shape == (2, 2, *GRID)
    assert_same(folded, outputs_and_gradients(UnfoldedOrbit(model), model, *inputs))


def test_some_variables_in_another_order_are_the_reference_order_too() -> None:
    model = model_of(config_of(9))
    fields, _, lead = inputs_of(4)
    rows = torch.tensor([7, 0, 8, 3])
    present = presence(3, 4)
    folded = outputs_and_gradients(model, model, fields, rows, lead, present)
    assert_same(
        folded, outputs_and_gradients(UnfoldedOrbit(model), model, fields, rows, lead, present)
    )
    turned = torch.tensor([2, 3, 1, 0])
    again = model(fields[:, turned], rows[turned], lead, present[:, turned])
    torch.testing.assert_close(again, folded["outputs"], rtol=1e-12, atol=1e-12)


def test_a_variable_that_lacks_is_as_one_that_was_not_given() -> None:
    model = model_of(config_of(5))
    fields, rows, lead = inputs_of(5)
    present = torch.ones(3, 5, dtype=torch.bool)
    torch.testing.assert_close(model(fields, rows, lead, present), model(fields, rows, lead))
    present[:, 1] = present[:, 4] = False
    kept = torch.tensor([0, 2, 3])
    torch.testing.assert_close(
        model(fields, rows, lead, present), model(fields[:, kept], rows[kept], lead),
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip


def test_what_stands_in_a_variable_that_lacks_is_not_looked_at() -> None:
    model = model_of(config_of(5))
    fields, rows, lead = inputs_of(5)
    present = presence(3, 5)
    wanted = outputs_and_gradients(model, model, fields, rows, lead, present)
    for trash in (torch.nan, torch.inf, 1e30):
        spoiled = torch.where(present[:, :, None, None], fields, trash)
        found = outputs_and_gradients(model, model, spoiled, rows, lead, present)
        assert_same(found, wanted)
    assert (wanted["fields"][~present] == 0).all()


def test_a_sample_without_any_variable_tells_nothing_and_spoils_nothing() -> None:
    model = model_of(config_of(5))
    fields, rows, lead = inputs_of(5)
    present = torch.ones(3, 5, dtype=torch.bool)
    present[1] = False
    out = model(fields, rows, lead, present)
    torch.testing.assert_close(out[[0, 2]], model(fields[[0, 2]], rows, lead[[0, 2]]))
    other = model(fields.flip(-1), rows, lead, present)
    torch.testing.assert_close(out[1], other[1], rtol=0, atol=0)


def test_patches_are_put_together_again() -> None:
    fields = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    cut = patches(fields, 2)
    # The second patch of the first row is columns 2 and 3 of rows 0 and 1.
    assert cut[1, 1, 2].tolist() == fields[1, 2, :2, 2:4].flatten().tolist()
    assert cut.shape == (2, 6, 3, 4)
    torch.testing.assert_close(unpatched(cut.flatten(2), (4, 6), 2), fields, rtol=0, atol=0)


def test_lead_time_and_place_are_known() -> None:
    model = model_of(config_of(2))
    fields, rows, lead = inputs_of(2)
    out = model(fields, rows, lead)
    torch.testing.assert_close(model(fields), model(fields, rows, lead * 0))
    assert (model(fields, rows, lead + 6) - out).abs().max() > 1e-3
    # Without positions, fields that are turned by a patch give what is turned by a patch.
    turned = model(fields.roll(4, -1), rows, lead)
    assert (turned - out.roll(4, -1)).abs().max() > 1e-3
    with torch.no_grad():
        model.embedding.position.zero_()
    torch.testing.assert_close(
        model(fields.roll(4, -1), rows, lead), model(fields, rows, lead).roll(4, -1)
    )


def test_queries_and_keys_have_no_scale() -> None:
    """The norm that keeps attention from growing in bfloat16 (ORBIT): only directions count."""
    attention = SelfAttention(32, 4).double()
    tokens = torch.randn(2, 6, 32, dtype=torch.float64)
    before = attention(tokens)
    with torch.no_grad():
        for part in (attention.qkv.weight, attention.qkv.bias):
            part.unflatten(0, (4, 3, 8))[:, :2] *= 1000.0
    torch.testing.assert_close(attention(tokens), before, rtol=1e-3, atol=1e-4)


def test_a_share_of_the_rows_is_a_share_of_the_heads() -> None:
    """What a tensor-parallel process has: rows of its heads, columns of their outputs."""
    whole = SelfAttention(32, 4).double()
    tokens = torch.randn(2, 6, 32, dtype=torch.float64)
    summed = whole.out.bias.expand(2, 6, -1)
    for heads in (slice(0, 2), slice(2, 4)):
        share = copy.deepcopy(whole)
        qkv, out = share.qkv, share.out
        qkv.weight = nn.Parameter(whole.qkv.weight.unflatten(0, (4, 24))[heads].flatten(0, 1))
        qkv.bias = nn.Parameter(whole.qkv.bias.unflatten(0, (4, 24))[heads].flatten())
        out.weight = nn.Parameter(whole.out.weight.unflatten(1, (4, 8))[:, heads].flatten(1))
        out.bias = None
        summed = summed + share(tokens)
    torch.testing.assert_close(summed, whole(tokens))


@pytest.mark.parametrize("bias", [True, False])
def test_what_is_made_again_for_the_gradient_has_the_gradient_of_both_layers(bias: bool) -> None:
    random = torch.Generator().manual_seed(0)
    hidden, weight, offset = (
        torch.randn(*shape, generator=random, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 5), (4, 5), (4,))
    )
    given = (hidden, weight, offset if bias else None)
    out = _GeluLinear.apply(*given)
    torch.testing.assert_close(out, linear(gelu(hidden), *given[1:]), rtol=0, atol=0)
    assert torch.autograd.gradcheck(_GeluLinear.apply, given)
    assert torch.autograd.gradgradcheck(_GeluLinear.apply, given)


def test_of_two_layers_only_what_lies_between_them_is_kept() -> None:
    feed, kept = FeedForward(8, 4), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda none: none):
        feed(torch.randn(2, 3, 8))
    assert [tuple(one.shape)[-2:] for one in kept if one.shape[-1] == 32 and one.ndim == 3] == [
        (3, 32)
    ]


def test_blocks_skip_more_often_the_deeper_they_lie() -> None:
    model = Orbit(config_of(depth=5, drop_path=0.4))
    skips = [block.skip for block in model.blocks.values()]
    assert skips == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert Orbit(config_of(depth=1, drop_path=0.4)).blocks["0"].skip == 0.0


def test_skipping_keeps_the_mean_and_happens_only_in_training() -> None:
    torch.manual_seed(0)
    block = Block(16, 2, 2, skip=0.3)
    nn.init.zeros_(block.feed.down.weight)
    nn.init.zeros_(block.feed.down.bias)
    token = torch.randn(1, 1, 16)
    samples = 20000
    made = block(token.expand(samples, -1, -1))
    skipped = (made == token).all(-1).float().mean().item()
    assert skipped == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / samples) ** 0.5)
    whole = block.eval()(token)
    error = 5 * (0.3 / 0.7 / samples) ** 0.5
    torch.testing.assert_close(made.mean(0) - token[0], whole[0] - token[0], rtol=error, atol=1e-6)
    torch.testing.assert_close(block(token), block(token), rtol=0, atol=0)


def test_first_weights_depend_on_seed_and_name_only() -> None:
    shallow = initialise(Orbit(config_of(depth=2)), seed=7).state_dict()
    torch.manual_seed(123)
    deep = initialise(Orbit(config_of(depth=4)), seed=7).state_dict()
    for name, weight in shallow.items():
        # More blocks add less each.
        adds = name.endswith(("attention.out.weight", "feed.down.weight"))
        scale = 0.5**0.5 if adds else 1.0
        torch.testing.assert_close(deep[name], weight * scale, rtol=1e-6 * adds, atol=0)
    other = initialise(Orbit(config_of(depth=2)), seed=8).state_dict()
    drawn = [
        name for name in shallow
        if not (name.endswith(("bias", "position")) or "norm" in name)
    ]  # fmt: skip
    assert len(drawn) == 2 * 4 + 7 + 1 + 3
    for name in drawn:
        assert not torch.equal(shallow[name], other[name]), name
    flat = [shallow[name].flatten()[:32] for name in drawn]
    assert all(not torch.equal(a, b) for n, a in enumerate(flat) for b in flat[:n])


def test_first_weights_keep_variances() -> None:
    config = config_of(width=64)
    one = {
        name: initial(config, name, shape, 0, torch.float32)
        for name, shape in {
            "blocks.1.feed.up.weight": (256, 64),
            "blocks.1.feed.up.bias": (256,),
            "blocks.1.feed_norm.weight": (64,),
            "blocks.1.attention.query_norm.bias": (16,),
            "embedding.position": (8, 64),
        }.items()
    }
    assert one["blocks.1.feed.up.weight"].std().item() == pytest.approx(64**-0.5, rel=0.05)
    assert (one["blocks.1.feed.up.bias"] == 0).all()
    assert (one["blocks.1.feed_norm.weight"] == 1).all()
    assert (one["blocks.1.attention.query_norm.bias"] == 0).all()
    # Two rows of patches of four: places differ from one another, and all have the same length.
    place = one["embedding.position"]
    assert torch.cdist(place, place).fill_diagonal_(9.0).min() > 0.5
    torch.testing.assert_close(place.square().sum(1), torch.full((8,), 32.0))


@pytest.mark.parametrize("count", [1, 5, 48])
def test_fields_are_as_loud_as_places_at_first(count: int) -> None:
    config = config_of(count, width=64)
    embedding = initialise(Orbit(config), seed=0).embedding
    assert embedding is not None
    fields = torch.randn(16, count, *config.grid, generator=torch.Generator().manual_seed(1))
    variables, leads = torch.arange(count), torch.zeros(16)
    with torch.no_grad():
        heard = embedding(fields, variables, leads)
        still = embedding(torch.zeros_like(fields), variables, leads)
    loud = (heard - still).std() / embedding.position.std()
    assert 0.7 < loud.item() < 2.5


def test_months_of_lead_do_not_drown_the_fields() -> None:
    embedding = initialise(Orbit(config_of(width=64)), seed=0).embedding
    fields, variables, _ = inputs_of(5)
    now, soon, month, season = (
        embedding(fields.float(), variables, torch.full((3,), hours))
        for hours in (0.0, 24.0, 730.5, 4383.0)
    )
    assert (soon - now).std().item() == pytest.approx(0.22, rel=0.25), "hours as ClimaX gives them"
    assert (season - now).std() < 5.0 * now.std(), "of 44 hundreds of hours"
    assert (season - month).std() > 0.5 * now.std(), "and months are told apart"


def test_stages_of_a_pipeline_are_the_model() -> None:
    config = config_of(depth=3)
    whole = model_of(config)
    fields, rows, lead = inputs_of(5)
    first, last = Orbit(config).double(), Orbit(config).double()
    first.head, last.embedding = None, None
    del first.blocks["1"], first.blocks["2"], last.blocks["0"]
    for stage in (first, last):
        named = whole.state_dict()
        stage.load_state_dict({name: named[name] for name in stage.state_dict()})
    out = last(first(fields, rows, lead))
    torch.testing.assert_close(out, whole(fields, rows, lead), rtol=0, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16_is_near_and_trains(masked: bool) -> None:
    model = initialise(Orbit(config_of(5)), seed=0)
    fields, rows, lead = inputs_of(5)
    present = presence(3, 5) if masked else None
    wanted = model(fields.float(), rows, lead.float(), present)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(fields.float(), rows, lead.float(), present)
    torch.testing.assert_close(found.float(), wanted, rtol=0.1, atol=0.06 * wanted.std().item())
    found.float().square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
