# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that it learns, and that a stopped run goes on as if it had not stopped."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.geometry.frames import blender_to_x_front, x_front_to_blender
from backend.pipelines.sar3d.pipeline import Sar3dPipeline
from backend.pipelines.sar3d.training import export, pool
from backend.pipelines.sar3d.training.captions import COLORS, NAMES, color_name, every_prompt, main_colors, prompts_of
from backend.pipelines.sar3d.training.evaluation import HeldOut, silhouette_matches
from backend.pipelines.sar3d.training.grid_encoder import GridEncoder
from backend.pipelines.sar3d.training.learning import (
    AutoencoderLearning,
    GridAutoencoder,
    TransformerLearning,
    encode_pool,
    new_image_model,
    unused_share,
)
from backend.pipelines.sar3d.training.presets import PRESETS
from backend.pipelines.sar3d.training.recipe import train
from backend.procedural.dataset import Split, draw_objects
from backend.procedural.primitives import ObjectBatch, union_distance
from backend.training.field_points import grid_points

SMOKE = PRESETS["smoke"]
SHORT = ["--preset", "smoke", "--objects", "2", "--batch", "2", "--autoencoder-steps", "4", "--text-steps", "4",
         "--image-steps", "4"]


@pytest.fixture(scope="module")
def objects():
    return ObjectBatch.from_arrays(draw_objects(Split.TRAINING, 18))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_resumed_run_takes_the_same_steps_and_is_exported(tmp_path):
    whole, halves, target = tmp_path / "whole", tmp_path / "halves", tmp_path / "weights"
    assert train([*SHORT, "--out", str(whole)]) == 0
    for done in ("autoencoder", "text", "tokenizer"):
        shutil.copytree(whole / done, halves / done)
    image = [*SHORT, "--out", str(halves), "--stage", "image"]
    assert train([*image, "--stop-at", "2"]) == 0
    assert train([*image, "--resume"]) == 0
    for name in ("weights", "average", "exp_avg_sq"):
        expected, actual = (load_file(run / "image" / f"{name}.safetensors") for run in (whole, halves))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected), name
    assert export.main(["--preset", "smoke", "--run", str(halves), "--out", str(target)]) == 0
    pipeline = Sar3dPipeline.from_pretrained(target)
    tokens = pipeline.encode_prompts(["a red chair"])[0].tokens
    assert tokens.shape == (1, 16, SMOKE.text_encoder["hidden_size"])
    average = load_file(halves / "autoencoder" / "average.safetensors")
    kept = pipeline.decoder.conv_sr.conv_out.weight
    assert torch.allclose(kept, average["decoder.conv_sr.conv_out.weight"], atol=2e-3)
    assert "airplane" in (target / "README.md").read_text("utf-8")
    assert "image 4" in (target / "README.md").read_text("utf-8")


def test_time_limit_stops_before_the_first_step(tmp_path):
    assert train([*SHORT, "--out", str(tmp_path), "--stage", "autoencoder", "--minutes", "0"]) == 0
    assert not (tmp_path / "autoencoder" / "state.json").exists()


def test_frames_are_those_of_the_house():
    points = torch.randn(7, 3)
    assert np.allclose(pool.to_planes(points), x_front_to_blender(points.numpy()))
    assert np.allclose(pool.to_objects(points), blender_to_x_front(points.numpy()))


def test_field_and_grid_are_negative_inside(objects):
    points = pool.field_points(objects, 64, generator())
    assert points.abs().max() <= 1
    target = pool.field_target(objects, points, 0.1)
    truth = union_distance(objects, pool.to_objects(points))
    assert ((target < 0) == (truth < 0)).all()
    assert target.abs().max() <= 1
    grid = pool.object_grid(objects, 8, 0.1)
    assert grid.shape == (len(objects), 4, 8, 8, 8)
    cells = grid_points(8, "cpu")
    x, y, z = 1, 6, 4
    assert torch.equal(cells.view(8, 8, 8, 3)[x, y, z], cells[(x * 8 + y) * 8 + z])
    wanted = union_distance(objects, pool.to_objects(cells[(x * 8 + y) * 8 + z].expand(len(objects), 1, 3)))[:, 0]
    assert torch.allclose(grid[:, 0, x, y, z], (wanted / 0.25).clamp(-1, 1), atol=1e-5)


