# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker as the artist sees it: an image becomes parts, a mesh is rebuilt, meshes are sorted into two volumes."""

from ...contract import (
    Choice,
    InputSpec,
    License,
    Parameter,
    PipelineSpec,
    Preset,
    StageSpec,
    TaskSpec,
    WeightFile,
    WeightSet,
)
from ..common.components import BACKGROUND_REMOVERS, DINOV2_GIANT
from ..common.starter_license import STARTER_LICENSE

NVIDIA_LICENSE = License(
    name="NVIDIA Source Code License",
    url="https://huggingface.co/nvidia/PartPacker",
    text=(
        "PartPacker's published weights are by NVIDIA and are for non-commercial research use only. By the license "
        "this applies to the weights and to derivative works. Redistribution is allowed only under the same license "
        "with its text and notices; the license ends for anyone who starts patent litigation over it; no trademark "
        "rights are given. Read the license on the model page before you accept."
    ),
    commercial_use=False,
)

GRID_RESOLUTIONS = (64, 96, 128, 256, 320, 384, 448, 512)

_FACES = Parameter(
    "face_target", "int", 0, "Max Faces",
    "Simplify each of the two volumes to about this many faces. 0 keeps every face", 0, 1_000_000, 1000,
)


def _grid(default: int) -> Parameter:
    return Parameter(
        "grid_resolution", "choice", str(default), "Resolution", "Grid cells along each axis",
        choices=tuple(Choice(str(n), str(n), f"{n}³ cells") for n in GRID_RESOLUTIONS),
    )


GENERATE_PARTS = TaskSpec(
    name="generate_parts",
    label="Generate Parts",
    icon="MOD_EXPLODE",
    description="Turn an image of one object into separate, named part objects",
    delivery="parts",
    inputs=(
        InputSpec("image", "image", "Image", "Choose an image of one object"),
        InputSpec("mask", "image", "Mask", "White where the object is, black where the background is", required=False),
    ),
    parameters=(
        Parameter("steps", "int", 50, "Steps", "Sampler steps. More is slower and a little cleaner", 1, 100, 1),
        Parameter("guidance_scale", "float", 7.0, "Guidance", "How closely the shape follows the image",
                  1.0, 10.0, 0.1),
        _grid(384),
        _FACES,
        Parameter(
            "resize", "choice", "area", "Resize", "How the image is scaled for the encoder", group="Image",
            advanced=True,
            choices=(Choice("area", "Area", "As the published web app does"),
                     Choice("linear", "Linear", "As the published command line does")),
        ),
        Parameter("remove_background", "bool", True, "Remove Background",
                  "Cut the object out of an opaque image first", advanced=True, group="Image"),
    ),
    stages=(
        StageSpec("image", "Preparing image", 0.01),
        StageSpec("condition", "Encoding image", 0.04),
        StageSpec("sample", "Generating shape", 0.5, {"steps": 1.0}),
        StageSpec("decode", "Decoding", 0.05),
        StageSpec("field", "Evaluating field", 0.3, {"grid_resolution": 2.0}),
        StageSpec("surface", "Extracting surface", 0.05, {"grid_resolution": 3.0}),
        StageSpec("parts", "Separating parts", 0.05, {"grid_resolution": 2.0}),
    ),
    presets=(
        Preset("draft", "Draft", "Fewer steps on a coarse grid", {"steps": 20, "grid_resolution": "256"}),
        Preset("balanced", "Balanced", "As published"),
        Preset("best", "Best", "More steps on a fine grid", {"steps": 75, "grid_resolution": "512"}),
    ),
    optional_components=BACKGROUND_REMOVERS,
)

RECONSTRUCT = TaskSpec(
    name="reconstruct",
    label="Reconstruct",
    description="Rebuild the selected mesh through PartPacker's autoencoder: closed, even, without inner walls",
    delivery="replace",
    selection="each",
    inputs=(InputSpec("mesh", "mesh", "Mesh", "Select a closed mesh object"),),
    parameters=(_grid(512), _FACES),
    stages=(
        StageSpec("points", "Sampling surface", 0.2),
        StageSpec("encode", "Encoding", 0.1),
        StageSpec("decode", "Decoding", 0.1),
        StageSpec("field", "Evaluating field", 0.45, {"grid_resolution": 2.0}),
        StageSpec("surface", "Extracting surface", 0.1, {"grid_resolution": 3.0}),
        StageSpec("parts", "Cleaning up", 0.05, {"grid_resolution": 2.0}),
    ),
)

SPLIT_PARTS = TaskSpec(
    name="split_parts",
    label="Split Parts",
    description="Sort the selected objects into two collections in which no two parts touch",
    delivery="groups",
    selection="together",
    inputs=(InputSpec("meshes", "mesh", "Meshes", "Select the objects that are the parts, or one mesh to split"),),
    parameters=(),
    stages=(StageSpec("contacts", "Finding contacts", 0.7), StageSpec("pack", "Sorting into volumes", 0.3)),
    needs_weights=False,
    seeded=False,
)

SPEC = PipelineSpec(
    name="partpacker",
    label="PartPacker",
    summary="One image becomes an object made of separable parts",
    tasks=(GENERATE_PARTS, RECONSTRUCT, SPLIT_PARTS),
    weights=(
        WeightSet(
            name="starter",
            label="Demo",
            description="Demo model (included). Handles about a dozen simple objects",
            files=(),
            license=STARTER_LICENSE,
            gigabytes=0.008,
            memory={"full": 0.5},
            bundled=True,
            parameter_defaults={"steps": 24, "guidance_scale": 2.0, "grid_resolution": "128"},
            preset_values={"draft": {"steps": 12, "grid_resolution": "96"},
                           "best": {"steps": 40, "grid_resolution": "256"}},
        ),
        WeightSet(
            name="published",
            label="Published",
            description="The full PartPacker model",
            files=(
                WeightFile("nvidia/PartPacker", "flow.pt", "flow.pt"),
                WeightFile("nvidia/PartPacker", "vae.pt", "vae.pt"),
            ),
            components=(DINOV2_GIANT,),
            license=NVIDIA_LICENSE,
            gigabytes=6.3,
            memory={"full": 8.0, "low": 1.5},
        ),
    ),
)
