# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks promise beyond the golden numbers."""

import pytest
import torch

from backend.pipelines.common.posterior import Posterior
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser


def random_tensors(*shapes):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@torch.no_grad()
def test_cached_guidance_equals_the_plain_batch(tiny_denoiser):
    latent, condition = random_tensors((1, 10, 4), (1, 7, 24))
    timestep = torch.tensor([430.0])
    cache = tiny_denoiser.condition_cache(condition)
    conditional, unconditional = tiny_denoiser.guided_velocities(latent, timestep, cache)
    both = torch.cat([condition, torch.zeros_like(condition)])
    plain = tiny_denoiser(latent.repeat(2, 1, 1), timestep.repeat(2), both)
    torch.testing.assert_close(torch.cat([conditional, unconditional]), plain, atol=1e-5, rtol=0)
    assert not torch.allclose(conditional, unconditional, atol=1e-2)


@torch.no_grad()
def test_tokens_are_a_set_within_a_volume_but_the_volumes_differ(tiny_denoiser):
    latent, condition = random_tensors((1, 10, 4), (1, 7, 24))
    timestep = torch.tensor([430.0])
    velocity = tiny_denoiser(latent, timestep, condition)
    within = torch.tensor([4, 2, 0, 1, 3, 5, 9, 8, 7, 6])
    torch.testing.assert_close(
        tiny_denoiser(latent[:, within], timestep, condition), velocity[:, within], atol=1e-5, rtol=0
    )
    across = torch.tensor([5, 6, 7, 8, 9, 0, 1, 2, 3, 4])
    assert not torch.allclose(tiny_denoiser(latent[:, across], timestep, condition), velocity[:, across], atol=1e-3)


def test_a_new_denoiser_predicts_zero_and_learns():
    denoiser = PartPackerDenoiser(width=16, layers=2, heads=2, latent_width=4, condition_width=8)
    latent, condition, target = random_tensors((2, 6, 4), (2, 3, 8), (2, 6, 4))
    timestep = torch.tensor([100.0, 900.0])
    assert denoiser(latent, timestep, condition).abs().max() == 0
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (denoiser(latent, timestep, condition) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_gradient_checkpointing_changes_no_gradient(tiny_denoiser, tiny_autoencoder):
    latent, condition, points = random_tensors((1, 6, 4), (1, 3, 24), (1, 9, 3))

    def gradients(model, loss):
        model.zero_grad()
        loss().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    for model, loss in (
        (tiny_denoiser, lambda: tiny_denoiser(latent, torch.tensor([5.0]), condition).square().sum()),
        (tiny_autoencoder, lambda: tiny_autoencoder.query(points, tiny_autoencoder.decode(latent)).square().sum()),
    ):
        plain = gradients(model, loss)
        model.enable_gradient_checkpointing()
        torch.testing.assert_close(gradients(model, loss), plain)
        assert len(plain) > 20


@torch.no_grad()
def test_field_chunks_and_cached_context(tiny_autoencoder):
    latent, points = random_tensors((1, 12, 4), (1, 100, 3))
    hidden = tiny_autoencoder.decode(latent)
    whole = tiny_autoencoder.query(points, hidden)
    assert whole.shape == (1, 100)
    assert whole.dtype == torch.float32
    context = tiny_autoencoder.field_context(hidden)
    chunks = torch.cat([tiny_autoencoder.query(chunk, context) for chunk in points.split(17, dim=1)], dim=1)
    torch.testing.assert_close(chunks, whole, atol=1e-6, rtol=0)


@torch.no_grad()
def test_half_precision_keeps_neighboring_grid_points_apart(tiny_autoencoder):
    tiny_autoencoder.to(torch.bfloat16)
    hidden = tiny_autoencoder.decode(random_tensors((1, 12, 4))[0])
    cell = 2 / 384
    points = torch.tensor([[[0.9, 0.5, 0.7], [0.9 + cell, 0.5, 0.7]]])
    field = tiny_autoencoder.query(points, hidden)
    assert field.dtype == torch.float32
    assert field[0, 0] != field[0, 1]


def test_decode_reports_every_layer(tiny_autoencoder):
    reports = []
    tiny_autoencoder.decode(random_tensors((1, 12, 4))[0], lambda done, of: reports.append((done, of)))
    assert reports == [(1, 2), (2, 2)]


@pytest.mark.parametrize(("salient", "salient_queries"), [(20, 5), (20, 0), (0, 0)])
def test_encode_with_and_without_sharp_edges(tiny_autoencoder, salient, salient_queries):
    points, edges = random_tensors((2, 40, 3), (2, salient, 3))
    index = torch.arange(8).repeat(2, 1)
    posterior = tiny_autoencoder.encode(points, edges, index, index[:, :salient_queries])
    assert posterior.mean.shape == (2, 8 + salient_queries, 4)
    assert torch.isfinite(posterior.mean).all()
    posterior.sample().sum().backward()
    assert torch.isfinite(tiny_autoencoder.perceiver_dorases.ff.net[0].weight.grad).all()


def test_autoencoder_overfits_a_sphere(tiny_autoencoder):
    torch.manual_seed(0)
    surface = torch.nn.functional.normalize(torch.randn(1, 64, 3), dim=-1) * 0.6
    queries = torch.rand(1, 200, 3) * 2 - 1
    inside = (0.6 - queries.norm(dim=-1)).clamp(-0.2, 0.2) / 0.2
    index = torch.arange(16)[None]
    optimizer = torch.optim.Adam(tiny_autoencoder.parameters(), lr=3e-3)
    tiny_autoencoder.train()
    losses = []
    for _ in range(60):
        field, posterior = tiny_autoencoder(surface, surface[:, :0], index, index[:, :0], queries)
        loss = (field - inside).square().mean() + 1e-3 * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_posterior():
    standard = Posterior(torch.zeros(2, 5, 3), torch.zeros(2, 5, 3))
    assert standard.kl().tolist() == [0.0, 0.0]
    shifted = Posterior(torch.full((1, 4000, 4), 2.0), torch.full((1, 4000, 4), -2.0))
    draw = shifted.sample(torch.Generator().manual_seed(0))
    assert abs(draw.mean().item() - 2) < 0.02
    assert abs(draw.std().item() - torch.tensor(-1.0).exp().item()) < 0.01
    torch.testing.assert_close(draw, shifted.sample(torch.Generator().manual_seed(0)))
