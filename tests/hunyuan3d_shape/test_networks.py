# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks beyond the golden numbers: shared work changes nothing, sets stay sets, and each can learn."""

import pytest
import torch
from torch.nn import functional

from backend.pipelines.common.block_streaming import stream_blocks
from backend.pipelines.hunyuan3d_shape.attention import KeyValue
from backend.pipelines.hunyuan3d_shape.image_condition import condition_tokens, encoder_images
from backend.pipelines.hunyuan3d_shape.mixture import MixtureOfExperts
from backend.pipelines.hunyuan3d_shape.restricted_field import RestrictedField, kept_keys
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser

DENOISERS = ["tiny_mixture", "tiny_two_stream"]


@pytest.fixture(params=DENOISERS)
def denoiser(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("batch", [1, 2])
@torch.no_grad()
def test_guidance_in_one_batch_equals_two_evaluations(denoiser, batch):
    latent, condition, time = torch.randn(batch, 7, 4), torch.randn(batch, 5, 64), torch.tensor([0.3])
    prepared = denoiser.prepare_condition(condition)
    conditional, unconditional = denoiser.guided_velocities(latent, time, prepared)
    alike = time.expand(batch)
    torch.testing.assert_close(conditional, denoiser(latent, alike, condition))
    torch.testing.assert_close(unconditional, denoiser(latent, alike, torch.zeros_like(condition)))
    torch.testing.assert_close(denoiser.velocity(latent, time, prepared), denoiser(latent, alike, condition))


@torch.no_grad()
def test_the_tokens_are_a_set(denoiser):
    latent, condition, time = torch.randn(1, 7, 4), torch.randn(1, 5, 64), torch.tensor([0.7])
    order = torch.randperm(7)
    torch.testing.assert_close(
        denoiser(latent[:, order], time, condition), denoiser(latent, time, condition)[:, order]
    )


@torch.no_grad()
def test_streamed_blocks_give_the_same(denoiser):
    latent, condition, time = torch.randn(1, 7, 4), torch.randn(1, 5, 64), torch.tensor([0.7])
    expected = denoiser.guided_velocities(latent, time, denoiser.prepare_condition(condition))
    stream_blocks(denoiser, "cpu")
    streamed = denoiser.guided_velocities(latent, time, denoiser.prepare_condition(condition))
    for ours, wanted in zip(streamed, expected, strict=True):
        torch.testing.assert_close(ours, wanted)


def test_gradient_checkpointing_changes_no_gradient(denoiser):
    latent, condition, time = torch.randn(2, 7, 4), torch.randn(2, 5, 64), torch.tensor([0.3, 0.6])
    gradients = []
    for checkpointing in (False, True):
        denoiser.zero_grad()
        if checkpointing:
            denoiser.train().enable_gradient_checkpointing()
        denoiser(latent, time, condition).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in denoiser.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)


@torch.no_grad()
def test_embedded_guidance_matters():
    torch.manual_seed(0)
    denoiser = TwoStreamDenoiser(
        width=32, depth=1, single_depth=1, heads=4, latent_width=4, condition_width=64, hidden_width=64,
        guidance_embedding=True,
    )
    latent, condition, time = torch.randn(1, 7, 4), torch.randn(1, 5, 64), torch.tensor([0.7])
    assert denoiser.guidance_embedded
    weak, strong = (denoiser(latent, time, condition, torch.tensor([scale])) for scale in (1.0, 5.0))
    assert not torch.allclose(weak, strong)


@torch.no_grad()
def test_every_token_goes_through_its_own_experts():
    torch.manual_seed(0)
    mixture = MixtureOfExperts(8, 16, experts=4, top=2)
    x = torch.randn(3, 5, 8)
    expected = torch.empty_like(x)
    for row, tokens in enumerate(x):
        for place, token in enumerate(tokens):
            probability = functional.linear(token, mixture.gate.weight).softmax(-1)
            best = probability.topk(2)
            expected[row, place] = mixture.shared_experts(token[None])[0] + sum(
                weight * mixture.experts[int(expert)](token[None])[0]
                for weight, expert in zip(best.values, best.indices, strict=True)
            )
    torch.testing.assert_close(mixture(x), expected)


