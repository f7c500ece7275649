# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline stage by stage, with tiny random networks."""

import numpy as np
import pytest
import torch

from backend.contract import BadInput, MeshwrightError
from backend.geometry.components import is_watertight
from backend.pipelines.common.image_preparation import check_image
from backend.pipelines.hunyuan3d_shape.image import CENTERING, centered_on_white, prepare_view
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser
from tests.hunyuan3d_shape.tiny_networks import randomized

FAST = {"num_inference_steps": 3, "grid_resolution": 24, "decoding": "hierarchical", "seed": 0}


def test_an_image_becomes_a_closed_mesh(tiny_pipeline, cut_out):
    reports = []
    output = tiny_pipeline({"front": cut_out}, **FAST, progress=lambda *told: reports.append(told))
    assert is_watertight(output.mesh)
    assert output.mesh.volume > 0
    assert np.abs(output.mesh.vertices).max() <= 1.01
    assert output.latent.shape == (1, 16, 4)
    assert list(dict.fromkeys(stage for stage, _, _ in reports)) == [
        "image", "condition", "sample", "decode", "field", "surface",
    ]
    assert ("sample", 2, 2) in reports, "three steps of the original are two"


@pytest.mark.parametrize("decoding", ["dense", "flash"])
def test_decodings_agree_on_the_surface(tiny_pipeline, cut_out, decoding, monkeypatch):
    monkeypatch.setattr("backend.pipelines.hunyuan3d_shape.restricted_field.kept_keys", lambda tokens: tokens)
    ours = tiny_pipeline({"front": cut_out}, **FAST).mesh
    other = tiny_pipeline({"front": cut_out}, **FAST | {"decoding": decoding}).mesh
    assert len(other.faces) == len(ours.faces)
    assert np.allclose(other.vertices, ours.vertices, atol=1e-4)


def test_the_seed_decides(tiny_pipeline, cut_out):
    latents = [tiny_pipeline({"front": cut_out}, **FAST | {"seed": seed}).latent for seed in (1, 1, 2)]
    assert torch.equal(latents[0], latents[1])
    assert not torch.equal(latents[0], latents[2])


def test_guidance_of_one_is_the_conditional_velocity(tiny_pipeline, cut_out):
    condition = tiny_pipeline.encode_condition(tiny_pipeline.prepare_views({"front": cut_out}))
    noise = tiny_pipeline.prepare_latents(0)
    with torch.no_grad():
        plain = tiny_pipeline.denoise(noise, condition, 4, 1.0)
        guided = tiny_pipeline.denoise(noise, condition, 4, 1.0 + 1e-6)
        strong = tiny_pipeline.denoise(noise, condition, 4, 7.0)
    torch.testing.assert_close(plain, guided, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain, strong)


def test_views_are_taken_in_their_own_order(tiny_views_pipeline, cut_out):
    mirrored = cut_out[:, ::-1].copy()
    views = {"back": mirrored, "front": cut_out}
    images = tiny_views_pipeline.prepare_views(views)
    assert tiny_views_pipeline.view_numbers(views).tolist() == [0, 2]
    assert torch.equal(images[0], prepare_view(cut_out, 64)[0])
    assert torch.equal(images[1], prepare_view(mirrored, 64)[0])
    two = tiny_views_pipeline(views, **FAST).latent
    one = tiny_views_pipeline({"front": cut_out}, **FAST).latent
    assert not torch.allclose(two, one)


def test_views_may_have_different_sizes(tiny_views_pipeline, cut_out):
    larger = np.repeat(np.repeat(cut_out, 2, axis=0), 2, axis=1)
    assert tiny_views_pipeline.prepare_views({"front": cut_out, "left": larger}).shape == (2, 3, 64, 64)


def test_distilled_weights_take_as_many_steps_as_asked(tiny_autoencoder, tiny_image_encoder, cut_out):
    torch.manual_seed(0)
    denoiser = randomized(TwoStreamDenoiser(
        width=32, depth=1, single_depth=1, heads=4, latent_width=4, condition_width=64, hidden_width=64,
        guidance_embedding=True,
    ))
    pipeline = HunyuanShapePipeline(
        tiny_image_encoder, denoiser, tiny_autoencoder, ShapeScheduler("consistency"), tokens=16, image_size=64,
        encoder_size=56,
    )
    reports = []
    pipeline({"front": cut_out}, **FAST | {"num_inference_steps": 5}, progress=lambda *told: reports.append(told))
    assert ("sample", 5, 5) in reports


def test_estimates_come_on_the_way_and_reach_the_end(tiny_pipeline, cut_out):
    estimates = []
    tiny_pipeline({"front": cut_out}, **FAST | {"num_inference_steps": 9}, on_estimate=estimates.append,
                  estimate_every=2)
    assert len(estimates) == 3, "after steps 2, 4 and 6 of 8, not after the last"
    assert all(estimate.shape == (1, 16, 4) for estimate in estimates)