def test_the_encoder_looks_along_the_third_axis_of_each_plane():
    """A change of one cell reaches each plane where the plane is read for that cell: first axis along the width."""
    torch.manual_seed(0)
    encoder = GridEncoder(8, 8, 32, 4).eval()
    seen = []
    for plane in encoder.planes:
        plane.register_forward_hook(lambda _module, given, _result: seen.append(given[0]))
    grid = torch.zeros(1, 4, 8, 8, 8)
    grid[0, 0, 1, 2, 5] = 1.0
    encoder(grid)
    places = [tuple(view[0].amax(dim=0).nonzero()[0].tolist()) for view in seen]
    assert places == [(2, 1), (5, 2), (1, 5)]  # (row, column) = (y, x), (z, y), (x, z)


def losses(learning, module, steps, rate=3e-3):
    optimizer, found = torch.optim.AdamW(module.parameters(), lr=rate), []
    for step in range(steps):
        loss, _ = learning(module, generator(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_the_autoencoder_learns(objects):
    torch.manual_seed(0)
    found = losses(AutoencoderLearning(objects[:2], SMOKE), GridAutoencoder(SMOKE), 24)
    assert sum(found[-5:]) < 0.9 * sum(found[:5])


def test_the_transformer_learns_the_tokens_of_its_images(objects):
    torch.manual_seed(0)
    autoencoder, model = GridAutoencoder(SMOKE).eval(), new_image_model(SMOKE)
    tokens = encode_pool(autoencoder, objects[:4], SMOKE)
    images = pool.render_pool(objects[:4], 28, 1, generator())
    blank = torch.full((3, 28, 28), 255, dtype=torch.uint8)
    learning = TransformerLearning(tokens, images, blank, autoencoder.decoder.quantize, 4)
    found = losses(learning, model, 30)
    assert sum(found[-5:]) < 0.9 * sum(found[:5])


def test_even_use_of_codes_is_told_from_uneven(objects):
    torch.manual_seed(0)
    quantizer = GridAutoencoder(SMOKE).decoder.quantize
    varied = torch.randn(3, 8, quantizer.side, quantizer.side)
    alike = torch.ones_like(varied)
    shares = [float(unused_share(quantizer, latent, quantizer.quantize(latent))) for latent in (varied, alike)]
    assert 0 <= shares[0] < shares[1] <= 1


def test_captions_name_the_color_of_most_of_the_surface(objects):
    assert color_name((1, 0, 0)) == "red"
    assert color_name((0.01, 0.02, 0.9)) == "blue"
    assert color_name((0.2, 0.2, 0.2)) == "gray"
    assert color_name((0.0, 0.0, 0.0)) == "black"
    assert color_name((1.0, 1.0, 1.0)) == "white"
    colors = main_colors(objects)
    assert set(colors) <= set(COLORS)
    prompts = prompts_of(objects, 3, seed=0)
    known = set(every_prompt())
    for number, own in enumerate(prompts):
        assert len(own) == 3
        assert all(prompt in known and NAMES[int(objects.family[number])] in prompt for prompt in own)
        assert any(colors[number] in prompt for wording in prompts_of(objects, 8, 1)[number : number + 1]
                   for prompt in wording)


def test_silhouettes_tell_families_apart():
    """Held-out objects are matched with other objects of their own family far more often than by chance."""
    known = HeldOut.of(ObjectBatch.from_arrays(draw_objects(Split.TRAINING, 72)), 24)
    others = HeldOut.of(ObjectBatch.from_arrays(draw_objects(Split.HELD_OUT, 36)), 24)
    right = silhouette_matches(others.inside, others.objects.family.long(), known)
    assert right.float().mean() > 0.6
    own = silhouette_matches(known.inside, known.objects.family.long(), known)
    assert own.all()