def test_an_expert_that_no_token_chooses_is_left_alone():
    mixture = MixtureOfExperts(8, 16, experts=4, top=1)
    with torch.no_grad():
        mixture.gate.weight.zero_()
        mixture.gate.weight[2] = 10.0
    mixture(torch.ones(1, 3, 8)).sum().backward()
    used = [expert.net[2].weight.grad.abs().sum() > 0 for expert in mixture.experts]
    assert used == [False, False, True, False]


@torch.no_grad()
def test_field_chunks_and_half_precision(tiny_autoencoder):
    tokens = tiny_autoencoder.decode(torch.randn(1, 9, 4))
    context = tiny_autoencoder.field_context(tokens)
    points = torch.rand(1, 20, 3) * 2 - 1
    whole = tiny_autoencoder.query(points, context)
    parts = [tiny_autoencoder.query(part, context) for part in points.split(7, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    half = tiny_autoencoder.to(torch.bfloat16)
    near = torch.tensor([[[0.9, 0.0, 0.0], [0.9026, 0.0, 0.0]]])
    context = KeyValue(*(part.bfloat16() for part in context))
    first, second = half.query(near, context)[0]
    assert first != second, "neighboring points of a fine grid stay apart"


@torch.no_grad()
def test_restricted_field_with_every_key_is_the_field(tiny_autoencoder, monkeypatch):
    """Bins, rows and their ends are put together without losing or mixing a point."""
    monkeypatch.setattr("backend.pipelines.hunyuan3d_shape.restricted_field.kept_keys", lambda tokens: tokens)
    context = tiny_autoencoder.field_context(tiny_autoencoder.decode(torch.randn(1, 9, 4)))
    points = torch.rand(777, 3) * 2 - 1
    expected = tiny_autoencoder.query(points[None], context)[0]
    reports = []
    field = RestrictedField(tiny_autoencoder, context, 64, lambda *told: reports.append(told))
    for level in range(3):
        torch.testing.assert_close(field(points), expected)
        mine = [(done, of) for number, done, of in reports if number == level]
        assert mine[-1][0] == mine[-1][1]
    assert torch.allclose(RestrictedField(tiny_autoencoder, context, 64)(points[:1]), expected[:1], atol=1e-5)


@pytest.mark.parametrize(("tokens", "kept"), [(3072, 1024), (512, 256), (4096, 1365), (2, 1)])
def test_kept_keys(tokens, kept):
    assert kept_keys(tokens) == kept


@torch.no_grad()
def test_views_are_told_apart_by_their_number_only(tiny_image_encoder):
    images = torch.rand(1, 2, 3, 64, 64) * 2 - 1
    alike = images[:, :1].expand(-1, 2, -1, -1, -1)
    tokens = condition_tokens(tiny_image_encoder, alike, 56, torch.tensor([0, 2]))
    front, back = tokens.chunk(2, dim=1)
    difference = back - front
    assert tokens.shape == (1, 2 * 17, 64)
    assert torch.allclose(difference, difference[:, :1].expand_as(difference), atol=1e-5)
    assert difference.abs().max() > 0.1
    swapped = condition_tokens(tiny_image_encoder, images.flip(1), 56, torch.tensor([0, 2]))
    assert not torch.allclose(swapped, condition_tokens(tiny_image_encoder, images, 56, torch.tensor([0, 2])))


def test_the_middle_of_a_wide_image_is_seen():
    image = torch.full((1, 3, 30, 90), -1.0)
    image[..., 30:60] = 1.0
    pixels = encoder_images(image, 30)
    assert pixels.shape == (1, 3, 30, 30)
    assert (pixels[0, 0] == pixels[0, 0, 0, 0]).all()


def test_autoencoder_overfits_a_sphere(tiny_autoencoder):
    torch.manual_seed(0)
    directions = functional.normalize(torch.randn(1, 200, 3), dim=-1)
    features = torch.cat([directions, torch.zeros(1, 200, 1)], dim=-1)
    index = torch.arange(16)[None]
    optimizer = torch.optim.Adam(tiny_autoencoder.parameters(), lr=3e-3)
    for _ in range(120):
        points = torch.rand(1, 400, 3) * 2 - 1
        target = ((0.6 - points.norm(dim=-1)) / 0.2).clamp(-1, 1)
        field, posterior = tiny_autoencoder(0.6 * directions, features, index, points)
        loss = functional.mse_loss(field, target) + 1e-4 * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
