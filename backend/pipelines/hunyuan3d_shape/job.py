# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's tasks as jobs: files in, artifacts out, in Blender's frame on both sides."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from ...contract import (
    Artifact,
    JobFolder,
    MeshData,
    MeshwrightError,
    Progress,
    Request,
    Resources,
    Result,
    WeightSet,
)
from ...contract.reports import loading_report
from ...geometry.cleaning import remove_floaters
from ...geometry.components import is_watertight
from ...geometry.frames import blender_to_y_up, y_up_to_blender
from ...geometry.simplification import decimate
from ..common.background import cut_out_input
from ..common.compilation import compile_blocks
from ..common.grid_memory import check_grid_memory
from ..common.memory import begin_offload, offloads, resting_device, warn_without_effect
from .checkpoint import load_published
from .pipeline import POINTS_PER_QUERY, Decoding, HunyuanShapePipeline
from .surface_points import prepare_surface
from .variants import VARIANTS

logger = logging.getLogger(__name__)

SLOTS = {"image": "front", "left": "left", "back": "back", "right": "right"}
"""Names of the views by the input that holds their image."""
MESH_FILE, PREVIEW_FILE, IMAGE_FILE = "mesh.npz", "preview.npz", "image.png"
PREVIEW_RESOLUTION = {"cuda": 64}
COARSE_PREVIEW = 32
"""Cells per axis of a preview on other devices, where a finer one would take seconds."""
ESTIMATES = 5
"""Previews of the surface in a run, about."""


@dataclass(frozen=True)
class Model:
    """A loaded pipeline on its device, and whether all of it stays there."""

    pipeline: HunyuanShapePipeline
    resident: bool


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Model:
    """The pipeline in float32 for the small starter weights and on CPUs, in float16 for the published ones on GPUs."""
    warn_without_effect(resources, progress)
    device, start = resources.device, resting_device(resources)
    if weights.bundled:
        progress.loading("starter weights")
        pipeline = HunyuanShapePipeline.from_pretrained(folder).place(start)
    else:
        dtype = torch.float32 if device == "cpu" else torch.float16
        pipeline = load_published(folder, VARIANTS[weights.name], dtype, start, loading_report(progress))
    pipeline.set_progress_bar_config(disable=True)
    begin_offload(pipeline, resources)
    compile_blocks(resources, pipeline.denoiser, pipeline.autoencoder)
    progress.check()
    return Model(pipeline, not offloads(resources))


def run(model: Model | None, request: Request, folder: JobFolder, resources: Resources, progress: Progress) -> Result:
    """Do one request."""
    assert model is not None
    task = {"generate_shape": _generate_shape, "reconstruct": _reconstruct}[request.task]
    with torch.inference_mode():
        return task(model, request, folder, resources, progress)


