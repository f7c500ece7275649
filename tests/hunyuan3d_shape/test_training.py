# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that it learns, and that a stopped run goes on as if it had not stopped."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.geometry.coarse_to_fine import evaluate_field
from backend.geometry.frames import x_front_to_blender, y_up_to_blender
from backend.geometry.isosurface import extract_isosurface
from backend.pipelines.hunyuan3d_shape.pipeline import HALF_SIDE, HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.surface_points import prepare_surface
from backend.pipelines.hunyuan3d_shape.training import export, pool
from backend.pipelines.hunyuan3d_shape.training.learning import (
    AutoencoderLearning,
    DenoiserLearning,
    new_autoencoder,
    new_conditioned_denoiser,
)
from backend.pipelines.hunyuan3d_shape.training.presets import PRESETS
from backend.pipelines.hunyuan3d_shape.training.recipe import train
from backend.procedural.dataset import Split, draw_objects
from backend.procedural.primitives import ObjectBatch

SMOKE = PRESETS["smoke"]
SHORT = ["--preset", "smoke", "--objects", "2", "--batch", "2", "--autoencoder-steps", "6", "--denoiser-steps", "6"]


@pytest.fixture(scope="module")
def objects() -> ObjectBatch:
    return ObjectBatch.from_arrays(draw_objects(Split.TRAINING, 4))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_resumed_run_takes_the_same_steps(tmp_path: Path) -> None:
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
    pipeline = HunyuanShapePipeline.from_pretrained(target)
    assert pipeline.config.tokens == SMOKE.tokens
    assert pipeline.config.named_views
    assert pipeline.config.sharp_share == SMOKE.sharp_share
    card = (target / "README.md").read_text()
    assert "airplane" in card
    assert "6 autoencoder steps, 6 denoiser steps" in card.replace("\n", " ")


def test_starter_weights_are_small() -> None:
    networks = (new_autoencoder(PRESETS["starter"]), new_conditioned_denoiser(PRESETS["starter"]))
    parameters = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert 2 * parameters < 5_950_000, "with the files' headers at most 6 MB in float16"


def test_field_is_positive_inside_and_fills_the_encoders_box(objects: ObjectBatch) -> None:
    surface = pool.encoder_input(objects, SMOKE, _generator()).points
    assert pool.field_target(objects, surface, 0.1).abs().max() < 0.02
    corners = torch.tensor([[[1.0, 1.0, 1.0]]]).expand(len(objects), -1, -1)
    assert (pool.field_target(objects, corners, 0.1) == -1).all()
    many = pool.encoder_input(objects, replace(SMOKE, tokens=200), _generator()).points
    extent = (many.amax(dim=1) - many.amin(dim=1)).amax(dim=1)
    assert torch.allclose(extent, torch.full_like(extent, 2 * 0.9999), atol=0.03)


def test_points_of_the_recipe_are_like_those_of_a_mesh(objects: ObjectBatch) -> None:
    """The same object by its formula and as a mesh: normals, labels, box and axes agree."""
    one = objects[:1]
    grid = evaluate_field(
        lambda points: -pool.distance(one, points[None])[0] / 0.05, 96, device="cpu", chunk_size=1 << 15,
        half_side=HALF_SIDE,
    )
    mesh = extract_isosurface(grid)
    mesh = mesh.with_vertices(mesh.vertices * HALF_SIDE)
    of_mesh = prepare_surface(mesh, 40, sharp_share=0.0, generator=_generator(), device="cpu")
    ours = pool.encoder_input(one, replace(SMOKE, tokens=40, sharp_share=0.0), _generator())
    for found in (of_mesh, ours):
        assert found.points.shape == (1, 800, 3)
        assert found.features.shape == (1, 800, 4)
        assert found.query_index.shape == (1, 40)
        assert pool.distance(one, found.points).abs().max() < 0.03
    outward = of_mesh.points + 0.05 * of_mesh.features[..., :3]
    assert (pool.distance(one, outward) > 0).float().mean() > 0.9
    outward = ours.points + 0.05 * ours.features[..., :3]
    assert (pool.distance(one, outward) > 0).float().mean() > 0.9


