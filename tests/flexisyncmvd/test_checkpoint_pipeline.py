# SPDX-License-Identifier: GPL-3.0-or-later
"""From files to a painted mesh: the same whatever form the checkpoint has, another with another checkpoint."""

import os
import weakref

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from backend.contract import License, Resources, WeightSet
from backend.geometry.projection import UVMesh, orbit_cameras
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice, Lora
from backend.pipelines.flexisyncmvd.checkpoint.pipeline import CheckpointPipelines
from backend.pipelines.flexisyncmvd.conditioning import ControlKind
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule
from backend.pipelines.flexisyncmvd.settings import Scene, Sizes, TextureSettings

from .checkpoint_forms import LONGEST, write_diffusers_folder, write_set, write_single_file
from .test_checkpoint_lora import kohya, linear_layers

TINY = WeightSet("tiny", "Tiny", "", (), License("L", "", "", True), 0.1, {"full": 0.1}, bundled=True)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Two slanted triangles back to back, each on its half of the texture."""
    corners = torch.tensor([[-0.8, -0.8, 0.1], [0.8, -0.6, 0.2], [0.1, 0.8, 0.0]])
    faces = torch.tensor([[0, 1, 2], [3, 5, 4]])
    uvs = torch.tensor([[0.02, 0.02], [0.48, 0.05], [0.2, 0.95], [0.52, 0.02], [0.7, 0.95], [0.98, 0.05]])
    rig = CameraRig(CameraRig.even(4), top_cameras=False)
    cameras = orbit_cameras([(pose.elevation, pose.azimuth) for pose in rig.poses])
    mesh = UVMesh.of(torch.cat([corners, corners - 0.01]), faces, uvs, torch.tensor([[0, 1, 2], [3, 4, 5]]))
    return Scene(mesh, rig, cameras)


def painted(pipeline: FlexiSyncMVDPipeline, scene: Scene, image: Image.Image | None = None,
            controls: tuple[ControlKind, ...] = (ControlKind.DEPTH,)) -> torch.Tensor:
    """The views' latents: what a random VAE makes of them may be black."""
    settings = TextureSettings(Sizes(8, 16, 32, 32), steps=2, controls={kind: ControlSchedule() for kind in controls})
    return pipeline(scene, "a red chair", settings, "wooden", image, seed=4).latents


def test_one_checkpoint_in_two_forms_paints_the_same(family, weights, scene, tmp_path):
    other = write_diffusers_folder(tmp_path / "mine", family, seed=100)
    single = write_single_file(tmp_path / "mine.safetensors", other, family)
    pipelines = CheckpointPipelines(TINY, weights, Resources())
    own = painted(pipelines.pipeline(controls=("depth",)), scene)
    first = painted(pipelines.pipeline(CheckpointChoice(other), controls=("depth",)), scene)
    second = painted(pipelines.pipeline(CheckpointChoice(single), controls=("depth",)), scene)
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)
    assert (own - first).abs().mean() > 0.01 * own.abs().mean()
    again = painted(pipelines.pipeline(controls=("depth",)), scene)
    torch.testing.assert_close(own, again, rtol=1e-3, atol=1e-4)


def test_a_lora_a_image_and_a_second_control_each_change_what_is_painted(scene, tmp_path):
    family, weights = "sd15", write_set(tmp_path / "sd15", "sd15", ("depth", "canny"), adapter=True)
    pipelines = CheckpointPipelines(TINY, weights, Resources())
    lora = tmp_path / "lora.safetensors"
    save_file(kohya(linear_layers(family), family), lora)
    plain = painted(pipelines.pipeline(controls=("depth",)), scene)
    both, image = (ControlKind.DEPTH, ControlKind.CANNY), Image.new("RGB", (9, 6), "red")
    changed = {
        "LoRA": painted(pipelines.pipeline(CheckpointChoice(loras=(Lora(lora),)), controls=("depth",)), scene),
        "control": painted(pipelines.pipeline(controls=("depth", "canny")), scene, controls=both),
        "image": painted(pipelines.pipeline(controls=("depth",), image=True), scene, image),
    }
    again = painted(pipelines.pipeline(controls=("depth",)), scene)
    noise = (again - plain).abs().max()
    for name, latents in changed.items():
        assert torch.isfinite(latents).all() and (latents - plain).abs().max() > max(1e-5, 20 * noise), name


