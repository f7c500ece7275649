# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that it learns, and that a stopped run goes on as if it had not stopped."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backend.pipelines.common.image_encoder import encoder_shapes
from backend.pipelines.common.posterior import Posterior
from backend.pipelines.common.sampler import flow_scheduler, set_flow_timesteps
from backend.pipelines.partpacker.checkpoint import DENOISER_PREFIX, published_shapes
from backend.pipelines.partpacker.pipeline import PartPackerPipeline
from backend.pipelines.partpacker.training import export, pool
from backend.pipelines.partpacker.training.evaluation import count_parts, sample_latents
from backend.pipelines.partpacker.training.learning import (
    AutoencoderLearning,
    DenoiserLearning,
    new_autoencoder,
    new_conditioned_denoiser,
)
from backend.pipelines.partpacker.training.pool import encode_pool, encoder_input, field_target, fold_normalization
from backend.pipelines.partpacker.training.presets import PRESETS
from backend.pipelines.partpacker.training.recipe import train
from backend.procedural.dataset import Split, draw_objects
from backend.procedural.primitives import ObjectBatch
from backend.training.field_points import grid_points

SMOKE = PRESETS["smoke"]
SHORT = ["--preset", "smoke", "--objects", "2", "--batch", "2", "--autoencoder-steps", "6", "--denoiser-steps", "6"]


@pytest.fixture(scope="module")
def objects() -> ObjectBatch:
    return ObjectBatch.from_arrays(draw_objects(Split.TRAINING, 4))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_resumed_run_takes_the_same_steps(tmp_path: Path) -> None:
    """The denoiser's; `tests/training` stops and resumes the autoencoder by the same command."""
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train([*SHORT, "--out", str(whole)]) == 0
    shutil.copytree(whole / "autoencoder", halves / "autoencoder")
    denoiser = [*SHORT, "--out", str(halves), "--stage", "denoiser"]
    assert train([*denoiser, "--stop-at", "3"]) == 0
    assert train([*denoiser, "--resume"]) == 0
    for name in ("weights", "average", "exp_avg_sq"):
        expected, actual = (load_file(run / "denoiser" / f"{name}.safetensors") for run in (whole, halves))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected), name
    target = tmp_path / "weights"
    assert export.main(["--preset", "smoke", "--run", str(halves), "--out", str(target)]) == 0
    pipeline = PartPackerPipeline.from_pretrained(target)
    assert pipeline.config.tokens_per_volume == SMOKE.tokens_per_volume
    card = (target / "README.md").read_text()
    assert "airplane" in card
    assert "6 autoencoder steps, 6 denoiser steps" in card.replace("\n", " ")


def test_time_limit_stops_before_the_first_step(tmp_path: Path) -> None:
    assert train([*SHORT, "--out", str(tmp_path), "--stage", "autoencoder", "--minutes", "0"]) == 0
    assert not (tmp_path / "autoencoder" / "state.json").exists()


def test_field_is_positive_inside_and_truncated(objects: ObjectBatch) -> None:
    volumes = objects.both_volumes()
    surface = encoder_input(volumes, SMOKE, _generator()).points
    assert field_target(volumes, surface, 0.1).abs().max() < 0.02
    corners = torch.tensor([[[1.0, 1.0, 1.0]]]).expand(len(volumes), -1, -1)
    assert (field_target(volumes, corners, 0.1) == -1).all()
    inner = volumes.center[volumes.present & (volumes.size[..., 0] > 0.15)]
    assert len(inner) > 0


