# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's attention, synchronized step and conditioning images against golden numbers, in reference mode."""

from collections.abc import Iterator
from itertools import product

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

from backend.geometry.projection import Cameras, Projector, orbit_cameras, rasterize_views, view_geometry
from backend.pipelines.flexisyncmvd.attention import ViewSharing, ViewSharingAttention, sharing_views
from backend.pipelines.flexisyncmvd.conditioning import ControlKind, condition_image, edges
from backend.pipelines.flexisyncmvd.control_images import texture_so_far
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import TRAIN_STEPS, ddpm_scheduler
from backend.pipelines.flexisyncmvd.settings import Scene, Settings, Sizes, TextureSoFar
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels, step_texture
from tests.flexisyncmvd.micro_batches import micro_batches

from .comparison import Comparison
from .flexisyncmvd_projection import golden_mesh
from .golden import Golden
from .kinds import kind

IMAGE_TOLERANCE = 1e-5
RUN_TOLERANCE = 5e-5


def cameras_of(poses: list[list[float]] | None = None) -> Cameras:
    """Cameras at the golden poses, or at the default rig's."""
    return orbit_cameras(poses or [(pose.elevation, pose.azimuth) for pose in CameraRig().poses])


def network_config(golden: Golden, network: str) -> dict:
    """The configuration of one network, kept beside its weights."""
    return golden.json(network)


def sharing_of(config: dict, reference_weight: float, chunk: int | None = None) -> ViewSharing:
    return ViewSharing(tuple(map(tuple, config["attention_mask"])), tuple(config["ref"]), reference_weight, chunk)


@kind("flexisyncmvd", "attention")
def attention(golden: Golden) -> Iterator[Comparison]:
    """One layer with and without the front, whole and in chunks of views."""
    config = golden.config
    width = config["heads"] * config["dim_head"]
    layer = Attention(width, heads=config["heads"], dim_head=config["dim_head"])
    layer.load_state_dict(golden.weights())
    for weight, chunk in product((0, 1), (None, 3)):
        layer.set_processor(ViewSharingAttention(sharing_of(config, weight, chunk)))
        output = layer(golden.input("hidden"))
        yield Comparison(f"ref_weight{weight}, chunk {chunk}", output, golden.output(f"ref_weight{weight}"))


@kind("flexisyncmvd", "unet_sync_attention")
def unet_sync_attention(golden: Golden) -> Iterator[Comparison]:
    """A whole UNet: as one batch, and as the original's groups, with helpers that see less."""
    config = golden.config
    weights = golden.named(config["weights"])
    unet = UNet2DConditionModel.from_config(network_config(weights, "unet"))
    unet.load_state_dict(weights.weights("unet."))
    whole = sharing_of(config, config["ref_weight"])
    latents, text = golden.input("latents"), golden.input("embeds")
    for most in (48, 6):
        batches = micro_batches(whole.neighbors, whole.references, most)
        groups = [[list(b.views), list(b.kept), [list(n) for n in b.neighbors], list(b.references)] for b in batches]
        yield Comparison(f"groups{most}", groups, config[f"groups{most}"])
        output = torch.empty_like(latents)
        for batch in batches:
            views, kept = list(batch.views), list(batch.kept)
            sharing = ViewSharing(batch.neighbors, batch.references, whole.reference_weight)
            with sharing_views(unet, sharing):
                rows = unet(latents[views], config["t"], text[views]).sample
            output[[views[i] for i in kept]] = rows[kept]
        yield Comparison(f"max_batch{most}", output, golden.output(f"max_batch{most}"))


@kind("flexisyncmvd", "sync_step")
def sync_step(golden: Golden) -> Iterator[Comparison]:
    """Single steps: early, late, and one that starts without a texture."""
    config = golden.config
    projector = Projector.build(golden_mesh(golden), cameras_of(), config["latent_view"], config["tex"], reference=True)
    alphas = ddpm_scheduler(**config["scheduler"]).alphas_cumprod
    sample, output = golden.input("sample"), golden.input("model_output")
    for name in sorted({key.removeprefix("in.").split(".variance")[0] for key in golden.names if "variance" in key}):
        timestep, exponent = int(name.split("_")[0][1:]), float(name.rpartition("exp")[2])
        levels = NoiseLevels.between(alphas, timestep, timestep - TRAIN_STEPS // config["steps"])
        clean = levels.clean(sample, output, config["prediction_type"])
        yield Comparison(f"{name}.pred_x0", clean, golden.output(f"{name}.pred_x0"), relative(clean))
        texture = projector.bake(sample, exponent).texture if "notex" in name else golden.input("texture")
        noise = golden.input(f"{name}.variance_noise")
        done = step_texture(projector, levels, clean, texture, exponent, noise)
        results = {"x0_texture": done.clean_texture, "prev_texture": done.texture, "prev_views": done.views[:, :-1]}
        for part, value in results.items():
            yield Comparison(f"{name}.{part}", value, golden.output(f"{name}.{part}"), relative(value))


def relative(value: Tensor) -> float:
    """The tolerance of end-to-end runs, relative to the largest value."""
    return RUN_TOLERANCE * max(1.0, float(value.abs().max()))


@kind("flexisyncmvd", "conditioning")
def conditioning(golden: Golden) -> Iterator[Comparison]:
    """Depth, normal, canny and tile images of four views."""
    config, mesh = golden.config, golden_mesh(golden)
    cameras = cameras_of([config["poses"][view] for view in config["views"]])
    geometry = view_geometry(mesh, cameras, rasterize_views(mesh, cameras, config["render_size"], reference=True))
    for control in (ControlKind.DEPTH, ControlKind.NORMAL, ControlKind.CANNY):
        images = condition_image(control, geometry, cameras, config["output_size"], reference=True)
        yield Comparison(control, images, golden.output(control), IMAGE_TOLERANCE)
    source = golden.output("canny.source_uint8").permute(0, 3, 1, 2)
    yield Comparison("canny of the golden image", edges((source + 0.5) / 255), golden.output("canny"), 0)
    scene = Scene(mesh, CameraRig(), cameras, TextureSoFar(mesh, golden.input("texture_rgb")))
    sizes = Sizes(config["output_size"] // 8, 0, config["rgb_view_size"], 0)
    rendered = texture_so_far(scene, Settings(sizes, reference=True))
    yield Comparison("render", rendered, golden.output("render"), IMAGE_TOLERANCE)
