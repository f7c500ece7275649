# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting as a job: meshes with UVs and an image in, the maps of a material for each of them out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...contract import (
    Artifact,
    JobFolder,
    MeshData,
    Progress,
    Request,
    Resources,
    Result,
    Role,
    WeightSet,
)
from ...contract.reports import loading_report
from ...geometry.frames import blender_to_y_up
from ...painting.alpha import paint_alpha
from ...painting.contact_sheet import preview_sheet
from ...painting.scene import PaintedScene
from ...painting.view_bake import BakeSettings
from ..common.background import cut_out_input
from ..common.components import DINOV2_GIANT, REALESRGAN_X4
from ..common.image_preparation import recenter
from .checkpoint import load_published
from .pipeline import Hunyuan3DPaintPipeline
from .placement import place
from .rig import CANDIDATES, paint_cameras
from .scene import PaintScene
from .settings import PaintSettings, Reports

MAPS: tuple[tuple[Role, slice], ...] = (
    ("base_color", slice(0, 3)), ("metallic", slice(3, 4)), ("roughness", slice(4, 5)),
)


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Hunyuan3DPaintPipeline:
    """The pipeline in float32 for the small starter weights and on CPUs, in float16 for the published ones on GPUs."""
    if weights.bundled:
        progress.loading(weights.label)
        return place(Hunyuan3DPaintPipeline.from_pretrained(folder), resources)
    dtype = torch.float32 if resources.device == "cpu" else torch.float16
    encoder, upscaler = (resources.components.get(part.name, folder) for part in (DINOV2_GIANT, REALESRGAN_X4))
    return place(load_published(folder, encoder, upscaler, dtype, loading_report(progress)), resources)


def run(
    model: Hunyuan3DPaintPipeline, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    """Paint the meshes of one request. Raises BadInput, NotFiniteError."""
    with torch.inference_mode():
        return _paint(model, request, folder, resources, progress)


def _paint(
    model: Hunyuan3DPaintPipeline, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    names = request.inputs["mesh"]
    meshes = [MeshData.read(folder.inputs / name) for name in names]
    progress.stage("prepare", 0, 1)
    cut, masks = cut_out_input(request, folder, resources, progress)
    image = Image.fromarray(recenter(cut))
    turned = [replace(mesh, vertices=blender_to_y_up(mesh.vertices)) for mesh in meshes]
    whole = PaintedScene.build(turned, paint_cameras(CANDIDATES), 1.0, resources.device)
    for remark in whole.remarks:
        progress.warn(remark)
    settings = settings_of(request, resources)
    scene = PaintScene.of(whole, settings.views, progress.check)

    def previews(images: Tensor) -> None:
        preview_sheet(images.permute(0, 3, 1, 2) / 255.0, folder, progress)

    output = model(scene, image, settings, request.seed, Reports(progress.stage, previews, progress.check))
    properties = {"texture_size": settings.texture_size, "views": len(output.poses)}
    artifacts: list[Artifact] = []
    for number, (texture, mesh, name) in enumerate(zip(output.textures, meshes, names, strict=True), start=1):
        alpha = None if mesh.selected.all() else paint_alpha(mesh, settings.texture_size)
        for role, channels in MAPS:
            progress.check()
            file = f"{role}.{number:03d}.png"
            write_map(texture[..., channels], alpha if role == "base_color" else None, folder.outputs / file)
            artifacts.append(Artifact(request.subject, "image", file, role, target=name, properties=properties))
    return Result((*artifacts, *masks))


def settings_of(request: Request, resources: Resources) -> PaintSettings:
    """The options as the pipeline takes them. Little memory, or having run out of it, means smaller pieces."""
    options = request.parameters
    spare = resources.memory_mode == "low" or resources.chunk_scale < 1
    return PaintSettings(
        view_size=int(options["view_size"]),
        views=int(options["views"]),
        steps=int(options["steps"]),
        guidance=float(options["guidance_scale"]),
        texture_size=int(options["texture_size"]),
        together=not spare,
        decoded_together=1 if spare else 2,
        bake=BakeSettings(float(options["sharpness"]), float(options["steepest"]), margin=1),
    )


def write_map(values: Tensor, alpha: np.ndarray | None, path: Path) -> None:
    """Write one map `[S, S, 1 or 3]` in [0, 1] as PNG of 8 bit, RGB or with alpha RGBA."""
    pixels = values.expand(-1, -1, 3).cpu().numpy()
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None]], axis=2)
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(path)
