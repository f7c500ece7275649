# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD as the artist sees it: the selected objects, a prompt or an image, and a texture from all sides.

Options bear the published pipeline's own names (spec section 5).
"""

from ...contract import Choice, InputSpec, Parameter, PipelineSpec, StageSpec, TaskSpec
from .checkpoint.choice import CHECKPOINT_PARAMETERS
from .weight_sets import STARTER, published_sets

NEGATIVE_PROMPT = "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect."
TEXTURE_SIZES = (512, 1024, 2048, 4096)

_MAIN = (
    Parameter("texture_size", "choice", "1024", "Texture Size", "Width and height of each object's texture",
              choices=tuple(Choice(str(size), str(size), f"{size} × {size} texels") for size in TEXTURE_SIZES)),
    Parameter("steps", "int", 30, "Steps", "Sampler steps. More is slower and a little cleaner", 5, 100, 1),
    Parameter("guidance_scale", "float", 15.5, "Guidance",
              "How closely the views follow the prompt. Below 12 they blur",
              1.0, 30.0, 0.5),
    Parameter("negative_prompt", "text", NEGATIVE_PROMPT, "Not", "What the views shall not show"),
    Parameter("cond_type", "choice", "depth", "Follow", "Which images of the mesh the views follow", choices=(
        Choice("depth", "Depth", "Where surfaces are"),
        Choice("normal", "Normals", "How surfaces are turned (SD 1.5)"),
        Choice("canny", "Edges", "Where surfaces break"),
        Choice("depth+normal", "Depth and Normals", "Both at once (SD 1.5)"),
        Choice("depth+canny", "Depth and Edges", "Both at once"),
        Choice("tile", "Texture So Far", "What the object shows now: the same, painted more finely or in another way "
               "(SDXL Complete, or a tile ControlNet of your own)"),
        Choice("depth+tile", "Depth and Texture", "Where surfaces are, and what they show now (as above)"),
    )),
    Parameter("conditioning_scale", "float", 0.7, "Strength", "How closely the views follow the mesh at first",
              0.0, 2.0, 0.05),
    Parameter("conditioning_scale_end", "float", 0.9, "Strength at End", "The same in the last steps", 0.0, 2.0, 0.05),
    Parameter("guide", "bool", False, "Guide Image",
              "Make an image of the front first and let it lead all views. Needs weights that take an image"),
    Parameter("ip_adapter_scale", "float", 0.5, "Image Strength", "How closely the views follow the image",
              0.0, 1.5, 0.05),
)
_VIEWS = (
    Parameter("views", "int", 8, "Views Around", "Cameras in a ring around the object", 4, 12, 1, advanced=True),
    Parameter("camera_azims", "text", "", "Azimuths", "Where the ring's cameras stand, in degrees: 0 before the front, "
              "90 at the right. Empty: evenly around", advanced=True),
    Parameter("camera_elevation", "float", 0.0, "Ring Elevation", "How many degrees the ring's cameras look down",
              -60.0, 60.0, 5.0, advanced=True),
    Parameter("top_cameras", "bool", True, "Views from Above", "Two more cameras, above front and back", advanced=True),
    Parameter("bottom_cameras", "bool", False, "Views from Below", "Two more cameras, below front and back",
              advanced=True),
    Parameter("top_elevation", "float", 30.0, "Above and Below", "How many degrees these look down, and up",
              10.0, 90.0, 5.0, advanced=True),
    Parameter("latent_view_size", "choice", "96", "View Size", "Pixels of each view's image", advanced=True,
              choices=(Choice("24", "192", "For small weights only"),
                       Choice("32", "256", "For small weights only"), Choice("64", "512", "Fast, coarse"),
                       Choice("96", "768", "For SD 1.5"), Choice("128", "1024", "For SDXL"))),
    Parameter("lens", "choice", "orthographic", "Lens", "How the cameras see", advanced=True, choices=(
        Choice("orthographic", "Orthographic", "Without perspective, as published"),
        Choice("perspective", "Perspective", "As photographs are taken"))),
    Parameter("mesh_scale", "float", 0.9, "Fill", "How much of the images the object fills", 0.3, 1.0, 0.05,
              advanced=True),
)
_SYNCHRONIZATION = (
    Parameter("sync_mode", "choice", "texture", "Blend In", "Where the noise is taken away", advanced=True, choices=(
        Choice("texture", "Texture", "As published: firmly together"),
        Choice("views", "Views", "Each view for itself toward the common image"))),
    Parameter("mvd_end", "float", 0.8, "Blend Until", "Share of the noise schedule in which views are blended",
              0.0, 1.0, 0.05, advanced=True),
    Parameter("mvd_exp_start", "float", 0.0, "Sharpness",
              "How much more a view counts that faces a surface, at first. 0 counts as 1",
              0.0, 12.0, 0.5, advanced=True),
    Parameter("mvd_exp_end", "float", 6.0, "Sharpness at End", "The same in the last steps", 0.0, 12.0, 0.5,
              advanced=True),
    Parameter("ref_attention_end", "float", 0.2, "Look at Front Until",
              "Share of the noise schedule in which every view looks at the front", 0.0, 1.0, 0.05, advanced=True),
    Parameter("shuffle_bg_change", "float", 0.4, "Colored Ground Until",
              "Share of the noise schedule with grounds of any color, then black and white", 0.0, 1.0, 0.05,
              advanced=True),
    Parameter("shuffle_bg_end", "float", 0.8, "Change Ground Until",
              "Share of the noise schedule in which grounds change", 0.0, 1.0, 0.05, advanced=True),
)
_GUIDANCE = (
    Parameter("control_guidance_start", "float", 0.0, "Follow From", "Share of the steps at which following begins",
              0.0, 1.0, 0.05, advanced=True),
    Parameter("control_guidance_end", "float", 0.99, "Follow Until", "Share of the steps at which following ends",
              0.0, 1.0, 0.01, advanced=True),
    Parameter("guidance_rescale", "float", 0.0, "Rescale Guidance", "Takes overexposure from strong guidance",
              0.0, 1.0, 0.05, advanced=True),
    Parameter("guess_mode", "bool", False, "Mesh over Prompt", "Let only the wanted half of guidance follow the mesh",
              advanced=True),
    Parameter("reference", "bool", False, "As Published", "Keep the published pipeline's faults, to compare with it",
              advanced=True),
    Parameter("log_interval", "int", 3, "Preview Every", "Steps between previews", 1, 50, 1, advanced=True),
)

TEXTURE = TaskSpec(
    name="texture",
    label="Texture",
    description="Paint the selected objects from all sides at once, from words or an image. The mesh stays as it is",
    inputs=(
        InputSpec("mesh", "uv_meshes", "A mesh", "Select one or several mesh objects",
                  textured_by={"cond_type": ("tile", "depth+tile")}),
        InputSpec("prompt", "text", "A prompt", "What the object shall look like", required=False),
        InputSpec("image", "image", "An image", "One that the texture shall resemble", required=False),
    ),
    parameters=(*_MAIN, *_VIEWS, *_GUIDANCE, *_SYNCHRONIZATION, *CHECKPOINT_PARAMETERS),
    stages=(
        StageSpec("prepare", "Looking at the mesh", 0.04),
        StageSpec("guide", "Drawing the front", 0.06, {"steps": 1.0}),
        StageSpec("sample", "Painting", 0.8, {"steps": 1.0, "views": 1.0}),
        StageSpec("decode", "Developing the views", 0.06, {"views": 1.0}),
        StageSpec("bake", "Baking", 0.04),
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
