# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline's behavior on small random networks; its numbers are held by tests/parity."""

import importlib
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.contract import BadInput
from backend.pipelines.common.block_streaming import stream_blocks
from backend.pipelines.common.finiteness import NotFiniteError
from backend.pipelines.common.sampler import starting_noise
from backend.pipelines.common.surface_extraction import NoSurfaceError
from backend.pipelines.partpacker.pipeline import PartPackerPipeline

SETTINGS = {"num_inference_steps": 3, "grid_resolution": 16, "seed": 5}


@pytest.fixture
def pipeline(tiny_pipeline, cut_out):
    """The field is shifted so that half of the cube is inside."""
    image = tiny_pipeline.prepare_image(cut_out)
    with torch.no_grad():
        latent = tiny_pipeline.denoise(
            tiny_pipeline.prepare_latents(5), tiny_pipeline.encode_condition(image), 3, 7.0
        )
        points = torch.rand(1, 500, 3) * 2 - 1
        field = torch.cat([tiny_pipeline.autoencoder.query(points, h) for h in tiny_pipeline.decode_volumes(latent)])
        tiny_pipeline.autoencoder.proj_out.bias -= field.median()
    return tiny_pipeline


def same(first, second):
    return all(
        np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces)
        for a, b in zip(first.meshes, second.meshes, strict=True)
    )


def assert_alike(first, second):
    """The same latent up to rounding: where weights lie in memory moves the last bits on a CPU."""
    torch.testing.assert_close(first.latent, second.latent, atol=1e-4, rtol=0)
    for a, b in zip(first.meshes, second.meshes, strict=True):
        assert abs(len(a.faces) - len(b.faces)) <= 0.02 * len(a.faces)


def test_the_seed_names_the_result(pipeline, cut_out):
    first = pipeline(cut_out, **SETTINGS)
    assert any(not mesh.is_empty for mesh in first.meshes)
    assert first.latent.shape == (1, 24, 4)
    assert same(first, pipeline(cut_out, **SETTINGS))
    assert not same(first, pipeline(cut_out, **SETTINGS | {"seed": 6}))
    generator = torch.Generator().manual_seed(5)
    assert same(first, pipeline(cut_out, **SETTINGS | {"seed": None}, generator=generator))


def test_chunks_of_the_field_change_nothing_but_rounding(pipeline, cut_out):
    first, second = (pipeline(cut_out, **SETTINGS, points_per_query=chunk) for chunk in (100, 5000))
    for a, b in zip(first.meshes, second.meshes, strict=True):
        assert np.abs(a.bounds - b.bounds).max() < 1e-4


def test_progress_tells_every_stage_to_its_end(pipeline, cut_out):
    calls = []
    pipeline(cut_out, **SETTINGS, progress=lambda *call: calls.append(call), points_per_query=1000)
    stages = list(dict.fromkeys(stage for stage, _, _ in calls))
    assert stages == ["image", "condition", "sample", "decode", "field", "surface"]
    for stage in stages:
        steps = [(step, of) for name, step, of in calls if name == stage]
        assert [step for step, _ in steps] == sorted(step for step, _ in steps)
        assert steps[-1][0] == steps[-1][1]
    assert len([call for call in calls if call[0] == "sample"]) == 3
    assert len([call for call in calls if call[0] == "field"]) == 2 * 5


@pytest.mark.parametrize("stage", ["image", "condition", "sample", "decode", "field", "surface"])
def test_what_progress_raises_ends_the_run_and_the_next_run_works(pipeline, cut_out, stage):
    class Stop(Exception):
        pass

    def stop(name, _step, _of):
        if name == stage:
            raise Stop

    with pytest.raises(Stop):
        pipeline(cut_out, **SETTINGS, progress=stop)
    assert pipeline(cut_out, **SETTINGS).meshes


def test_step_callback_may_replace_the_latent_and_interrupt(pipeline, cut_out):
    seen = []

    def callback(pipe, i, timestep, tensors):
        seen.append((i, float(timestep)))
        pipe._interrupt = i == 1
        return {"latents": torch.full_like(tensors["latents"], 0.25)}

    output = pipeline(cut_out, **SETTINGS | {"num_inference_steps": 5}, callback_on_step_end=callback)
    assert [i for i, _ in seen] == [0, 1]
    assert seen[0][1] == 1000
    assert (output.latent == 0.25).all()


def test_guidance_of_one_is_the_conditional_velocity(pipeline, cut_out):
    condition = pipeline.encode_condition(pipeline.prepare_image(cut_out))
    noise = pipeline.prepare_latents(1)
    with torch.no_grad():
        without = pipeline.denoise(noise, condition, 2, 1.0)
        nearly = pipeline.denoise(noise, condition, 2, 1.0 + 1e-6)
    torch.testing.assert_close(without, nearly, atol=1e-4, rtol=0)


def test_the_image_matters(pipeline, cut_out):
    other = cut_out.copy()
    other[..., :3] = other[..., 2::-1] // 3
    assert not torch.allclose(pipeline(cut_out, **SETTINGS).latent, pipeline(other, **SETTINGS).latent, atol=1e-3)


