# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint as the artist sees it: the selected objects and an image, and materials from all sides."""

from dataclasses import replace

from ...contract import (
    Choice,
    InputSpec,
    Parameter,
    PipelineSpec,
    Preset,
    StageSpec,
    TaskSpec,
    WeightFile,
    WeightSet,
)
from ..common.components import BACKGROUND_REMOVERS, DINOV2_GIANT, REALESRGAN_X4
from ..common.tencent_licenses import LICENSE_2_1

REPOSITORY, REVISION_FOLDER = "tencent/Hunyuan3D-2.1", "hunyuan3d-paintpbr-v2-1"
TEXTURE_SIZES = (512, 1024, 2048, 4096)

_MAIN = (
    Parameter("texture_size", "choice", "2048", "Texture Size", "Width and height of each object's textures",
              choices=tuple(Choice(str(size), str(size), f"{size} × {size} pixels") for size in TEXTURE_SIZES)),
    Parameter("steps", "int", 15, "Steps", "Sampler steps. More is slower and a little cleaner", 5, 50, 1),
    Parameter("guidance_scale", "float", 3.0, "Guidance", "How closely the views follow the image", 1.0, 10.0, 0.1),
)
_VIEWS = tuple(replace(parameter, advanced=True, group="Views") for parameter in (
    Parameter("views", "int", 6, "Max Views", "Views to paint. Beyond six only those that show more of the surface",
              6, 12, 1),
    Parameter("view_size", "choice", "512", "View Size", "Width and height of each view, in pixels", choices=(
        Choice("64", "64", "For small weights only"), Choice("128", "128", "For small weights only"),
        Choice("512", "512", "As published"), Choice("768", "768", "Finer, and more memory"))),
    Parameter("steepest", "float", 75.0, "Max Angle",
              "Views color surfaces that are turned away by up to this angle, in degrees", 30.0, 89.0, 1.0),
    Parameter("sharpness", "float", 4.0, "Sharpness", "How much more a view counts that faces a surface",
              1.0, 12.0, 0.5),
))

_IMAGE = (
    Parameter("remove_background", "bool", True, "Remove Background", "Cut the object out of an opaque image first",
              advanced=True, group="Image"),
)

PAINT = TaskSpec(
    name="paint",
    label="Paint",
    icon="BRUSH_DATA",
    description="Paint the selected objects after an image, with metallic and roughness. Meshes stay as they are",
    delivery="material",
    selection="together",
    inputs=(
        InputSpec("mesh", "mesh", "Mesh", "Select one or several mesh objects", needs=("uvs", "selection")),
        InputSpec("image", "image", "Image", "Choose an image of the object, seen from the front"),
        InputSpec("mask", "image", "Mask", "White where the object is, black where the background is", required=False),
    ),
    optional_components=BACKGROUND_REMOVERS,
    parameters=(*_MAIN, *_VIEWS, *_IMAGE),
    stages=(
        StageSpec("prepare", "Preparing mesh and image", 0.15, {"views": 1.0}),
        StageSpec("sample", "Painting views", 0.5, {"steps": 1.0, "views": 1.5}),
        StageSpec("decode", "Decoding views", 0.05, {"views": 1.0}),
        StageSpec("enlarge", "Enlarging views", 0.2, {"views": 1.0}),
        StageSpec("bake", "Baking textures", 0.1),
    ),
    presets=(
        Preset("draft", "Draft", "Fewer steps and small textures", {"steps": 8, "texture_size": "1024"}),
        Preset("balanced", "Balanced", "As published"),
        Preset("best", "Best", "More views, larger textures", {"views": 8, "view_size": "768", "texture_size": "4096"}),
    ),
)


def _file(remote: str, size: int | None = None) -> WeightFile:
    return WeightFile(REPOSITORY, f"{REVISION_FOLDER}/{remote}", remote, bytes=size)


PUBLISHED = WeightSet(
    name="published",
    label="Published",
    description="The full Hunyuan3D-2.1 paint model",
    files=(
        _file("unet/diffusion_pytorch_model.bin", 3_925_293_863),
        _file("vae/diffusion_pytorch_model.bin", 334_707_217),
        _file("scheduler/scheduler_config.json"),
    ),
    license=LICENSE_2_1,
    gigabytes=4.3,
    memory={"full": 13.0, "balanced": 9.0, "low": 6.0},
    components=(DINOV2_GIANT, REALESRGAN_X4),
)

SPEC = PipelineSpec(
    name="hunyuan3d_paint",
    label="Hunyuan3D-2.1 Paint",
    summary="A mesh becomes painted after an image, with metallic and roughness",
    tasks=(PAINT,),
    weights=(PUBLISHED,),
)
