# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's runs from image, or views, to mesh against golden numbers."""

from collections.abc import Iterator

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from backend.pipelines.hunyuan3d_shape.image_condition import VIEWS
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler

from .comparison import FLOAT32_TOLERANCE, Comparison
from .golden import Golden
from .hunyuan3d_shape import load_autoencoder, load_denoiser, load_image_encoder
from .hunyuan3d_shape_decoding import in_chunks
from .kinds import kind
from .published.hunyuan3d_shape import (
    original_grid,
    original_mesh,
    original_sigmas,
    original_surface,
    original_view,
)


@kind("hunyuan3d_shape", "end_to_end")
def end_to_end(golden: Golden) -> Iterator[Comparison]:
    """Image or views to mesh, step by step."""
    config = golden.config
    pipeline, call = pipeline_of(golden), config["call"]
    views = {name: image.numpy() for name, image in golden.with_prefix("in.").items() if name in VIEWS}
    if not views:
        views = {"front": golden.input("image_rgba").numpy()}
    processor = config["image_processor"]["params"]
    images = torch.cat([
        original_view(views[name], processor["size"], processor["border_ratio"]) for name in VIEWS if name in views
    ])
    yield Comparison("preprocessed_image", images, golden.output("preprocessed_image").view_as(images), 0.0)
    condition = pipeline.encode_condition(images, pipeline.view_numbers(views))
    yield Comparison("cond", condition, golden.output("cond")[:1])
    yield from sampled(golden, pipeline, condition)
    tokens = pipeline.decode(golden.output("latents"))
    yield Comparison("decoded_tokens", tokens, golden.output("decoded_tokens"))
    resolution, half_side, level = call["octree_resolution"], call["box_v"], call["mc_level"]
    query = in_chunks(pipeline.autoencoder, pipeline.autoencoder.field_context(tokens), call["num_chunks"])
    grid = original_grid(query, [resolution], half_side, level)
    yield Comparison("grid_logits", grid[None], golden.output("grid_logits"), relative(grid))
    mesh = original_mesh(*original_surface(grid, resolution, half_side, level))
    distance, _ = cKDTree(mesh.vertices).query(golden.output("mesh_vertices").numpy())
    yield Comparison("mesh: distance", torch.tensor(distance.max()), torch.tensor(0.0), half_side / resolution)
    yield Comparison("mesh: faces", torch.tensor(len(mesh.faces)), torch.tensor(len(golden.output("mesh_faces"))), 8)


def sampled(golden: Golden, pipeline: HunyuanShapePipeline, condition: Tensor) -> Iterator[Comparison]:
    """The sampler's steps; the original's may end with one of no length, which ours leaves out."""
    call, denoiser = golden.config["call"], pipeline.denoiser
    steps, guidance = call["num_inference_steps"], call["guidance_scale"]
    sigmas = original_sigmas(pipeline.scheduler, steps)
    train_steps = golden.config["scheduler"]["params"]["num_train_timesteps"]
    yield Comparison("timesteps", sigmas[:-1] * train_steps, golden.output("timesteps"), 1e-4)
    prepared, latent = denoiser.prepare_condition(condition), golden.input("initial_noise")
    for i, expected in enumerate(golden.output("raw_model_outputs")):
        time = sigmas[i : i + 1]
        if denoiser.guidance_embedded:
            raw = denoiser.velocity(latent, time, prepared, torch.tensor([float(guidance)]))
        else:
            raw = torch.cat(denoiser.guided_velocities(latent, time, prepared))
        yield Comparison(f"raw_model_outputs[{i}]", raw, expected)
        latent = golden.output("step_latents")[i]
    latent = pipeline.denoise(golden.input("initial_noise"), condition, steps, guidance)
    yield Comparison("latents", latent, golden.output("latents"))


def pipeline_of(golden: Golden) -> HunyuanShapePipeline:
    """The pipeline around the golden networks, as the configuration says."""
    config = golden.config
    encoder = config["conditioner"]["params"]["main_image_encoder"]
    image_encoder = load_image_encoder(
        encoder["kwargs"]["config"], golden.weights("conditioner.main_image_encoder.model.")
    )
    schedule = config["scheduler"]
    kind = "consistency" if "Consistency" in schedule["target"] else "flow"
    scheduler = ShapeScheduler(
        kind, schedule["params"].get("shift", 1.0), schedule["params"].get("pcm_timesteps", 100)
    )
    return HunyuanShapePipeline(
        image_encoder,
        load_denoiser(config["model"]["params"], golden.weights("model.")),
        load_autoencoder(config["vae"]["params"], golden.weights("vae.")),
        scheduler,
        tokens=config["vae"]["params"]["num_latents"],
        image_size=config["image_processor"]["params"]["size"],
        encoder_size=encoder["kwargs"]["image_size"],
        named_views=encoder["type"].endswith("MV"),
    )


def relative(values: Tensor) -> float:
    """The tolerance of values of order ten, relative to the largest of them."""
    return FLOAT32_TOLERANCE * max(1.0, float(values.abs().max()) / 10)
