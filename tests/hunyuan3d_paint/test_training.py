# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that a stopped run goes on as if it had never stopped, what is exported."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backend.geometry.projection import rasterize_views
from backend.pipelines.common.image_preparation import recenter
from backend.pipelines.hunyuan3d_paint.control_maps import control_maps
from backend.pipelines.hunyuan3d_paint.pipeline import Hunyuan3DPaintPipeline
from backend.pipelines.hunyuan3d_paint.settings import PaintSettings
from backend.pipelines.hunyuan3d_paint.training import export, metrics
from backend.pipelines.hunyuan3d_paint.training.evaluation import errors
from backend.pipelines.hunyuan3d_paint.training.held_out import HeldOut
from backend.pipelines.hunyuan3d_paint.training.materials import (
    Materials,
    hue_of,
    lit_images,
    material_images,
    rgb_of,
)
from backend.pipelines.hunyuan3d_paint.training.networks import new_autoencoder, new_denoiser
from backend.pipelines.hunyuan3d_paint.training.pool import POSES, centered, make_view_pool, maps_of
from backend.pipelines.hunyuan3d_paint.training.presets import PRESETS
from backend.pipelines.hunyuan3d_paint.training.recipe import train
from backend.procedural.assembly import stack
from backend.procedural.dataset import Split, object_at
from backend.procedural.primitives import ObjectBatch
from backend.training.image_autoencoder import fold_normalization

