# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that a stopped run goes on as if it had never stopped, what is exported."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from backend.contract import Resources
from backend.geometry.box_unwrap import box_unwrap
from backend.geometry.projection import orbit_cameras, rasterize_views, view_geometry
from backend.pipelines.flexisyncmvd.checkpoint.pipeline import CheckpointPipelines
from backend.pipelines.flexisyncmvd.prompts import DIRECTIONS
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.training import export
from backend.pipelines.flexisyncmvd.training.captions import MATERIALS, OBJECTS, caption_table, words
from backend.pipelines.flexisyncmvd.training.color_kinds import COLORS, hsv_of, rgb_of
from backend.pipelines.flexisyncmvd.training.metrics import color_share
from backend.pipelines.flexisyncmvd.training.networks import new_autoencoder
from backend.pipelines.flexisyncmvd.training.paint import Paint, painted, random_paint
from backend.pipelines.flexisyncmvd.training.presets import PRESETS
from backend.pipelines.flexisyncmvd.training.procedural_meshes import scene_of, unwrapped_object
from backend.pipelines.flexisyncmvd.training.recipe import train
from backend.pipelines.flexisyncmvd.weight_sets import STARTER
from backend.procedural.assembly import stack
from backend.procedural.dataset import Split, object_at
from backend.procedural.primitives import ObjectBatch
from backend.procedural.surface_views import SurfaceViews, cast_views, fitting_scale
from backend.training.image_autoencoder import fold_normalization
from backend.training.vocabulary import read_vocabulary, write_vocabulary