def test_a_saved_pipeline_comes_back(tiny_views_pipeline, cut_out, tmp_path):
    tiny_views_pipeline.register_to_config(sharp_share=0.25)
    tiny_views_pipeline.save_pretrained(tmp_path)
    loaded = HunyuanShapePipeline.from_pretrained(tmp_path)
    assert isinstance(loaded.denoiser, TwoStreamDenoiser)
    assert loaded.config.sharp_share == 0.25
    latents = [pipeline({"front": cut_out}, **FAST).latent for pipeline in (loaded, tiny_views_pipeline)]
    torch.testing.assert_close(*latents, atol=1e-4, rtol=1e-4)


def test_broken_weights_are_an_error_and_no_mesh(tiny_pipeline, cut_out):
    with torch.no_grad():
        tiny_pipeline.denoiser.final_layer.linear.weight[0, 0] = torch.nan
    with pytest.raises(MeshwrightError, match="not numbers"):
        tiny_pipeline({"front": cut_out}, **FAST)


@pytest.mark.parametrize("decoding", ["hierarchical", "flash"])
def test_a_broken_field_is_an_error_and_no_mesh(tiny_pipeline, cut_out, decoding):
    with torch.no_grad():
        tiny_pipeline.autoencoder.geo_decoder.output_proj.bias.fill_(torch.inf)
    with pytest.raises(MeshwrightError, match="not numbers"):
        tiny_pipeline({"front": cut_out}, **FAST | {"decoding": decoding})


def test_a_field_without_a_surface_is_an_error(tiny_pipeline, cut_out):
    with torch.no_grad():
        tiny_pipeline.autoencoder.geo_decoder.output_proj.bias.fill_(-100.0)
    with pytest.raises(MeshwrightError, match="No object"):
        tiny_pipeline({"front": cut_out}, **FAST)


def test_a_solid_that_fills_the_cube_is_closed(tiny_pipeline):
    mesh = tiny_pipeline.extract_surface(torch.full((9, 9, 9), 3.0))
    assert is_watertight(mesh)
    assert mesh.volume > 0


@pytest.mark.parametrize(
    "change",
    [
        {"num_inference_steps": 0}, {"guidance_scale": 0.5}, {"grid_resolution": 1}, {"decoding": "octree"},
    ],
)
def test_parameters_out_of_range_are_refused(tiny_pipeline, cut_out, change):
    with pytest.raises((ValueError, BadInput)):
        tiny_pipeline({"front": cut_out}, **FAST | change)


@pytest.mark.parametrize("names", [(), ("left",), ("front", "left"), ("top",)])
def test_weights_without_views_take_the_front_only(tiny_pipeline, cut_out, names):
    with pytest.raises(ValueError, match="view"):
        tiny_pipeline(dict.fromkeys(names, cut_out), **FAST)


def test_an_empty_view_is_refused_by_its_name(tiny_views_pipeline, cut_out):
    with pytest.raises(BadInput, match="back view"):
        tiny_views_pipeline({"front": cut_out, "back": np.zeros_like(cut_out)}, **FAST)


def test_faint_noise_does_not_make_the_object_small():
    clean = np.zeros((100, 100, 4), np.uint8)
    clean[40:60, 45:55] = 255
    noisy = clean.copy()
    clean[40:60, 45:55, :3] = 0
    noisy = clean.copy()
    noisy[0, 0, 3] = noisy[99, 99, 3] = 7
    centered = centered_on_white(clean)
    assert centered.shape == (100, 100, 3)
    assert np.array_equal(centered_on_white(noisy), centered)
    noisy[0, 0, 3] = 8
    assert not np.array_equal(centered_on_white(noisy), centered)


@pytest.mark.parametrize("alpha", [8, 9, 10])
def test_the_faintest_image_that_passes_the_check_is_prepared(tiny_pipeline, cut_out, alpha):
    faint = cut_out.copy()
    faint[..., 3] = np.minimum(faint[..., 3], alpha)
    check_image(faint)
    assert (tiny_pipeline.prepare_views({"front": faint}) < 1).any()


def test_the_object_fills_the_square_but_for_its_border():
    image = np.zeros((100, 60, 4), np.uint8)
    image[10:50, 20:40, 3] = 255  # black
    black = (centered_on_white(image) == 0).all(axis=-1)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    assert len(rows) == int(100 * (1 - CENTERING.border))
    assert len(columns) == len(rows) // 2
    assert abs((rows[0] + rows[-1]) - 99) <= 1


def test_flow_times_leave_out_the_step_of_no_length():
    assert ShapeScheduler().times(1).tolist() == [0, 1]
    assert ShapeScheduler().times(5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    shifted = ShapeScheduler(shift=3.0).times(3)
    assert shifted.tolist() == pytest.approx([0, 0.75, 1])
    turbo = ShapeScheduler("consistency").times(5)
    assert turbo.tolist() == pytest.approx([0, 199 / 999, 399 / 999, 599 / 999, 799 / 999, 1])