def test_save_and_load(pipeline, cut_out, tmp_path):
    pipeline.save_pretrained(tmp_path)
    loaded = PartPackerPipeline.from_pretrained(tmp_path)
    assert loaded.config.tokens_per_volume == 12
    assert loaded.config.image_size == 56
    assert_alike(pipeline(cut_out, **SETTINGS), loaded(cut_out, **SETTINGS))
    half = PartPackerPipeline.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert {half.denoiser.dtype, half.autoencoder.dtype, half.image_encoder.dtype} == {torch.bfloat16}
    assert half(cut_out, **SETTINGS).latent.dtype == torch.float32


def test_load_inside_another_package(pipeline, cut_out, tmp_path, monkeypatch):
    """Inside Blender the backend is a part of the extension's package."""
    pipeline.save_pretrained(tmp_path / "weights")
    extension = tmp_path / "installed" / "some_extension"
    extension.mkdir(parents=True)
    (extension / "__init__.py").touch()
    (extension / "backend").symlink_to(Path(__file__).parents[2] / "backend", target_is_directory=True)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    module = importlib.import_module("some_extension.backend.pipelines.partpacker.pipeline")
    loaded = module.PartPackerPipeline.from_pretrained(tmp_path / "weights")
    assert type(loaded).__module__.startswith("some_extension.")
    assert_alike(pipeline(cut_out, **SETTINGS), loaded(cut_out, **SETTINGS))
    loaded.save_pretrained(tmp_path / "again")
    back = PartPackerPipeline.from_pretrained(tmp_path / "again")
    assert_alike(pipeline(cut_out, **SETTINGS), back(cut_out, **SETTINGS))
    for name in [name for name in sys.modules if name.startswith("some_extension")]:
        monkeypatch.delitem(sys.modules, name)


def test_model_offload_changes_nothing(pipeline, cut_out):
    expected = pipeline(cut_out, **SETTINGS)
    pipeline.enable_model_cpu_offload(device="cpu")
    assert_alike(expected, pipeline(cut_out, **SETTINGS))
    assert_alike(expected, pipeline(cut_out, **SETTINGS))


def test_streamed_blocks_change_nothing(pipeline, cut_out):
    expected = pipeline(cut_out, **SETTINGS)
    for network in (pipeline.image_encoder, pipeline.denoiser, pipeline.autoencoder):
        stream_blocks(network, "cpu")
    assert_alike(expected, pipeline(cut_out, **SETTINGS))
    assert_alike(expected, pipeline(cut_out, **SETTINGS))


def test_a_second_device_that_is_not_there_falls_back(pipeline, cut_out, caplog):
    with caplog.at_level(logging.WARNING):
        pipeline.place("cpu", autoencoder_device="cuda:7")
    assert "cuda:7" in caplog.text
    assert pipeline.autoencoder.device.type == "cpu"


@torch.no_grad()
def test_not_a_number_names_the_volume(pipeline, cut_out):
    latent = pipeline(cut_out, **SETTINGS).latent
    hidden = pipeline.decode_volumes(latent)
    hidden[1][0, 3] = torch.nan
    with pytest.raises(NotFiniteError, match="field of volume 2"):
        pipeline.evaluate_fields(hidden, 16)
    pipeline.denoiser.proj_out.weight[:] = torch.inf
    with pytest.raises(NotFiniteError, match="latent of volume 1"):
        pipeline(cut_out, **SETTINGS)


@torch.no_grad()
def test_volumes_without_a_surface(pipeline):
    ball = 0.5 - torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 17)] * 3, indexing="ij")).norm(dim=0)
    empty = torch.full((17, 17, 17), -1.0)
    ball_mesh, no_mesh = pipeline.extract_surfaces([ball, empty])
    assert no_mesh.is_empty
    assert ball_mesh.volume == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.05)
    with pytest.raises(NoSurfaceError, match="seed"):
        pipeline.extract_surfaces([empty, -empty])


def test_an_empty_field_ends_with_the_error(pipeline, cut_out):
    with torch.no_grad():
        pipeline.autoencoder.proj_out.bias -= 100
    with pytest.raises(NoSurfaceError):
        pipeline(cut_out, **SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {"num_inference_steps": 0}, {"guidance_scale": 0.5}, {"grid_resolution": 1}, {"resize": "cubic"},
        {"image": np.zeros((40, 40, 3), np.uint8)}, {"image": np.zeros((40, 40, 4), np.float32)},
        {"image": np.zeros((40, 40, 4), np.uint8)}, {"image": np.full((40, 40, 4), 255, np.uint8)},
    ],
)
def test_inputs_are_checked_before_any_work(pipeline, cut_out, change):
    calls = []
    with pytest.raises(ValueError):
        pipeline(**{"image": cut_out} | SETTINGS | change, progress=lambda *call: calls.append(call))
    assert not calls


def test_noise_of_a_seed_is_fixed_for_all_machines():
    noise = starting_noise((1, 3), "cpu", seed=42)
    torch.testing.assert_close(noise, torch.tensor([[0.3367, 0.1288, 0.2345]]), atol=1e-4, rtol=0)


def test_bad_input_is_an_error_for_the_artist(pipeline):
    with pytest.raises(BadInput, match="transparent"):
        pipeline(np.zeros((40, 40, 4), np.uint8))