def _generate_shape(
    model: Model, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options, pipeline = request.parameters, model.pipeline
    _check_memory(pipeline, request)
    progress.stage("image", 0, 1)
    cut = {view: cut_out_input(request, folder, resources, progress, slot)
           for slot, view in SLOTS.items() if request.inputs.get(slot)}
    views = {view: image for view, (image, _) in cut.items()}
    _write_prepared(pipeline.prepare_views(views), folder)
    progress.preview(IMAGE_FILE)
    steps = int(options["steps"])
    output = pipeline(
        views,
        num_inference_steps=steps,
        guidance_scale=float(options["guidance_scale"]),
        grid_resolution=int(options["grid_resolution"]),
        decoding=_decoding(request),
        seed=request.seed,
        points_per_query=_points_per_query(pipeline, resources),
        on_estimate=_preview(pipeline, folder, progress) if options["live_preview"] and model.resident else None,
        estimate_every=max(steps // ESTIMATES, 1),
        progress=progress.stage,
    )
    mesh = _cleaned(output.mesh, request, progress)
    artifact = _written(mesh.with_vertices(y_up_to_blender(mesh.vertices)), request, folder)
    progress.stage("mesh", 1, 1)
    masks = (mask for _, masks in cut.values() for mask in masks)
    return Result((artifact, Artifact("image", "image", IMAGE_FILE, "preview"), *masks))


def _reconstruct(
    model: Model, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options, pipeline = request.parameters, model.pipeline
    _check_memory(pipeline, request)
    progress.stage("points", 0, 1)
    given = MeshData.read(folder.inputs / request.inputs["mesh"][0])
    if not is_watertight(given):
        progress.warn("The mesh is not closed, so inside and outside are guessed.")
    surface = prepare_surface(
        given.with_vertices(blender_to_y_up(given.vertices)), pipeline.config.tokens,
        sharp_share=pipeline.config.sharp_share, generator=torch.Generator().manual_seed(request.seed),
        device=pipeline.device_of(pipeline.autoencoder),
    )
    progress.stage("points", 1, 1)
    latent = pipeline.autoencoder.encode(surface.points, surface.features, surface.query_index).mean
    progress.stage("encode", 1, 1)
    tokens = pipeline.autoencoder.decode(latent, lambda done, of: progress.stage("decode", done, of))
    grid = pipeline.evaluate_field(
        tokens, int(options["grid_resolution"]), _decoding(request), _points_per_query(pipeline, resources),
        progress.stage,
    )
    surface_mesh = pipeline.extract_surface(grid)
    pipeline.maybe_free_model_hooks()
    progress.stage("surface", 1, 1)
    mesh = _cleaned(surface_mesh, request, progress)
    placed = mesh.with_vertices(y_up_to_blender(surface.normalization.invert(mesh.vertices)))
    artifact = _written(placed, request, folder)
    progress.stage("mesh", 1, 1)
    return Result((artifact,))


def _check_memory(pipeline: HunyuanShapePipeline, request: Request) -> None:
    resolution, device = int(request.parameters["grid_resolution"]), pipeline.device_of(pipeline.autoencoder)
    check_grid_memory(resolution, device, dense=_decoding(request) == "dense")


def _write_prepared(images: Tensor, folder: JobFolder) -> None:
    """What the image encoder is shown, the views side by side, `[V, 3, S, S]` in [-1, 1]."""
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    row = torch.cat(list(pixels), dim=2).permute(1, 2, 0)
    Image.fromarray(row.numpy()).save(folder.outputs / IMAGE_FILE)


def _preview(pipeline: HunyuanShapePipeline, folder: JobFolder, progress: Progress) -> Callable[[Tensor], None]:
    """Decodes an estimated latent on a coarse grid for the artist to watch. What has no surface yet is passed over."""

    resolution = PREVIEW_RESOLUTION.get(pipeline.device_of(pipeline.autoencoder).type, COARSE_PREVIEW)

    def show(latent: Tensor) -> None:
        try:
            mesh = pipeline.extract_surface(
                pipeline.evaluate_field(pipeline.decode(latent), resolution, "hierarchical")
            )
            mesh.with_vertices(y_up_to_blender(mesh.vertices)).write(folder.outputs / PREVIEW_FILE)
        except (MeshwrightError, OSError) as error:
            logger.info("No preview: %s", error)
        else:
            progress.preview(PREVIEW_FILE)

    return show


def _cleaned(mesh: MeshData, request: Request, progress: Progress) -> MeshData:
    """Without floaters and with fewer faces, as the request says."""
    progress.stage("mesh", 0, 1)
    if request.parameters["remove_floaters"]:
        mesh = remove_floaters(mesh)
        progress.check()
    target = int(request.parameters["face_target"])
    return decimate(mesh, max(target, 4)) if target else mesh


def _written(mesh: MeshData, request: Request, folder: JobFolder) -> Artifact:
    mesh.write(folder.outputs / MESH_FILE)
    properties = {"faces": len(mesh.faces), "watertight": is_watertight(mesh)}
    return Artifact(request.subject, "mesh", MESH_FILE, "mesh", properties=properties)


def _decoding(request: Request) -> Decoding:
    """The chosen way from tokens to a field; the spec offers just these."""
    return cast(Decoding, request.parameters["decoding"])


def _points_per_query(pipeline: HunyuanShapePipeline, resources: Resources) -> int:
    kind = pipeline.device_of(pipeline.autoencoder).type
    return max(int(POINTS_PER_QUERY.get(kind, POINTS_PER_QUERY["cpu"]) * resources.chunk_scale), 1)