def test_a_pipeline_is_kept_while_its_parts_are_the_same(weights):
    pipelines = CheckpointPipelines(TINY, weights, Resources())
    first = pipelines.pipeline(controls=("depth",))
    assert pipelines.pipeline(controls=("depth",)) is first
    second = pipelines.pipeline(controls=("depth", "canny"))
    assert second is not first and second.unet is first.unet
    assert second.config.control_kinds == ["depth", "canny"] and len(second.controlnet.nets) == 2
    without = pipelines.pipeline()
    assert without.controlnet is None and without.image_encoder is None


def test_a_file_written_anew_in_a_chosen_folder_is_read_anew(family, weights, tmp_path):
    folder = write_diffusers_folder(tmp_path / "mine", family, seed=100)
    for chosen in (folder, folder / "model_index.json"):
        choice, kept = CheckpointChoice(chosen), CheckpointPipelines(TINY, weights, Resources()).library
        kept.components(choice)
        assert kept.holds(choice)
        file = next((folder / "unet").glob("*.safetensors"))
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        assert not kept.holds(choice)


def test_the_old_networks_are_gone_before_new_ones_are_read(weights, family, tmp_path):
    """A GPU need not hold two checkpoints at a time."""
    pipelines, alive = CheckpointPipelines(TINY, weights, Resources()), []
    old = weakref.ref(pipelines.pipeline(controls=("depth",)).unet)
    other = write_diffusers_folder(tmp_path / "mine", family, seed=100)
    pipelines.pipeline(CheckpointChoice(other), controls=("depth",), report=lambda _: alive.append(old() is not None))
    assert alive and not any(alive)


def test_the_sampler_is_ddpm_on_the_checkpoints_own_schedule(family, weights, tmp_path):
    folder = write_diffusers_folder(tmp_path / "v", family, prediction_type="v_prediction", beta_end=0.013,
                                    skip_prk_steps=True, timestep_spacing="trailing", _class_name="PNDMScheduler")
    scheduler = CheckpointPipelines(TINY, weights, Resources()).pipeline(CheckpointChoice(folder)).scheduler
    assert scheduler.config.prediction_type == "v_prediction" and scheduler.config.beta_end == 0.013
    assert scheduler.config.timestep_spacing == "leading" and scheduler.config.steps_offset == 1
    scheduler.set_timesteps(30)
    assert scheduler.timesteps[:2].tolist() == [958, 925]


def test_the_second_vocabulary_pads_in_its_own_way(weights, family):
    pipeline = CheckpointPipelines(TINY, weights, Resources()).pipeline()
    assert pipeline.tokenizer.pad_token == "<|endoftext|>" and pipeline.tokenizer.model_max_length == LONGEST
    assert pipeline.is_xl == (family == "sdxl")
    if family == "sdxl":
        assert pipeline.tokenizer_2.pad_token == "x"


def test_where_networks_wait_and_in_what_precision(weights):
    """Nothing is put on a GPU here: the settings of the library are looked at."""
    for resources, dtype, device in (
        (Resources(), torch.float32, "cpu"), (Resources(memory_mode="low"), torch.float32, "cpu"),
        (Resources("cuda:0"), torch.float16, "cuda:0"), (Resources("cuda:0", memory_mode="low"), torch.float16, "cpu"),
        (Resources("mps"), torch.float16, "mps"),
    ):
        library = CheckpointPipelines(TINY, weights, resources).library
        assert (library.dtype, library.device, library.published) == (dtype, device, False)
