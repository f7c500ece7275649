# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipeline's golden numbers, where the reference folder is next to this one (16 MB: not in here)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from backend.geometry.projection import orbit_cameras
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Control, Guidance
from backend.pipelines.flexisyncmvd.prompts import TextEncoding, of_views
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule, SyncSchedule
from backend.pipelines.flexisyncmvd.settings import Scene, Sizes, TextureSettings
from backend.pipelines.flexisyncmvd.texture_run import Reports
from tests.parity.__main__ import compare, main
from tests.parity.flexisyncmvd_projection import golden_mesh
from tests.parity.flexisyncmvd_runs import RecordedDraws, pipeline_of
from tests.parity.golden import Golden
from tests.parity.kinds import load_kinds
from tests.parity.published.flexisyncmvd import PublishedRig
from tests.parity.published.projection import PublishedProjector

GOLDEN = Path(__file__).parents[3] / "shared" / "reference" / "flexisyncmvd" / "parity"
FILES = sorted([*GOLDEN.glob("*.safetensors"), *GOLDEN.glob("*.json")])

load_kinds()
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference folder is not next to this one")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@torch.no_grad()
def test_golden_numbers(path):
    results = list(compare(path)[1])
    assert results
    assert not [(result.name, result.error) for result in results if not result.passed]


def rewrite(name: str, folder: Path, changed: dict, outputs: dict | None = None, views: int | None = None) -> Path:
    """A recorded file under the name of another run, with other entries in its configuration."""
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    if "config" in metadata:
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | changed)
    if views is not None:
        tensors = {key: tensor[:views] if tensor.shape[:1] == (10,) else
                   tensor[:, :views] if key == "in.background_colour_index" else tensor
                   for key, tensor in tensors.items()}
    tensors = {key: tensor.contiguous() for key, tensor in (outputs or tensors).items()}
    path = folder / "flexisyncmvd" / f"{name.replace('sd15', 'other')}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, metadata)
    return path


@torch.no_grad()
def test_a_run_with_other_options_is_taken(tmp_path):
    """A rig of four without top cameras, other schedules, guess mode: everything is read from the file."""
    options = {"conditioning_scale": 0.3, "conditioning_scale_end": 1.1, "control_guidance_start": 0.2,
               "control_guidance_end": 0.9, "mvd_end": 0.5, "mvd_exp_start": 1.0, "mvd_exp_end": 3.0,
               "ref_attention_end": 0.5, "guess_mode": True, "camera_azims": [-90, 0, 90, 200], "no_top_cameras": True}
    poses = [[0, 270], [0, 0], [0, 90], [0, 200]]
    inputs_path = rewrite("e2e_sd15_inputs", tmp_path, {}, views=4)
    inputs = Golden(inputs_path, "flexisyncmvd", "e2e_")
    for part in ("weights_unet", "weights_controlnet_vae"):
        rewrite(f"e2e_sd15_{part}", tmp_path, {})
    tensors = {f"in.{name}": inputs.input(name) for name in inputs.inputs}
    for step in range(5):  # views walk by themselves from the third step on
        tensors[f"in.step{step}.view_noise"] = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(step))
    save_file(tensors, inputs_path, inputs.metadata)
    inputs = Golden(inputs_path, "flexisyncmvd", "e2e_")
    pipeline, mesh, rig = pipeline_of(inputs), golden_mesh(inputs), PublishedRig((-90.0, 0.0, 90.0, 200.0),
                                                                                 top_cameras=False)
    settings = TextureSettings(Sizes(16, 48, 96, 48), 5, Guidance(7.5, guess_mode=True),
                        SyncSchedule(0.5, 1.0, 3.0, 0.5, 0.4, 0.8))
    scene = Scene(mesh, rig, orbit_cameras(poses))
    control = Control(pipeline.controlnet.nets[0], inputs.input("conditioning_gray").expand(-1, 3, -1, -1),
                      ControlSchedule(0.3, 1.1, 0.2, 0.9))
    texts = [TextEncoding(inputs.input(f"{sign}prompt_embeds")) for sign in ("", "negative_")]
    steps = []
    latents = pipeline.denoise(
        Conditions(of_views(*texts, rig.poses), [control]), PublishedProjector(mesh, scene.cameras, 16, 48),
        inputs.input("colour_latents"), rig, settings, RecordedDraws(inputs),
        Reports(step=lambda outcome, _: steps.append(outcome)),
    )
    colors = pipeline.color_projector(scene, settings)
    texture = pipeline.published_texture(pipeline.decode(latents), colors)
    outputs = {f"out.step{outcome.step.index}.latents": outcome.views for outcome in steps}
    outputs |= {"out.final_texture": texture, "out.textured_views": colors.render(texture)[[1, 3]]}
    plan = pipeline.plan(settings, [control])
    changed = {"poses": poses, "options": options, "timesteps": [801, 601, 401, 201, 1], "sync_t": [801, 601],
               "sync_exp": [1.0, 1.4],
               "controlnet_scales": [scale for scale in plan.scales[0] for _ in range(2)]}
    rewrite("e2e_sd15_outputs", tmp_path, changed, outputs)
    tensors = {f"in.{name}": inputs.input(name) for name in inputs.inputs}
    metadata = inputs.metadata | {"config": json.dumps(
        {key: value for key, value in inputs.config.items() if "controlnet_scales" not in key} | changed)}
    save_file(tensors, inputs_path, metadata)
    assert main([str(tmp_path)]) == 0
    outputs["out.textured_views"][0, 0, 5, 5] += 0.01
    rewrite("e2e_sd15_outputs", tmp_path, changed, outputs)
    assert main([str(tmp_path)]) == 1
