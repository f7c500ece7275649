# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's attention, synchronized step and conditioning images against golden numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn.functional import interpolate

from backend.geometry.projection import Cameras, orbit_cameras, view_texels
from backend.pipelines.flexisyncmvd.attention import ViewSharing, ViewSharingAttention, sharing_views
from backend.pipelines.flexisyncmvd.conditioning import ControlKind, edges, smooth
from backend.pipelines.flexisyncmvd.schedule import TRAIN_STEPS, ddpm_scheduler
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels, step_texture

from .comparison import Comparison
from .flexisyncmvd_projection import golden_cameras, golden_mesh, vertex_normals
from .golden import Golden
from .kinds import kind
from .published.flexisyncmvd import published_condition, published_geometry
from .published.micro_batches import micro_batches
from .published.projection import PublishedProjector, published_fragments

IMAGE_TOLERANCE = 1e-5
RUN_TOLERANCE = 5e-5
CHUNKS = (None, 1, 3)
"""Views per chunk of queries, which changes nothing."""


def relative(value: Tensor) -> float:
    """The tolerance of runs and steps, relative to the largest value."""
    return RUN_TOLERANCE * max(1.0, float(value.abs().max()))


def sharing_of(config: dict[str, Any], reference_weight: float, chunk: int | None = None) -> ViewSharing:
    return ViewSharing(tuple(map(tuple, config["attention_mask"])), tuple(config["ref"]), reference_weight, chunk)


@kind("flexisyncmvd", "attention")
def attention(golden: Golden) -> Iterator[Comparison]:
    """One layer with each recorded weight of the front, whole and in chunks of views."""
    config = golden.config
    width = config["heads"] * config["dim_head"]
    layer = Attention(width, heads=config["heads"], dim_head=config["dim_head"])
    layer.load_state_dict(golden.weights())
    for name, chunk in product(golden.outputs, CHUNKS):
        weight = float(name.removeprefix("ref_weight"))
        layer.set_processor(ViewSharingAttention(sharing_of(config, weight, chunk)))
        yield Comparison(f"{name}, chunk {chunk}", layer(golden.input("hidden")), golden.output(name))


@kind("flexisyncmvd", "unet_sync_attention")
def unet_sync_attention(golden: Golden) -> Iterator[Comparison]:
    """A whole UNet: as one batch, and as the original's groups, with helpers that see less."""
    config = golden.config
    weights = golden.named(config["weights"])
    unet = UNet2DConditionModel.from_config(weights.json("unet"))
    unet.load_state_dict(weights.weights("unet."))
    whole = sharing_of(config, config["ref_weight"])
    latents, text = golden.input("latents"), golden.input("embeds")
    for name in golden.outputs:
        most = int(name.removeprefix("max_batch"))
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
        yield Comparison(name, output, golden.output(name))


@dataclass(frozen=True)
class SyncCase:
    """One recorded step."""

    name: str
    timestep: int
    previous: int
    exponent: float
    starts_without_texture: bool