def test_the_models_axes_are_blenders_y_up() -> None:
    drawn = torch.randn(5, 3)
    model = pool.to_model(drawn)
    assert torch.equal(pool.to_drawn(model), drawn)
    assert np.allclose(y_up_to_blender(model.numpy()), x_front_to_blender(drawn.numpy()))


def test_views_follow_each_other_in_quarter_turns(objects: ObjectBatch) -> None:
    """Left is the object's own left, which a viewer of its front, toward +z, has on the right, +x."""
    cameras = pool.view_cameras(objects, 4, _generator())
    eyes = [pool.to_model(camera.eye) for camera in cameras]
    angles = [torch.atan2(eye[:, 0], eye[:, 2]) for eye in eyes]
    assert (angles[0].abs() <= torch.pi / 3).all()
    for view in range(1, 4):
        turn = torch.remainder(angles[view] - angles[0], 2 * torch.pi)
        assert torch.allclose(turn, torch.full_like(turn, view * torch.pi / 2), atol=1e-4)
    images = pool.render_pool(objects[:1], 28, 4, _generator())
    assert images.shape == (1, 4, 3, 28, 28)
    assert images.amin() < 200 < images.amax()


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
    assert sum(values[-5:]) < 0.7 * sum(values[:5])


MIXTURE = replace(
    SMOKE, denoiser_kind="mixture", view_counts=(1,),
    denoiser={"width": 32, "depth": 3, "heads": 2, "latent_width": 8, "condition_width": 32, "hidden_width": 64,
              "time_hidden_width": 64, "mixture_blocks": 1, "experts": 3},
)


@pytest.mark.parametrize("preset", [SMOKE, MIXTURE], ids=["two streams, views", "mixture"])
def test_denoiser_learns_a_handful_of_objects(preset) -> None:
    torch.manual_seed(0)
    latents = torch.randn(2, preset.tokens, 8).sign()
    images = torch.randint(0, 255, (2, preset.rendered_views, 3, 56, 56), dtype=torch.uint8)
    values = _losses(DenoiserLearning(latents, images, preset), new_conditioned_denoiser(preset), 150)
    assert values[0] == pytest.approx(2.0, abs=0.3)  # an output of zero misses the noise and the data
    assert sum(values[-10:]) < 0.87 * sum(values[:10])


def test_a_step_shows_the_front_and_views_in_their_order() -> None:
    preset = replace(SMOKE, view_counts=(1, 2, 3, 4))
    learning = DenoiserLearning(torch.zeros(1, 1, 1), torch.zeros(1, 4, 3, 1, 1), preset)
    drawn = [learning.views(_generator(seed)).tolist() for seed in range(200)]
    assert {len(views) for views in drawn} == {1, 2, 3, 4}
    assert all(views[0] == 0 and views == sorted(set(views)) for views in drawn)
    assert {tuple(views) for views in drawn if len(views) == 2} == {(0, 1), (0, 2), (0, 3)}


def test_folding_normalizes_the_latents_and_keeps_the_field(objects: ObjectBatch) -> None:
    torch.manual_seed(0)
    autoencoder = new_autoencoder(SMOKE).requires_grad_(False)
    torch.nn.init.normal_(autoencoder.pre_kl.bias)
    points = 2 * torch.rand(len(objects), 50, 3, generator=_generator()) - 1

    def field(latents: torch.Tensor) -> torch.Tensor:
        return autoencoder.query(points, autoencoder.field_context(autoencoder.decode(latents)))

    before = pool.encode_pool(autoencoder, objects, SMOKE, _generator())
    expected = field(before)
    pool.fold_normalization(autoencoder, before)
    after = pool.encode_pool(autoencoder, objects, SMOKE, _generator())
    assert after.mean(dim=(0, 1)).abs().max() < 1e-4
    assert (after.std(dim=(0, 1)) - 1).abs().max() < 1e-4
    assert (field(after) - expected).abs().max() < 1e-4


def test_the_published_sizes_are_the_published_ones() -> None:
    with torch.device("meta"):
        autoencoder = new_autoencoder(replace(PRESETS["published"], gradient_checkpointing=False))
        model = new_conditioned_denoiser(replace(PRESETS["published"], gradient_checkpointing=False))
    networks = (autoencoder, model.denoiser, model.image_encoder)
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
    assert sizes == [327_746_177, 3_050_758_720, 304_368_640]