POSES = [(0.0, 0.0), (0.0, 45.0), (30.0, 180.0)]
SHORT = ["--preset", "smoke", "--autoencoder-steps", "2", "--denoiser-steps", "4"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_vocabulary(folder, words())
    return read_vocabulary(folder)


@pytest.fixture(scope="module")
def chair() -> SurfaceViews:
    """A held-out chair from three sides."""
    batch = ObjectBatch.from_arrays(stack([object_at(Split.HELD_OUT, 5, family="chair")] * len(POSES)))
    rig = [(pose.elevation, pose.azimuth) for pose in CameraRig().poses]
    scale = fitting_scale(batch, rig, torch.full((len(POSES),), 0.9), torch.Generator().manual_seed(0))
    with torch.no_grad():
        return cast_views(batch, POSES, scale, 48)


def test_rays_see_what_the_rasterizer_sees_of_the_mesh(chair: SurfaceViews) -> None:
    scene = scene_of(unwrapped_object(Split.HELD_OUT, "chair", 5), CameraRig(), 0.9, "cpu")
    cameras = orbit_cameras(POSES)
    seen = view_geometry(scene.mesh, cameras, rasterize_views(scene.mesh, cameras, 48))
    assert (seen.mask == chair.mask).float().mean() > 0.97
    both = seen.mask & chair.mask
    assert (seen.depth - chair.depth)[both].abs().median() < 0.02
    normal = torch.nn.functional.normalize(seen.normal, dim=-1)
    assert (normal * chair.normal / 127).sum(dim=-1)[both].median() > 0.98


def test_an_object_is_painted_all_over_in_its_color(chair: SurfaceViews) -> None:
    generator, ground = torch.Generator().manual_seed(0), torch.full((len(POSES), 3), 0.5)
    drawn = random_paint(len(POSES), generator)
    for color, kind in enumerate(COLORS.values()):
        for material in range(len(MATERIALS)):
            one = (torch.full((len(POSES),), index) for index in (color, material))
            image = painted(chair, Paint(*one, drawn.numbers, drawn.parts, drawn.waves), ground)
            kept = kind.holds(hsv_of(image.transpose(0, 1)))[chair.mask].float().mean()
            assert kept > 0.9, (list(COLORS)[color], list(MATERIALS)[material])
            assert (image.transpose(0, 1)[:, ~chair.mask] == 0.5).all()


def test_no_two_kinds_of_color_are_drawn_alike() -> None:
    for name, kind in COLORS.items():
        for share in (0.0, 0.5, 1.0):
            hsv = torch.tensor([[low + share * (high - low)] for low, high in kind.drawn])
            again = hsv_of(rgb_of(hsv))
            holders = [other for other, candidate in COLORS.items() if candidate.holds(again).all()]
            assert holders == [name]


def test_the_table_holds_each_caption_in_its_place(tokenizer: CLIPTokenizer) -> None:
    table = caption_table(tokenizer, wordings=1)
    place = list(COLORS).index("red"), list(MATERIALS).index("wooden"), OBJECTS.index("chair"), 0
    text = "a red wooden chair, front view."
    row = table.captions[(*place, DIRECTIONS.index("front"))].long()
    assert row.tolist() == tokenizer(text, padding="max_length").input_ids
    assert tokenizer.tokenize(text) == [f"{word}</w>" for word in ("a", "red", "wooden", "chair", ",", "front", "view",
                                                                   ".")]
    plain = table.captions[-1, -1, -1, 0, 0].long()
    assert plain.tolist() == tokenizer("a object", padding="max_length").input_ids
    assert table.empty[0, 0].tolist() == tokenizer("", padding="max_length").input_ids
    assert tokenizer.decode(tokenizer("Überraschung 7!").input_ids, skip_special_tokens=True) == "überraschung 7 !"


def test_folding_normalizes_the_latents_and_keeps_the_images() -> None:
    autoencoder = new_autoencoder(PRESETS["smoke"]).eval()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = autoencoder.encode(images).latent_dist
        decoded = autoencoder.decode(before.mean).sample
        by_channel = before.mean.transpose(0, 1).flatten(1)
        mean, deviation = by_channel.mean(dim=1), by_channel.std(dim=1)
        fold_normalization(autoencoder, mean, deviation)
        after = autoencoder.encode(images).latent_dist
        torch.testing.assert_close(autoencoder.decode(after.mean).sample, decoded, rtol=1e-3, atol=1e-4)
    by_channel = after.mean.transpose(0, 1).flatten(1)
    torch.testing.assert_close(by_channel.mean(dim=1), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(by_channel.std(dim=1), torch.ones(4), rtol=1e-3, atol=0)
    torch.testing.assert_close(after.std * deviation[:, None, None], before.std, rtol=1e-3, atol=1e-5)


def test_a_box_unwrap_neither_overlaps_nor_stretches() -> None:
    mesh = unwrapped_object(Split.HELD_OUT, "mug", 3)
    corners, uvs = mesh.vertices[mesh.faces].astype(float), box_unwrap(mesh.vertices, mesh.faces).astype(float)
    assert uvs.min() >= 0
    assert uvs.max() <= 1
    edges = corners[:, 1:] - corners[:, :1]
    surface = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    flat = uvs[:, 1:] - uvs[:, :1]
    chart = np.abs(flat[:, 0, 0] * flat[:, 1, 1] - flat[:, 0, 1] * flat[:, 1, 0])
    kept = surface > 1e-9
    shrunk = chart[kept] / surface[kept]
    assert shrunk.min() > 0.57 * shrunk.max()  # 1 / sqrt(3): a face that looks along no axis


def test_a_share_of_a_plain_texture_is_all_or_nothing() -> None:
    scene = scene_of(unwrapped_object(Split.HELD_OUT, "table", 1), CameraRig(), 0.9, "cpu")
    red = torch.tensor([0.8, 0.1, 0.1])[:, None, None].expand(3, 64, 64)
    assert color_share(red, scene, "red") == 1.0
    assert color_share(red, scene, "blue") == 0.0


def test_a_resumed_run_takes_the_same_steps_and_its_export_is_loaded(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train([*SHORT, "--out", str(whole)]) == 0
    assert train([*SHORT, "--out", str(halves), "--stop-at", "2"]) == 0
    assert train([*SHORT, "--out", str(halves), "--resume"]) == 0
    for stage in ("autoencoder", "denoiser"):
        for name in ("weights", "average", "exp_avg_sq"):
            expected, actual = (load_file(run / stage / f"{name}.safetensors") for run in (whole, halves))
            assert expected.keys() == actual.keys()
            assert all(torch.equal(expected[key], actual[key]) for key in expected), (stage, name)
        assert (halves / stage / "curves.png").stat().st_size > 1000

    folder = tmp_path / "set"
    assert export.main(["--preset", "smoke", "--run", str(halves), "--out", str(folder)]) == 0
    assert "a red wooden chair" in (folder / "README.md").read_text()
    pipeline = CheckpointPipelines(STARTER, folder, Resources()).pipeline(controls=["depth"])
    learned = load_file(halves / "denoiser" / "average.safetensors")
    expected = learned["unet.conv_in.weight"].half().float()
    torch.testing.assert_close(pipeline.unet.conv_in.weight, expected, rtol=0, atol=0)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert len(pipeline.tokenizer) == pipeline.text_encoder.config.vocab_size