SHORT = ["--preset", "smoke", "--autoencoder-steps", "2", "--denoiser-steps", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A whole short run."""
    folder = tmp_path_factory.mktemp("run")
    assert train([*SHORT, "--out", str(folder)]) == 0
    return folder


def test_the_starter_weights_stay_under_six_megabytes():
    preset = PRESETS["starter"]
    networks = new_autoencoder(preset), new_denoiser(preset)
    assert 2 * sum(parameter.numel() for network in networks for parameter in network.parameters()) < 5.9e6


def test_training_sees_what_the_pipeline_renders():
    """Position and normal maps of a drawn object and of its mesh are the same, but for outlines."""
    held_out = HeldOut.drawn(0, 0, grid=48, image_size=64)
    scene = held_out.scene(6, "cpu")
    rendered = control_maps(scene.mesh, rasterize_views(scene.mesh, scene.cameras, 256, cull=False), 64)
    batch = ObjectBatch.from_arrays(stack([object_at(Split.HELD_OUT, 0, 0)]))
    cast = maps_of(make_view_pool(batch, 64, torch.Generator().manual_seed(0)).views)
    for ours, theirs, tolerance in zip(cast, rendered, (30, 12), strict=True):
        both = (ours.amin(dim=-1) < 250) & (theirs.amin(dim=-1) < 250)
        overlap = both.sum() / (ours.amin(dim=-1) < 250).sum()
        assert overlap > 0.85
        assert (ours.float() - theirs.float()).abs()[both].mean() < tolerance


def test_hues_survive_the_way_through_colors():
    hue = torch.linspace(0, 0.99, 50)
    found, chroma = hue_of(rgb_of(torch.stack([hue, torch.full_like(hue, 0.7), torch.full_like(hue, 0.8)], dim=-1)))
    assert torch.allclose(found, hue, atol=1e-5)
    assert torch.allclose(chroma, torch.full_like(hue, 0.56), atol=1e-5)


def test_images_tell_what_an_object_is_made_of():
    batch = ObjectBatch.from_arrays(stack([object_at(Split.TRAINING, 0, 0)]))
    views = make_view_pool(batch, 48, torch.Generator().manual_seed(0)).views
    assert len(views) == len(POSES)
    materials = Materials.drawn(1, torch.Generator().manual_seed(1))[[0] * len(POSES)]
    color, mr = material_images(views, materials)
    assert (color.permute(0, 2, 3, 1)[~views.mask] == 1).all()
    assert set(mr[:, 0].unique().tolist()) <= {0.0, 1.0}
    lit = []
    for metallic, roughness in ((0.0, 0.9), (0.0, 0.1), (1.0, 0.9), (1.0, 0.1)):
        changed = Materials(materials.color, torch.full_like(materials.metallic, metallic),
                            torch.full_like(materials.roughness, roughness), materials.border)
        lit.append(lit_images(views, changed)[0])
    for index, one in enumerate(lit):
        assert one.min() >= 0
        assert one.max() <= 1
        for other in lit[:index]:
            assert (one - other).abs()[:, views.mask[0]].mean() > 0.02
    perfect = errors((color, mr), (color, mr), views.mask)
    assert perfect == (1.0, 0.0, 0.0)
    wrong = errors((color[:, [1, 2, 0]], 1 - mr), (color, mr), views.mask)
    assert wrong[0] < 0.5 < wrong[1]


def test_fronts_are_centered_as_jobs_center_images():
    image = torch.ones(1, 3, 64, 64)
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 10:30, 40:52] = True
    image[:, 0][mask] = 0.2
    ours = centered(image, mask)[0].permute(1, 2, 0)
    rgba = torch.cat([image[0], mask.float()]).permute(1, 2, 0)
    theirs = torch.from_numpy(recenter((rgba * 255).byte().numpy())[..., :3] / 255.0)
    box = [torch.nonzero(image[..., 0] < 0.6).aminmax(dim=0) for image in (ours, torch.where(theirs > 0, theirs, 1.0))]
    for one, other in zip(*box, strict=True):
        assert (one - other).abs().max() <= 4


def test_folding_keeps_the_images(run):
    autoencoder = new_autoencoder(PRESETS["smoke"]).eval()
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = autoencoder.decode(autoencoder.encode(images).latent_dist.mean).sample
        latent = autoencoder.encode(images).latent_dist.mean.transpose(0, 1).flatten(1)
        fold_normalization(autoencoder, latent.mean(dim=1), latent.std(dim=1))
        folded = autoencoder.encode(images).latent_dist.mean
        after = autoencoder.decode(folded).sample
    assert torch.allclose(before, after, atol=1e-4)
    assert torch.allclose(folded.transpose(0, 1).flatten(1).std(dim=1), torch.ones(4), atol=1e-3)


def test_a_stopped_run_goes_on_as_if_it_had_not(run, tmp_path):
    arguments = [*SHORT, "--out", str(tmp_path)]
    assert train([*arguments, "--stop-at", "1"]) == 0
    assert train([*arguments, "--resume"]) == 0
    for stage in ("autoencoder", "denoiser"):
        whole, resumed = (load_file(folder / stage / "weights.safetensors") for folder in (run, tmp_path))
        for name, tensor in whole.items():
            assert torch.allclose(tensor, resumed[name], atol=1e-6), name


def test_exported_weights_paint(run, tmp_path, monkeypatch):
    out = tmp_path / "weights"
    assert export.main(["--run", str(run), "--preset", "smoke", "--out", str(out)]) == 0
    assert "4 objects" not in (out / "README.md").read_text()
    assert "Not measured yet." in (out / "README.md").read_text()
    pipeline = Hunyuan3DPaintPipeline.from_pretrained(out)
    assert pipeline.upscaler is None
    trained = load_file(run / "denoiser" / "average.safetensors")
    for name, value in trained.items():
        part, _, key = name.partition(".")
        if part != "image_encoder":
            assert torch.allclose(getattr(pipeline, part).state_dict()[key], value.cpu(), atol=2e-3), name
    monkeypatch.setattr(metrics, "HeldOut", SmallHeldOut)
    measured = tmp_path / "metrics.json"
    arguments = ["--weights", str(out), "--out", str(measured), "--device", "cpu", "--objects", "1", "--steps", "2",
                 "--view-size", "64", "--texture-size", "64"]
    assert metrics.main(arguments) == 0
    assert measured.is_file()
    assert measured.with_suffix(".jpg").is_file()


class SmallHeldOut(HeldOut):
    """Coarse, for tests."""

    @classmethod
    def drawn(cls, number: int, seed: int, grid: int = 24, image_size: int = 48) -> HeldOut:
        return super().drawn(number, seed, grid, image_size)


def test_metrics_of_the_true_texture_are_perfect():
    held_out = SmallHeldOut.drawn(3, 0)
    scene = held_out.scene(6, "cpu")
    color, metallic, roughness, covered = held_out.truth(scene.mesh, 64)
    texture = torch.zeros(64, 64, 5)
    texture[covered] = torch.cat([color, metallic[:, None], roughness[:, None]], dim=1)
    output = metrics.PaintOutput(textures=[texture], views=torch.zeros(2, 6, 8, 8, 3), poses=[])
    measured = metrics.metrics_of(output, held_out, 64, scene.mesh)
    assert measured == {"hue_right": 1.0, "metallic_error": 0.0, "roughness_error": 0.0}
    assert PaintSettings().views == 6
