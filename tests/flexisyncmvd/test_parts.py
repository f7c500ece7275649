# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts, conditioning images, guidance, several ControlNets, previews, fitting and fading, each by itself."""


import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from transformers import CLIPTokenizer

from backend.geometry.projection import Projector, UVMesh, orbit_cameras, rasterize_views
from backend.painting.contact_sheet import contact_sheet
from backend.painting.scene import PaintedScene
from backend.pipelines.flexisyncmvd.backgrounds import COLORS, composite
from backend.pipelines.flexisyncmvd.conditioning import ControlKind, condition_geometry, condition_image, smooth
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Control, Guidance, NoisePredictor
from backend.pipelines.flexisyncmvd.previews import LatentColors
from backend.pipelines.flexisyncmvd.prompts import TextEncoding, ViewPrompts, token_ids, words_cut
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule, Palette, SamplingStep
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels, step_views
from tests.flexisyncmvd.checkpoint_forms import TINY_UNET, randomized, write_tokenizer
from tests.painting.boxes import painted_box

STEP = SamplingStep(0, 500, 400, True, 0.0, 0.0, Palette.ALL)
FRONT_AND_SIDE = [(0.0, 0.0), (0.0, 45.0)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Twelve tokens at the most; every "x" is one."""
    folder = tmp_path_factory.mktemp("tokens") / "tokenizer"
    write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def test_a_long_prompt_keeps_its_side(tokenizer):
    ending = ", back view."
    kept = tokenizer(ending, add_special_tokens=False).input_ids
    long = token_ids(tokenizer, "red chair " * 9, ending).tolist()
    assert len(long) == tokenizer.model_max_length
    assert long[-1 - len(kept):] == [*kept, tokenizer.eos_token_id]
    assert words_cut(tokenizer, "red chair " * 9)


def test_a_short_prompt_is_read_whole(tokenizer):
    ids = token_ids(tokenizer, "red chair", ", back view.").tolist()
    whole = tokenizer("red chair, back view.").input_ids
    assert ids[: len(whole)] == whole
    assert set(ids[len(whole):]) <= {tokenizer.pad_token_id}
    assert not words_cut(tokenizer, "red chair")


def box_mesh() -> UVMesh:
    box = painted_box(sides=(1.2, 0.8, 1.0))
    return UVMesh.of(torch.from_numpy(box.vertices), torch.from_numpy(box.faces),
                     torch.from_numpy(box.uvs.reshape(-1, 2)), torch.arange(36).view(-1, 3))


def test_normal_images_are_unit_normals_seen_from_the_camera():
    cameras = orbit_cameras(FRONT_AND_SIDE)
    geometry = condition_geometry(box_mesh(), cameras, 64)
    image = condition_image(ControlKind.NORMAL, geometry, cameras, 64)
    center = image[:, :, 32, 28] * 2 - 1
    torch.testing.assert_close(center[0], torch.tensor([0.0, 0.0, 1.0]), atol=1e-4, rtol=0)  # toward the camera
    assert image.min() >= 0 and image.max() <= 1
    left = center[1]  # at 45 degrees the box's front is turned to the image's left: red
    torch.testing.assert_close(left.abs(), torch.tensor([0.5**0.5, 0.0, 0.5**0.5]), atol=2e-2, rtol=0)
    assert left[0] > 0


def test_a_flat_view_is_near_and_not_noise():
    cameras = orbit_cameras(FRONT_AND_SIDE)
    geometry = condition_geometry(box_mesh(), cameras, 64)
    front, turned = condition_image(ControlKind.DEPTH, geometry, cameras, 64)
    assert front[0, 32, 32] == 1 and front[0, 2, 2] == 0
    assert 0.2 < turned[0, 32, 32] <= 1 and turned[0][geometry.mask[1]].min() < 0.2
    edges = condition_image(ControlKind.CANNY, geometry, cameras, 64)
    assert set(edges.unique().tolist()) == {0.0, 1.0}


def test_smoothing_keeps_a_plain_image():
    assert torch.allclose(smooth(torch.full((1, 3, 40, 40), 0.3), 24), torch.tensor(0.3), atol=1e-6)


def test_guidance_rescaled_has_the_deviation_of_the_positive_prediction():
    positive, negative = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    plain = Guidance(7.0).combine(positive, negative)
    torch.testing.assert_close(plain, negative + 7 * (positive - negative))
    whole = Guidance(7.0, rescale=1.0).combine(positive, negative)
    torch.testing.assert_close(whole.std((1, 2, 3)), positive.std((1, 2, 3)))
    half = Guidance(7.0, rescale=0.5).combine(positive, negative)
    torch.testing.assert_close(half, (whole + plain) / 2)
    assert Guidance(1.0).signs == ("positive",)


@pytest.fixture(scope="module")
def networks():
    unet = randomized(UNet2DConditionModel.from_config(TINY_UNET["sd15"]), 0)
    config = {name: value for name, value in TINY_UNET["sd15"].items()
              if name not in ("out_channels", "up_block_types", "sample_size")}
    config["conditioning_embedding_out_channels"] = (4, 8)
    nets = [randomized(ControlNetModel.from_config(config), seed) for seed in (1, 2)]
    return unet, nets


def predictor(networks, nets, scale=3.0, **guidance) -> tuple[NoisePredictor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    text = torch.randn(2, 3, 4, networks[0].config.cross_attention_dim, generator=generator)
    images = torch.rand(3, 3, 32, 32, generator=generator)
    controls = [Control(net, images, ControlSchedule()) for net in nets]
    prompts = ViewPrompts(TextEncoding(text[0]), TextEncoding(text[1]))
    made = NoisePredictor(networks[0], Conditions(prompts, controls), None, Guidance(scale, **guidance))
    return made, torch.randn(3, 4, 16, 16, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("guess", [False, True])
def test_signs_together_are_as_signs_apart(networks, guess):
    results = []
    for together in (True, False):
        made, views = predictor(networks, networks[1], guess_mode=guess, together=together)
        with made.prepared():
            results.append(made.predict(views, STEP, [0.7, 0.4]))
    torch.testing.assert_close(results[0].guided, results[1].guided, atol=1e-4, rtol=1e-4)
    without, views = predictor(networks, [])
    assert torch.equal(results[0].negative, without.predict(views, STEP, []).negative) is guess


@torch.no_grad()
def test_controlnets_add_up_and_sleep_at_strength_zero(networks):
    both, views = predictor(networks, networks[1])
    first, _ = predictor(networks, networks[1][:1])
    with both.prepared(), first.prepared():
        alone = both.predict(views, STEP, [0.7, 0.0]).guided
        assert torch.equal(alone, first.predict(views, STEP, [0.7]).guided)
        assert not torch.allclose(alone, both.predict(views, STEP, [0.7, 0.7]).guided, atol=1e-3)


@torch.no_grad()
def test_images_are_embedded_once(networks):
    made, views = predictor(networks, networks[1][:1])
    embedding, calls = networks[1][0].controlnet_cond_embedding, []
    handle = embedding.register_forward_hook(lambda *_: calls.append(1))
    with made.prepared():
        for _ in range(3):
            made.predict(views, STEP, [0.7])
    handle.remove()
    assert len(calls) == 2  # six rows, four at a time
    assert networks[1][0].controlnet_cond_embedding is embedding


def test_background_is_noised_and_the_object_is_not():
    mask = torch.tensor([[[[1.0, 0.0]]]])
    made = composite(torch.full((1, 4, 1, 2), 3.0), torch.full((1, 4, 1, 2), 5.0), mask, 0.25, torch.ones(1, 4, 1, 2))
    assert made[0, 0].tolist() == [[5.0, 0.75 + 0.75]]


def test_views_walk_towards_what_they_share():
    mesh = box_mesh()
    cameras = orbit_cameras([(0.0, angle) for angle in (0.0, 90.0, 180.0, 270.0)])
    projector = Projector.build(mesh, cameras, 24, 48)
    levels = NoiseLevels(0.5, 0.9)
    generator = torch.Generator().manual_seed(0)
    clean, views, noise = torch.randn(3, 4, 4, 24, 24, generator=generator).unbind()
    done = step_views(projector, levels, clean, views, 1.0, noise)
    shared = projector.render(projector.bake(clean, 1.0).texture)
    mask = shared[:, -1:]
    expected = levels.step(shared[:, :-1] * mask + clean * (1 - mask), views, noise)
    torch.testing.assert_close(done.views[:, :-1], expected)
    assert done.texture is None


def test_previews_have_the_colors_of_the_autoencoder():
    colors = torch.tensor(list(COLORS.values())).float()
    mixing = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    latents = (colors @ mixing + 0.3)[:, :, None, None].expand(-1, -1, 4, 4)
    seen = LatentColors(latents).images(latents)
    torch.testing.assert_close(seen[:, :, 0, 0], colors / 2 + 0.5, atol=1e-4, rtol=0)
    assert contact_sheet(seen[:10]).size == (16, 12)


@pytest.mark.parametrize(("below", "seen"), [(False, 0), (True, 2)])
def test_only_cameras_below_see_the_underside(below, seen):
    rig = CameraRig(bottom_cameras=below)
    scene = PaintedScene.build([painted_box()], rig.cameras(), 0.9, "cpu")
    shown = rasterize_views(scene.mesh, scene.cameras, 64).face.unique()
    corners = scene.mesh.vertices[scene.mesh.faces.long()][shown[shown >= 0].long()]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert int((normals[:, 1] < -0.99 * normals.norm(dim=1)).sum()) == seen
