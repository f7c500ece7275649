# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run of Hunyuan3D-2.1 paint against golden numbers, from a mesh and an image to three textures."""

from collections.abc import Iterator

import cv2
import torch
from PIL import Image
from torch import Tensor

from backend.pipelines.common.rrdbnet import enlarge
from backend.pipelines.hunyuan3d_paint.attention import MATERIALS
from backend.pipelines.hunyuan3d_paint.autoencoding import decode, encode, to_pixels
from backend.pipelines.hunyuan3d_paint.conditions import Conditions
from backend.pipelines.hunyuan3d_paint.reference_image import reference_view
from backend.pipelines.hunyuan3d_paint.rig import CANDIDATES
from backend.pipelines.hunyuan3d_paint.rotary import position_values
from backend.pipelines.hunyuan3d_paint.sampling import Predictor, paint_scheduler

from .comparison import Comparison
from .golden import Golden
from .hunyuan3d_paint import (
    NAME,
    PIXEL_TOLERANCE,
    SAMPLER_TOLERANCE,
    Recorded,
    features_of,
    pixels_of,
    published_voxels,
    rrdbnet_of,
    unets_of,
    vae_of,
)
from .kinds import kind
from .published.paint_fill import inpainted, propagated
from .published.paint_renderer import Published, Settings, baked, in_gltf, rendered_maps


def weights_of(golden: Golden, kind: str) -> Golden:
    return next(golden.named(name) for name in golden.config["weights"] if name.startswith(kind))


def resized(pixels: Tensor, size: int) -> Tensor:
    return pixels_of(Image.fromarray(pixels.numpy()).resize((size, size), Image.Resampling.BICUBIC))


def channels_first(images: Tensor) -> Tensor:
    """[B, H, W, 3] to float32 [B, 3, H, W]."""
    return images.float().permute(0, 3, 1, 2)


@kind(NAME, "end_to_end")
def compare_end_to_end(golden: Golden) -> Iterator[Comparison]:
    config, mesh = golden.config, Published.of(golden)
    views = len(golden.output("normal_u8"))
    poses, size = list(CANDIDATES[:views]), config["view_size"]
    maps = [rendered_maps(mesh, pose, config["render_size"]) for pose in poses]
    normals, positions = (
        torch.stack([resized(view[name], size) for view in maps]) for name in ("normal_u8", "position_u8")
    )
    yield Comparison("normal_u8", normals, golden.output("normal_u8"), 0)
    yield Comparison("position_u8", positions, golden.output("position_u8"), 0)
    reference = pixels_of(reference_view(Image.fromarray(golden.input("rgba").numpy()), size))
    yield Comparison("reference_u8", reference, golden.output("reference_u8"), 0)
    latents: list[Tensor] = []
    painted = _sampled(golden, reference, normals, positions, latents)
    for step in (1, config["steps"]):
        yield Comparison(f"latents_step{step}", latents[step - 1], golden.output(f"latents_step{step}"),
                         SAMPLER_TOLERANCE)
    yield Comparison("views_u8", painted, golden.output("views_u8"), PIXEL_TOLERANCE)
    yield from _compare_textures(golden, mesh)


def _sampled(
    golden: Golden, reference: Tensor, normals: Tensor, positions: Tensor, latents: list[Tensor]
) -> Tensor:
    """Views of all materials, uint8 [P * N, R, R, 3]; the latents of all steps are put into the list."""
    config = golden.config
    paint, reference_network = unets_of(golden)
    vae = vae_of(weights_of(golden, "vae"), config["vae"])
    drawn = encode(vae, channels_first(reference[None] / 255), golden.output("noise_ref"))
    features = features_of(reference_network, drawn)
    controls = [
        encode(vae, channels_first(position_values(maps)), golden.output(f"noise_{name}"))
        for maps, name in ((normals, "normal"), (positions, "position"))
    ]
    noise, image = golden.output("noise_latents"), golden.input("dino_hidden_states")
    voxels = published_voxels(positions, noise.shape[-1], len(paint.config.block_out_channels))
    image = torch.cat([torch.zeros_like(image), image])
    conditions = Conditions(len(normals), (0.0, 1.0), image, features, voxels)
    predictor = Predictor(paint, torch.cat(controls, dim=1), [conditions], config["guidance"])
    steps = Recorded()
    clean = steps.run(predictor, paint_scheduler(config["scheduler"]), noise, config["steps"])
    latents += steps.latents
    return to_pixels(decode(vae, clean))


def _compare_textures(golden: Golden, mesh: Published) -> Iterator[Comparison]:
    """From the recorded views on: the original's fill spreads a rounding of one level to ten."""
    config, network = golden.config, rrdbnet_of(weights_of(golden, "rrdbnet"))
    enlarged = torch.cat([enlarge(network, view[None]) for view in golden.output("views_u8")])
    yield Comparison("enhanced_albedo0_u8", enlarged[0], golden.output("enhanced_albedo0_u8"), PIXEL_TOLERANCE)
    settings = Settings(config["bake_unreliable_kernel_size"], config.get("bake_exp", 4))
    textures = []
    for material in enlarged.chunk(len(MATERIALS)):
        poses, material = list(CANDIDATES[: len(material)]), _first_two_resized(material, config["render_size"])
        texture, mask, _ = baked(mesh, material, poses, config["texture"], settings)
        known = propagated(texture, mask * 255, *in_gltf(mesh), mesh.faces, mesh.faces)
        textures.append(inpainted(*known).float() / 255)
    yield Comparison("albedo_full", textures[0], golden.output("albedo_full"), PIXEL_TOLERANCE / 255 + 1e-6)
    albedo, mr = (_half(texture) for texture in textures)
    for name, ours in (("albedo", albedo), ("metallic", mr[..., 0]), ("roughness", mr[..., 1])):
        yield Comparison(f"{name}_u8", ours, golden.output(f"{name}_u8"), PIXEL_TOLERANCE)


def _first_two_resized(views: Tensor, size: int) -> list[Tensor]:
    """Colors of the views; the original counts the materials where it means the views."""
    return [
        (resized(view, size) if index < len(MATERIALS) and len(view) != size else view).float() / 255
        for index, view in enumerate(views)
    ]


def _half(texture: Tensor) -> Tensor:
    smaller = cv2.resize(texture.numpy(), (texture.shape[1] // 2, texture.shape[0] // 2))
    return torch.from_numpy((smaller * 255).astype("uint8"))