def sync_cases(golden: Golden) -> Iterator[SyncCase]:
    """From the configuration's list, or from names such as `t232_notex_exp4.4` and the number of steps."""
    listed = golden.config.get("cases", {})
    names = {key.removeprefix("in.").split(".variance")[0] for key in golden.names if ".variance_noise" in key}
    for name in sorted(names):
        found = re.fullmatch(r"t(\d+).*?(?:exp([\d.]+))?", name)
        given = _named_values(listed[name]) if name in listed else {}
        timestep = int(given["t"] if "t" in given else found[1])
        previous = given.get("prev_t", timestep - TRAIN_STEPS // golden.config.get("steps", TRAIN_STEPS))
        exponent = given.get("exp", found[2] if found and found[2] else 0)
        yield SyncCase(name, timestep, int(previous), float(exponent), "notex" in name)


def _named_values(given: Any) -> dict[str, float]:
    """t, exponent and previous t of a case, however they are listed."""
    if isinstance(given, list):
        return dict(zip(("t", "exp", "prev_t"), given, strict=False))
    spellings = {
        "t": ("t", "timestep"),
        "exp": ("exp", "exponent", "cos_exp"),
        "prev_t": ("prev_t", "previous_t", "prev", "previous", "t_prev"),
    }
    return {name: given[key] for name, known in spellings.items() for key in known if given.get(key) is not None}


@kind("flexisyncmvd", "sync_step")
def sync_step(golden: Golden) -> Iterator[Comparison]:
    """Single steps in the texture; `notex` ones start without."""
    config, mesh = golden.config, golden_mesh(golden)
    yield from vertex_normals(golden, mesh)
    projector = PublishedProjector(mesh, golden_cameras(config), config["latent_view"], config["tex"])
    alphas = ddpm_scheduler(**config["scheduler"]).alphas_cumprod
    sample, output = golden.input("sample"), golden.input("model_output")
    for case in sync_cases(golden):
        levels = NoiseLevels.between(alphas, case.timestep, case.previous)
        clean = levels.clean(sample, output, config["prediction_type"])
        yield Comparison(f"{case.name}.pred_x0", clean, golden.output(f"{case.name}.pred_x0"), relative(clean))
        without = case.starts_without_texture
        texture = projector.bake(sample, case.exponent).texture if without else golden.input("texture")
        noise = golden.input(f"{case.name}.variance_noise")
        done = step_texture(projector, levels, clean, texture, case.exponent, noise)
        results = {"x0_texture": done.clean_texture, "prev_texture": done.texture, "prev_views": done.views[:, :-1]}
        for part, value in results.items():
            yield Comparison(f"{case.name}.{part}", value, golden.output(f"{case.name}.{part}"), relative(value))


@kind("flexisyncmvd", "conditioning")
def conditioning(golden: Golden) -> Iterator[Comparison]:
    """The images of every kind that the file has, for some of the views."""
    config, mesh = golden.config, golden_mesh(golden)
    yield from vertex_normals(golden, mesh)
    cameras = orbit_cameras([config["poses"][view] for view in config["views"]])
    geometry = published_geometry(mesh, cameras, config["render_size"])
    for control in (ControlKind.DEPTH, ControlKind.NORMAL, ControlKind.CANNY):
        if golden.has_output(control):
            images = published_condition(control, geometry, cameras, config["output_size"])
            yield Comparison(control, images, golden.output(control), IMAGE_TOLERANCE)
    if golden.has_output("canny.source_uint8"):
        source = golden.output("canny.source_uint8").permute(0, 3, 1, 2)
        yield Comparison("canny of the golden image", edges((source + 0.5) / 255), golden.output("canny"), 0)
        normals = published_condition(ControlKind.NORMAL, geometry, cameras, config["output_size"])
        pixels = ((normals / 2 + 0.5) * 255).byte()
        yield Comparison("canny.source_uint8", pixels, golden.output("canny.source_uint8").permute(0, 3, 1, 2), 1)
    if golden.has_output("render"):
        images = _textured(golden, cameras)
        yield Comparison("render", images, golden.output("render"), IMAGE_TOLERANCE)
    for name in [name for name in golden.outputs if name.endswith(".latent_mask")]:
        size = config["rgb_view_size" if name.startswith("render") else "render_size"]
        mask = published_fragments(mesh, cameras, size).mask[:, None].float()
        resized = interpolate(mask, (config["latent_size"],) * 2, mode="bilinear", antialias=True)
        yield Comparison(name, resized, golden.output(name), IMAGE_TOLERANCE)


def _textured(golden: Golden, cameras: Cameras) -> Tensor:
    """The mesh with its texture, for tile control."""
    mesh, texture = golden_mesh(golden), golden.input("texture_rgb")
    fragments = published_fragments(mesh, cameras, golden.config["rgb_view_size"])
    texels, _ = view_texels(mesh, cameras, fragments, (texture.shape[1], texture.shape[2]))
    colors = texture.flatten(1)[:, texels.clamp(min=0).long()].transpose(0, 1)
    return smooth(torch.where(texels[:, None] >= 0, colors, 1.0), golden.config["output_size"])