def _losses(learning, module: torch.nn.Module, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    values = []
    for step in range(steps):
        loss, _ = learning(module, _generator(step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(loss.item())
    return values


def test_autoencoder_learns_a_handful_of_objects(objects: ObjectBatch) -> None:
    torch.manual_seed(0)
    values = _losses(AutoencoderLearning(objects, SMOKE), new_autoencoder(SMOKE), 60)
    assert sum(values[-5:]) < 0.6 * sum(values[:5])


def test_denoiser_learns_a_handful_of_objects() -> None:
    torch.manual_seed(0)
    latents = torch.randn(2, 2 * SMOKE.tokens_per_volume, 8).sign()
    images = torch.randint(0, 255, (2, 1, 3, 56, 56), dtype=torch.uint8)
    values = _losses(DenoiserLearning(latents, images, SMOKE), new_conditioned_denoiser(SMOKE), 150)
    assert values[0] == pytest.approx(2.0, abs=0.3)  # an output of zero misses the noise and the data
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


def test_folding_normalizes_the_latents_and_keeps_the_field(objects: ObjectBatch) -> None:
    torch.manual_seed(0)
    autoencoder = new_autoencoder(SMOKE).requires_grad_(False)
    torch.nn.init.normal_(autoencoder.proj_down_mean.bias)
    points = 2 * torch.rand(len(objects), 50, 3, generator=_generator()) - 1
    before = encode_pool(autoencoder, objects, SMOKE, _generator())
    field = autoencoder.query(points, autoencoder.decode(before[:, : SMOKE.tokens_per_volume]))
    fold_normalization(autoencoder, before)
    after = encode_pool(autoencoder, objects, SMOKE, _generator())
    assert after.mean(dim=(0, 1)).abs().max() < 1e-4
    assert (after.std(dim=(0, 1)) - 1).abs().max() < 1e-4
    again = autoencoder.query(points, autoencoder.decode(after[:, : SMOKE.tokens_per_volume]))
    assert (again - field).abs().max() < 1e-4


def test_evaluation_samples_as_the_pipeline_does(tiny_pipeline: PartPackerPipeline) -> None:
    model = new_conditioned_denoiser(SMOKE)
    model.denoiser, model.image_encoder = tiny_pipeline.denoiser, tiny_pipeline.image_encoder
    images = torch.randint(0, 255, (1, 3, 56, 56), dtype=torch.uint8)
    with torch.no_grad():
        ours = sample_latents(model, images, (24, 4), 6, 2.0, seed=5)
        noise = torch.randn(1, 24, 4, generator=_generator(5))
        condition = tiny_pipeline.encode_condition(images.float() / 255)
        theirs = tiny_pipeline.denoise(noise, condition, 6, 2.0)
    assert (ours - theirs).abs().max() < 1e-4
    assert len(set_flow_timesteps(flow_scheduler(), 6)) == 6


def test_parts_are_counted_in_both_volumes() -> None:
    points = grid_points(64, torch.device("cpu"))
    ball = [(points - torch.tensor(center)).norm(dim=1) < 0.2 for center in ([0.5, 0, 0], [-0.5, 0, 0], [0.0, 0, 0])]
    speck = (points - torch.tensor([0.0, 0.9, 0.9])).norm(dim=1) < 0.02
    inside = torch.stack([ball[0] | ball[1] | speck, ball[2]])[None]
    assert count_parts(inside, 64).tolist() == [3]


def test_starter_weights_fit_into_eight_megabytes() -> None:
    preset = PRESETS["starter"]
    with torch.device("meta"):
        networks = (new_autoencoder(preset), new_conditioned_denoiser(preset))
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert 2 * count < 7.9e6


def test_published_preset_has_the_published_tensors() -> None:
    preset = PRESETS["published"]
    with torch.device("meta"):
        model, autoencoder = new_conditioned_denoiser(preset), new_autoencoder(preset)
    for network, name in ((model.denoiser, "flow"), (autoencoder, "vae")):
        shapes = {key.removeprefix(DENOISER_PREFIX): shape for key, shape in published_shapes(name).items()}
        assert {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()} == shapes
    # transformers names DINOv2's tensors differently from version to version, but they hold as many numbers.
    numbers = sum(math.prod(shape) for shape in encoder_shapes("dinov2-giant").values())
    assert sum(parameter.numel() for parameter in model.image_encoder.parameters()) == numbers


def test_published_preset_gives_every_weight_a_gradient() -> None:
    """At the full sizes, on the meta device. A weight without one would stop a run of several processes."""
    preset = PRESETS["published"]
    batch, volumes = preset.denoiser_stage.batch, 2 * preset.autoencoder_stage.batch
    with torch.device("meta"):
        model, autoencoder = new_conditioned_denoiser(preset).train(), new_autoencoder(preset).train()
        noisy, image = torch.empty(batch, 2 * preset.tokens_per_volume, 64), torch.empty(batch, 3, 518, 518)
        model(noisy, torch.empty(batch), image, torch.empty(batch)).sum().backward()
        points = [torch.empty(volumes, count, 3) for count in (preset.surface_points, preset.salient_points)]
        index = [torch.zeros(volumes, count, dtype=torch.int64) for count in preset.tokens]
        field, posterior = autoencoder(*points, *index, torch.empty(volumes, preset.field_points, 3))
        (field.sum() + posterior.kl().sum()).backward()
    trained = [parameter for network in (model, autoencoder) for parameter in network.parameters()]
    assert all(parameter.grad is not None for parameter in trained if parameter.requires_grad)
    assert posterior.mean.shape == (volumes, preset.tokens_per_volume, 64)


def test_pools_are_made_in_pieces_of_bounded_size(objects: ObjectBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    autoencoder = new_autoencoder(SMOKE).requires_grad_(False)
    counts: list[int] = []
    encode = autoencoder.encode

    def counting(points: torch.Tensor, *rest: torch.Tensor) -> Posterior:
        counts.append(len(points))
        return encode(points, *rest)

    monkeypatch.setattr(autoencoder, "encode", counting)
    whole = encode_pool(autoencoder, objects, SMOKE, _generator())
    of_one = 2 * (SMOKE.surface_points + SMOKE.salient_points) * autoencoder.config.width
    monkeypatch.setattr(pool, "ENCODED_AT_ONCE", (256, 3 * of_one))
    pieces = encode_pool(autoencoder, objects, SMOKE, _generator())
    assert counts == [8, 6, 2], "two volumes an object: four objects at once, then three and one"
    assert pieces.shape == whole.shape == (4, 2 * SMOKE.tokens_per_volume, 8)
    monkeypatch.setattr(pool, "RENDERED_AT_ONCE", (1024, 4 * 28**2))
    images = pool.render_pool(objects[:2], 28, 2, _generator())
    assert images.shape == (2, 2, 3, 28, 28)
    assert (images.flatten(2).float().std(dim=2) > 5).all(), "something is seen in every image"
