# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape as the artist sees it: an image or named views become an object, a mesh is rebuilt."""

from ...contract import Choice, InputSpec, Parameter, PipelineSpec, Preset, StageSpec, TaskSpec
from ..common.components import BACKGROUND_REMOVERS
from .weight_sets import WEIGHT_SETS

GRID_RESOLUTIONS = (64, 96, 128, 192, 256, 320, 384, 448, 512)

_FACES = Parameter(
    "face_target", "int", 0, "Max Faces", "Simplify the object to about this many faces. 0 keeps every face",
    0, 1_000_000, 1000,
)
_FLOATERS = Parameter(
    "remove_floaters", "bool", True, "Remove Floaters", "Delete loose pieces that are tiny next to the object",
    advanced=True, group="Surface",
)
_DECODING = Parameter(
    "decoding", "choice", "hierarchical", "Decoding", "How the surface is found between the grid cells",
    advanced=True, group="Surface",
    choices=(
        Choice("hierarchical", "Coarse to Fine", "Exact, and only near the surface"),
        Choice("flash", "FlashVDM", "Only near the surface, and with the parts of the model that matter there"),
        Choice("dense", "Dense", "Exact, everywhere. Slow, and takes much memory"),
    ),
)


def _grid(default: int) -> Parameter:
    return Parameter(
        "grid_resolution", "choice", str(default), "Resolution", "Grid cells along each axis",
        choices=tuple(Choice(str(n), str(n), f"{n}³ cells") for n in GRID_RESOLUTIONS),
    )


def _view(name: str, from_where: str) -> InputSpec:
    return InputSpec(name, "image", f"{name.title()} View", f"Choose an image of the same object from {from_where}",
                     required=False)


GENERATE_SHAPE = TaskSpec(
    name="generate_shape",
    label="Shape",
    icon="MESH_MONKEY",
    description="Turn an image of one object, or images of up to four of its sides, into one object",
    delivery="object",
    inputs=(
        InputSpec("image", "image", "Image", "Choose an image of one object, from its front"),
        InputSpec("mask", "image", "Mask", "White where the object is, black where the background is", required=False),
        _view("left", "its own left side"),
        _view("back", "its back"),
        _view("right", "its own right side"),
    ),
    parameters=(
        Parameter("steps", "int", 50, "Steps", "Sampler steps. More is slower and a little cleaner", 1, 100, 1),
        Parameter("guidance_scale", "float", 5.0, "Guidance", "How closely the shape follows the image",
                  1.0, 20.0, 0.1),
        _grid(384),
        _FACES,
        Parameter("remove_background", "bool", True, "Remove Background",
                  "Cut the object out of an opaque image first", advanced=True, group="Image"),
        _DECODING,
        _FLOATERS,
        Parameter("live_preview", "bool", True, "Live Preview", "Show the surface while it is generated",
                  advanced=True, group="Surface"),
    ),
    stages=(
        StageSpec("image", "Preparing image", 0.01),
        StageSpec("condition", "Encoding image", 0.04),
        StageSpec("sample", "Generating shape", 0.65, {"steps": 1.0}),
        StageSpec("decode", "Decoding", 0.02),
        StageSpec("field", "Evaluating field", 0.2, {"grid_resolution": 2.0}),
        StageSpec("surface", "Extracting surface", 0.03, {"grid_resolution": 3.0}),
        StageSpec("mesh", "Cleaning up", 0.05, {"grid_resolution": 2.0}),
    ),
    presets=(
        Preset("draft", "Draft", "Fewer steps at low resolution", {"steps": 20, "grid_resolution": "256"}),
        Preset("balanced", "Balanced", "As published"),
        Preset("best", "Best", "More steps at high resolution", {"steps": 75, "grid_resolution": "512"}),
    ),
    optional_components=BACKGROUND_REMOVERS,
)

RECONSTRUCT = TaskSpec(
    name="reconstruct",
    label="Reconstruct",
    description="Rebuild the selected mesh through Hunyuan3D's autoencoder: closed, even, without inner walls",
    delivery="replace",
    selection="each",
    inputs=(InputSpec("mesh", "mesh", "Mesh", "Select a closed mesh object"),),
    parameters=(_grid(384), _FACES, _DECODING, _FLOATERS),
    stages=(
        StageSpec("points", "Sampling surface", 0.2),
        StageSpec("encode", "Encoding", 0.1),
        StageSpec("decode", "Decoding", 0.1),
        StageSpec("field", "Evaluating field", 0.45, {"grid_resolution": 2.0}),
        StageSpec("surface", "Extracting surface", 0.1, {"grid_resolution": 3.0}),
        StageSpec("mesh", "Cleaning up", 0.05, {"grid_resolution": 2.0}),
    ),
)

SPEC = PipelineSpec(
    name="hunyuan3d_shape",
    label="Hunyuan3D Shape",
    summary="One image, or views of up to four sides, become one closed object",
    tasks=(GENERATE_SHAPE, RECONSTRUCT),
    weights=WEIGHT_SETS,
)
