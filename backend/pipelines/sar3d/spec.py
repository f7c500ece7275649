# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D as the artist sees it: a prompt or an image becomes an object in under a second."""

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
from ..common.components import BACKGROUND_REMOVERS, CLIP_VIT_LARGE, DINOV2_LARGE
from ..common.starter_license import STARTER_LICENSE

S_LAB_LICENSE = License(
    name="S-Lab License 1.0",
    url="https://github.com/cyw-3d/SAR3D/blob/main/LICENSE",
    text=(
        "SAR3D is by S-Lab, Nanyang Technological University. Its code is under the S-Lab License 1.0: use and "
        "redistribution for non-commercial purposes only, with the notice kept; commercial use needs the authors' "
        "permission. The model page states no terms of its own for the weights, so treat them, and what they "
        "generate, as under the same terms. Read the license before you accept."
    ),
    commercial_use=False,
)
REPOSITORY = "cyw-3d/sar3d"

GENERATE_INSTANT = TaskSpec(
    name="generate_instant",
    label="Instant",
    icon="MESH_ICOSPHERE",
    description="Generate an object with vertex colors from a prompt or an image, in about a second",
    delivery="object",
    inputs=(
        InputSpec("image", "image", "Image", "Choose an image of one object", required=False),
        InputSpec("mask", "image", "Mask", "White where the object is, black where the background is", required=False),
    ),
    parameters=(
        Parameter("prompt", "text", "", "Prompt", "Describe the object in English", multiline=True),
        Parameter("variants", "int", 1, "Variants", "Objects to generate at once: one is shown, the others are hidden",
                  1, 9, 1),
        Parameter("guidance_scale", "float", 4.0, "Guidance", "How closely the object follows the prompt or image",
                  0.0, 10.0, 0.5),
        Parameter(
            "surface", "choice", "flexicubes", "Surface", "How the mesh is extracted",
            choices=(Choice("flexicubes", "FlexiCubes", "Fewer, better shaped faces, sharper edges"),
                     Choice("density", "Density", "Marching cubes on a density field")),
        ),
        Parameter("remove_background", "bool", True, "Remove Background",
                  "Cut the object out of an opaque image first", advanced=True, group="Image"),
        Parameter("top_k", "int", 10, "Top K", "Draw from this many of the likeliest tokens", 1, 16384, 1,
                  advanced=True, group="Sampling"),
        Parameter("top_p", "float", 0.5, "Top P", "Draw from the likeliest tokens that add up to this share",
                  0.0, 1.0, 0.05, advanced=True, group="Sampling"),
        Parameter(
            "triangles", "choice", "two", "Triangles", "How quads of FlexiCubes become triangles", advanced=True,
            group="Mesh",
            choices=(Choice("two", "Two per Quad", "Along the better diagonal"),
                     Choice("four", "Four per Quad", "Around a vertex in the middle")),
        ),
        Parameter("resolution", "int", 192, "Density Resolution", "Grid points along each axis of a density surface",
                  64, 320, 16, advanced=True, group="Mesh"),
        Parameter("density_threshold", "float", 10.0, "Density Threshold",
                  "Density at the surface. Lower makes the object thicker", 1.0, 50.0, 0.5, advanced=True,
                  group="Mesh"),
    ),
    stages=(
        StageSpec("condition", "Encoding prompt or image", 0.1),
        StageSpec("tokens", "Generating shape", 0.5, {"variants": 0.7}),
        StageSpec("decode", "Decoding", 0.1, {"variants": 0.7}),
        StageSpec("surface", "Extracting surface", 0.3, {"variants": 1.0}),
    ),
    needs_one_of=(("prompt", "image"),),
    optional_components=BACKGROUND_REMOVERS,
    presets=(
        Preset("likely", "Likely", "The likeliest object"),
        Preset("varied", "Varied", "Objects that differ more from seed to seed", {"top_k": 900, "top_p": 0.95}),
    ),
)

DESCRIBE = TaskSpec(
    name="describe",
    label="Describe",
    description="Describe each selected mesh in one sentence, for its name, its asset description or a prompt",
    delivery="text",
    selection="each",
    inputs=(InputSpec("mesh", "mesh", "Mesh", "Select a mesh object"),),
    parameters=(
        Parameter("language_model", "file", "", "Language Model",
                  "Folder of a language model trained for SAR3D, whose authors publish none"),
    ),
    stages=(
        StageSpec("views", "Rendering views", 0.1),
        StageSpec("tokens", "Encoding mesh", 0.2),
        StageSpec("caption", "Writing caption", 0.7),
    ),
    seeded=False,
)

BLIP_LICENSE = License(
    name="BSD-3-Clause (BLIP)",
    url="https://huggingface.co/Salesforce/blip-image-captioning-base",
    text="BLIP is by Salesforce, under the BSD 3-clause license: any use, with its notice kept.",
    commercial_use=True,
)
CAPTIONER = "captioner"
"""Name of the weights that describe views; the others read tokens."""

_VQVAE_FILES = tuple(WeightFile(REPOSITORY, name, name) for name in ("vqvae-flexicubes-ckpt.pt", "vqvae-ckpt.pt"))
_TEXT_FILE, _IMAGE_FILE = (
    WeightFile(REPOSITORY, name, name) for name in ("text-condition-ckpt.pth", "image-condition-ckpt.pth")
)

SPEC = PipelineSpec(
    name="sar3d",
    label="SAR3D",
    summary="A prompt or an image becomes an object in under a second",
    tasks=(GENERATE_INSTANT, DESCRIBE),
    weights=(
        WeightSet(
            name="starter",
            label="Demo",
            description="Demo model (included). Handles a color and one of about a dozen simple objects",
            files=(),
            license=STARTER_LICENSE,
            gigabytes=0.006,
            memory={"full": 0.5},
            bundled=True,
            tasks=("generate_instant",),
        ),
        WeightSet(
            name="published",
            label="Published",
            description="The full SAR3D models, for prompts and images",
            files=(*_VQVAE_FILES, _TEXT_FILE, _IMAGE_FILE),
            license=S_LAB_LICENSE,
            gigabytes=7.9,
            memory={"full": 6.0},
            components=(CLIP_VIT_LARGE, DINOV2_LARGE),
        ),
        WeightSet(
            name="published-prompt",
            label="Published, Prompts Only",
            description="The SAR3D model for prompts. Smaller and faster",
            files=(*_VQVAE_FILES, _TEXT_FILE),
            license=S_LAB_LICENSE,
            gigabytes=2.9,
            memory={"full": 3.0},
            takes=(),
            components=(CLIP_VIT_LARGE,),
            tasks=("generate_instant",),
            folder="published",
        ),
        WeightSet(
            name=CAPTIONER,
            label="BLIP",
            description="A general captioner by other authors. It describes rendered views, not SAR3D's tokens",
            files=tuple(
                WeightFile("Salesforce/blip-image-captioning-base", name, name)
                for name in ("config.json", "model.safetensors", "preprocessor_config.json",
                             "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
            ),
            license=BLIP_LICENSE,
            gigabytes=1.0,
            memory={"full": 1.5},
            tasks=("describe",),
        ),
    ),
)
