# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD as the artist sees it: the selected objects, a prompt or an image, and a texture from all sides.

Parameters have the published pipeline's own names.
"""

from dataclasses import replace

from ...contract import Choice, InputSpec, Parameter, PipelineSpec, Preset, StageSpec, TaskSpec
from .checkpoint.choice import CHECKPOINT_PARAMETERS
from .weight_sets import STARTER, published_sets

NEGATIVE_PROMPT = "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect."
TEXTURE_SIZES = (512, 1024, 2048, 4096)

_MAIN = (
    Parameter("prompt", "text", "", "Prompt", "Describe the look", multiline=True),
    Parameter("texture_size", "choice", "1024", "Texture Size", "Width and height of each object's texture",
              choices=tuple(Choice(str(size), str(size), f"{size} × {size} pixels") for size in TEXTURE_SIZES)),
    Parameter("steps", "int", 30, "Steps", "Sampler steps. More is slower and a little cleaner", 5, 100, 1),
    Parameter("guidance_scale", "float", 15.5, "Guidance",
              "How closely the views follow the prompt. Below 12 they blur",
              1.0, 30.0, 0.5),
    Parameter("negative_prompt", "text", NEGATIVE_PROMPT, "Negative Prompt", "What to avoid", multiline=True),
    Parameter("cond_type", "choice", "depth", "Guided By", "Which images of the mesh guide the views", choices=(
        Choice("depth", "Depth", "Distance of the surface"),
        Choice("normal", "Normals", "Direction of the surface (SD 1.5)"),
        Choice("canny", "Edges", "Creases and outlines"),
        Choice("depth+normal", "Depth and Normals", "Both (SD 1.5)"),
        Choice("depth+canny", "Depth and Edges", "Both"),
        Choice("tile", "Current Texture", "What the object shows now, painted in more detail or another style "
               "(SDXL Complete, or your own tile ControlNet)"),
        Choice("depth+tile", "Depth and Texture", "Distance of the surface, and what it shows now (as above)"),
    )),
    Parameter("conditioning_scale", "float", 0.7, "Strength", "How closely the views follow the mesh at first",
              0.0, 2.0, 0.05),
    Parameter("conditioning_scale_end", "float", 0.9, "Strength at End", "How closely they follow it in the last steps",
              0.0, 2.0, 0.05),
    Parameter("guide", "bool", False, "Generate Front View First",
              "Generate an image of the front and let it guide all views. Needs weights that take an image"),
    Parameter("ip_adapter_scale", "float", 0.5, "Image Strength", "How closely the views follow the image",
              0.0, 1.5, 0.05),
)
_VIEWS = tuple(replace(parameter, advanced=True, group="Views") for parameter in (
    Parameter("views", "int", 8, "Views Around", "Cameras in a ring around the object", 4, 12, 1),
    Parameter("camera_azims", "text", "", "Azimuths", "Positions of the ring's cameras, in degrees: 0 faces the front, "
              "90 the right. Empty: evenly spaced"),
    Parameter("camera_elevation", "float", 0.0, "Ring Elevation", "Angle from which the ring's cameras look down, in "
              "degrees", -60.0, 60.0, 5.0),
    Parameter("top_cameras", "bool", True, "Views from Above", "Two more cameras, above front and back"),
    Parameter("bottom_cameras", "bool", False, "Views from Below", "Two more cameras, below front and back"),
    Parameter("top_elevation", "float", 30.0, "Elevation Above", "Angle from which these look down or up, in degrees",
              10.0, 90.0, 5.0),
    Parameter("latent_view_size", "choice", "96", "View Size", "Width and height of each view, in pixels",
              choices=(Choice("24", "192", "For small weights only"),
                       Choice("32", "256", "For small weights only"), Choice("64", "512", "Fast, coarse"),
                       Choice("96", "768", "For SD 1.5"), Choice("128", "1024", "For SDXL"))),
    Parameter("lens", "choice", "orthographic", "Lens", "Projection of the cameras", choices=(
        Choice("orthographic", "Orthographic", "Without perspective, as published"),
        Choice("perspective", "Perspective", "As in photographs"))),
    Parameter("mesh_scale", "float", 0.9, "Object Size in View", "How much of each view the object fills",
              0.3, 1.0, 0.05),
))
_SYNCHRONIZATION = tuple(replace(parameter, advanced=True, group="Synchronization") for parameter in (
    Parameter("sync_mode", "choice", "texture", "Sync Mode", "Where views are blended during denoising", choices=(
        Choice("texture", "Texture", "In the texture, as published: strong agreement"),
        Choice("views", "Views", "Each view is denoised on its own, toward the blended image"))),
    Parameter("mvd_end", "float", 0.8, "Sync Until", "Share of the noise schedule in which views are blended",
              0.0, 1.0, 0.05),
    Parameter("mvd_exp_start", "float", 0.0, "Sharpness",
              "How much more a view counts that faces a surface, at first. 0 counts as 1", 0.0, 12.0, 0.5),
    Parameter("mvd_exp_end", "float", 6.0, "Sharpness at End", "The same in the last steps", 0.0, 12.0, 0.5),
    Parameter("ref_attention_end", "float", 0.2, "Attend to Front Until",
              "Share of the noise schedule in which every view attends to the front", 0.0, 1.0, 0.05),
    Parameter("shuffle_bg_change", "float", 0.4, "Random Backgrounds Until",
              "Share of the noise schedule with backgrounds of any color, then black and white", 0.0, 1.0, 0.05),
    Parameter("shuffle_bg_end", "float", 0.8, "Change Backgrounds Until",
              "Share of the noise schedule in which backgrounds change", 0.0, 1.0, 0.05),
))
_GUIDANCE = tuple(replace(parameter, advanced=True, group="Guidance") for parameter in (
    Parameter("control_guidance_start", "float", 0.0, "Guide From", "Share of the steps after which the mesh guides",
              0.0, 1.0, 0.05),
    Parameter("control_guidance_end", "float", 0.99, "Guide Until", "Share of the steps until which the mesh guides",
              0.0, 1.0, 0.01),
    Parameter("guidance_rescale", "float", 0.0, "Rescale Guidance", "Reduces overexposure from strong guidance",
              0.0, 1.0, 0.05),
    Parameter("guess_mode", "bool", False, "Guess Mode", "Let the mesh guide without the prompt"),
    Parameter("log_interval", "int", 3, "Preview Every", "Steps between previews", 1, 50, 1),
))

TEXTURE = TaskSpec(
    name="texture",
    label="Texture",
    icon="TEXTURE",
    description="Paint the selected objects from all sides at once, from a prompt or an image. Meshes stay as they are",
    delivery="material",
    selection="together",
    inputs=(
        InputSpec("mesh", "mesh", "Mesh", "Select one or several mesh objects", needs=("uvs", "selection"),
                  texture_when={"cond_type": ("tile", "depth+tile")}),
        InputSpec("image", "image", "Image", "Choose an image that the texture resembles", required=False),
    ),
    needs_one_of=(("prompt", "image"),),
    parameters=(*_MAIN, *_VIEWS, *_GUIDANCE, *_SYNCHRONIZATION, *CHECKPOINT_PARAMETERS),
    stages=(
        StageSpec("prepare", "Preparing mesh", 0.04),
        StageSpec("guide", "Generating front view", 0.06, {"steps": 1.0}),
        StageSpec("sample", "Painting views", 0.8, {"steps": 1.0, "views": 1.0}),
        StageSpec("decode", "Decoding views", 0.06, {"views": 1.0}),
        StageSpec("bake", "Baking texture", 0.04),
    ),
    presets=(
        Preset("draft", "Draft", "Fewer steps, six views", {"steps": 15, "views": 4}),
        Preset("balanced", "Balanced", "As published"),
        Preset("best", "Best", "More steps and a large texture", {"steps": 50, "texture_size": "2048"}),
    ),
)

SPEC = PipelineSpec(
    name="flexisyncmvd",
    label="FlexiSyncMVD",
    summary="A mesh becomes textured from all sides at once",
    tasks=(TEXTURE,),
    weights=(
        STARTER,
        *published_sets(
            sdxl_defaults={"latent_view_size": "128", "conditioning_scale": 0.3, "conditioning_scale_end": 0.7}
        ),
    ),
)
