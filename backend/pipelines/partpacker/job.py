# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's tasks as jobs: files in, artifacts out, in Blender's frame on both sides."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from PIL import Image

from ...contract import (
    Artifact,
    JobFolder,
    MeshData,
    MeshwrightError,
    Progress,
    Remedy,
    Request,
    Resources,
    Result,
    WeightSet,
)
from ...contract.reports import loading_report
from ...geometry.components import is_watertight
from ...geometry.frames import blender_to_x_front, x_front_to_blender
from ...geometry.mesh_files import NamedMesh, write_parts
from ..common.background import cut_out_input
from ..common.compilation import compile_blocks
from ..common.components import DINOV2_GIANT
from ..common.image_preparation import ResizeMode
from ..common.memory import begin_offload, offloads, resting_device, warn_without_effect
from ..common.surface_extraction import points_per_query
from .checkpoint import load_published
from .palette import PALETTE
from .parts import Part, clean_volume, extract_parts
from .pipeline import PartPackerPipeline
from .split import split_parts
from .surface_points import prepare_surface


@dataclass(frozen=True)
class Model:
    """A loaded pipeline on its devices."""

    pipeline: PartPackerPipeline


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Model:
    """The pipeline in float32 for the small starter weights and on CPUs, in bfloat16 for the published ones on GPUs."""
    warn_without_effect(resources, progress)
    device = resting_device(resources)
    second_device = device if offloads(resources) else resources.second_device
    if weights.bundled:
        progress.loading("starter weights")
        pipeline = PartPackerPipeline.from_pretrained(folder).place(device, second_device)
    else:
        dtype = torch.float32 if resources.device == "cpu" else torch.bfloat16
        pipeline = load_published(folder, resources.components[DINOV2_GIANT.name], dtype, device, second_device,
                                  loading_report(progress))
    pipeline.set_progress_bar_config(disable=True)
    begin_offload(pipeline, resources)
    compile_blocks(resources, pipeline.denoiser, pipeline.autoencoder)
    progress.check()
    return Model(pipeline)


def run(model: Model | None, request: Request, folder: JobFolder, resources: Resources, progress: Progress) -> Result:
    """Do one request. `model` is None for split_parts only."""
    if request.task == "split_parts":
        return split_parts(request, folder, progress)
    assert model is not None
    task = {"generate_parts": _generate_parts, "reconstruct": _reconstruct}[request.task]
    with torch.inference_mode():
        return task(model, request, folder, resources, progress)


def _generate_parts(
    model: Model, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options = request.parameters
    resize = cast(ResizeMode, options["resize"])  # one of the parameter's choices, as the request was checked
    progress.stage("image", 0, 1)
    image, masks = cut_out_input(request, folder, resources, progress)
    prepared = model.pipeline.prepare_image(image, resize)
    pixels = (prepared[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(folder.outputs / "image.png")
    progress.preview("image.png")
    output = model.pipeline(
        image,
        num_inference_steps=int(options["steps"]),
        guidance_scale=float(options["guidance_scale"]),
        grid_resolution=int(options["grid_resolution"]),
        resize=resize,
        seed=request.seed,
        points_per_query=_points_per_query(model.pipeline, resources),
        progress=progress.stage,
    )
    for volume, mesh in enumerate(output.meshes, start=1):
        if mesh.is_empty:
            progress.warn(f"Volume {volume} is empty: all parts lie in the other one.")
    steps = len(output.meshes) + 1
    # Reported from inside the loop over the volumes: cleaning a large one takes seconds.
    volumes = (_told(mesh, progress, number, steps) for number, mesh in enumerate(output.meshes))
    parts = extract_parts(volumes, face_target=int(options["face_target"]) or None, check=progress.check)
    artifacts = _write_parts(parts, request.subject, folder, progress)
    progress.stage("parts", steps, steps)
    return Result((*artifacts, Artifact("image", "image", "image.png", "preview"), *masks))


def _reconstruct(
    model: Model, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options, pipeline = request.parameters, model.pipeline
    progress.stage("points", 0, 1)
    mesh = MeshData.read(folder.inputs / request.inputs["mesh"][0])
    vertices, faces = mesh.vertices, mesh.faces
    mesh = MeshData(blender_to_x_front(vertices), faces)
    if not is_watertight(mesh):
        progress.warn("The mesh is not closed, so inside and outside are guessed.")
    # Half of the tokens that a generated volume has, as published: 1024 + 1024.
    queries = min(1024, pipeline.config.tokens_per_volume // 2)
    surface = prepare_surface(
        mesh, generator=torch.Generator().manual_seed(request.seed), uniform=min(32768, 64 * queries),
        salient=min(16384, 32 * queries), queries=queries, salient_queries=queries,
        device=pipeline.device_of(pipeline.autoencoder),
    )
    progress.stage("points", 1, 1)
    latent = pipeline.autoencoder.encode(
        surface.points, surface.salient_points, surface.query_index, surface.salient_query_index
    ).mean
    progress.stage("encode", 1, 1)
    hidden = pipeline.autoencoder.decode(latent, lambda done, of: progress.stage("decode", done, of))
    grids = pipeline.evaluate_fields(
        [hidden], int(options["grid_resolution"]), _points_per_query(pipeline, resources), progress.stage
    )
    surfaces = pipeline.extract_surfaces(grids, progress.stage)
    rebuilt = clean_volume(surfaces[0], int(options["face_target"]) or None, progress.check)
    placed = x_front_to_blender(surface.normalization.invert(rebuilt.vertices))
    MeshData(placed, rebuilt.faces).write(folder.outputs / "mesh.npz")
    progress.stage("parts", 1, 1)
    properties = {"faces": len(rebuilt.faces), "watertight": is_watertight(rebuilt)}
    return Result((Artifact(request.subject, "mesh", "mesh.npz", "mesh", properties=properties),))


def _write_parts(parts: list[Part], subject: str, folder: JobFolder, progress: Progress) -> list[Artifact]:
    """One npz a part, the largest first, and all of them as parts.glb."""
    if not parts:
        raise MeshwrightError("No part is left of the object.", "Its surface is only small loose pieces.",
                              "Try another seed, more steps, or a higher resolution.", Remedy.RETRY)
    named, artifacts = [], []
    for number, part in enumerate(sorted(parts, key=lambda part: -part.mesh.diagonal)):
        progress.check()
        mesh = MeshData(x_front_to_blender(part.mesh.vertices), part.mesh.faces)
        color = tuple(round(channel / 255, 4) for channel in PALETTE[number % len(PALETTE)])
        name, file = f"{subject}.part.{number + 1:02d}", f"part.{number + 1:02d}.npz"
        mesh.write(folder.outputs / file)
        properties = {"faces": len(mesh.faces), "watertight": part.watertight, "volume": part.volume_index}
        artifacts.append(Artifact(name, "mesh", file, "mesh", color=color, group=f"volume.{part.volume_index}",
                                  properties=properties))
        named.append(NamedMesh(name, mesh, color))
    progress.check()
    write_parts(folder.outputs / "parts.glb", named)
    return [*artifacts, Artifact("parts", "scene", "parts.glb", "scene")]


def _told(mesh: MeshData, progress: Progress, step: int, of: int) -> MeshData:
    progress.stage("parts", step, of)
    return mesh


def _points_per_query(pipeline: PartPackerPipeline, resources: Resources) -> int:
    points = points_per_query(pipeline.device_of(pipeline.autoencoder))
    return max(int(points * resources.chunk_scale), 1)
