# SPDX-License-Identifier: GPL-3.0-or-later
"""Pottery as the artist sees it: one task for each delivery, with everything that a spec can say."""

from ...contract import (
    Choice,
    Component,
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

LICENSE = License("Potter's License", "https://example.org/license", "Use it, and break nothing.", True)
CLAY_LICENSE = License("Clay License", "https://example.org/clay", "Clay is for studies only.", False)

CLAY = Component("clay", "Clay", "The color of unglazed pots",
                 (WeightFile("example/clay", "clay.npy", "clay.npy"),), CLAY_LICENSE, 0.2)

_PROMPT = Parameter("prompt", "text", "", "Prompt", "Describe the pot", multiline=True)
_MESH = InputSpec("mesh", "mesh", "Mesh", "Select a mesh object")
_WORK = (StageSpec("shape", "Shaping", 0.7), StageSpec("fire", "Firing", 0.3))

THROW = TaskSpec(
    name="throw",
    label="Throw Pot",
    description="Turn a prompt or up to two views into a pot",
    delivery="object",
    inputs=(
        InputSpec("front", "image", "Front View", "Choose an image of the front", required=False),
        InputSpec("back", "image", "Back View", "Choose an image of the back", required=False),
    ),
    needs_one_of=(("prompt", "front"),),
    parameters=(
        _PROMPT,
        Parameter("sides", "int", 12, "Sides", "Sides of the pot", 3, 64, 1),
        Parameter("height", "float", 1.5, "Height", "Height for a width of one", 0.1, 4.0, 0.1, group="Form"),
        Parameter("closed", "bool", True, "Lid", "Close the pot", group="Form", advanced=True),
        Parameter("keys", "choice", "round", "Handles", "Form of the handles", group="Form", advanced=True,
                  choices=(Choice("round", "Round"), Choice("square", "Square"))),
        Parameter("pace", "float", 0.0, "Pace", "Seconds for each side", 0.0, 1.0, advanced=True),
    ),
    stages=(StageSpec("shape", "Shaping", 0.7, {"sides": 1.0}), StageSpec("fire", "Firing", 0.3)),
    presets=(
        Preset("draft", "Draft", "Few sides", {"sides": 5}),
        Preset("balanced", "Balanced", "As usual"),
        Preset("best", "Best", "Many sides", {"sides": 24}),
    ),
    optional_components=(CLAY,),
)

SHARDS = TaskSpec(
    name="shards",
    label="Make Shards",
    description="Turn two images into the shards of a plate",
    delivery="parts",
    inputs=(
        InputSpec("image", "image", "Image", "Choose an image of a plate"),
        InputSpec("cracks", "image", "Cracks", "Choose an image of its cracks"),
    ),
    parameters=(Parameter("count", "int", 3, "Shards", "Number of shards", 1, 20, 1),),
    stages=_WORK,
    needs_weights=False,
)

REMESH = TaskSpec(
    name="remesh",
    label="Remesh",
    description="Replace each selected mesh by a plain box of its size",
    delivery="replace",
    selection="each",
    inputs=(_MESH,),
    parameters=(),
    stages=_WORK,
    needs_weights=False,
    seeded=False,
    suffix=" box",
)

SHELVE = TaskSpec(
    name="shelve",
    label="Sort by Height",
    description="Sort the selected objects into tall and flat ones",
    delivery="groups",
    selection="together",
    inputs=(InputSpec("meshes", "mesh", "Meshes", "Select mesh objects"),),
    parameters=(),
    stages=_WORK,
    needs_weights=False,
    seeded=False,
)

GLAZE = TaskSpec(
    name="glaze",
    label="Glaze",
    description="Give the selected objects a glaze of one color",
    delivery="material",
    selection="together",
    inputs=(
        InputSpec("mesh", "mesh", "Mesh", "Select mesh objects", needs=("uvs", "selection"),
                  texture_when={"base": ("current",)}),
        InputSpec("color", "image", "Color", "Choose an image of the color", required=False),
    ),
    needs_one_of=(("prompt", "color"),),
    parameters=(
        _PROMPT,
        Parameter("base", "choice", "bare", "Base", "What the glaze lies on",
                  choices=(Choice("bare", "Bare"), Choice("current", "Current Texture"))),
    ),
    stages=_WORK,
    needs_weights=False,
)

APPRAISE = TaskSpec(
    name="appraise",
    label="Appraise",
    description="Write a caption for the selected mesh",
    delivery="text",
    selection="each",
    inputs=(_MESH,),
    parameters=(),
    stages=_WORK,
    needs_weights=False,
    seeded=False,
)

SPEC = PipelineSpec(
    name="pottery",
    label="Pottery",
    summary="A potter's whole day",
    tasks=(THROW, SHARDS, REMESH, SHELVE, GLAZE, APPRAISE),
    weights=(
        WeightSet(
            name="plain",
            label="Plain",
            description="Needs no files",
            files=(),
            license=LICENSE,
            gigabytes=0.0,
            memory={"full": 0.1, "balanced": 0.05},
            tasks=("throw",),
            takes=("front",),
        ),
        WeightSet(
            name="glazed",
            label="Glazed",
            description="Needs the front view and uses the back view",
            files=(WeightFile("example/pottery", "glaze.npy", "glaze.npy"),),
            license=LICENSE,
            gigabytes=0.3,
            memory={"full": 0.2},
            tasks=("throw",),
            needs=("front",),
            components=(CLAY,),
            parameter_defaults={"height": 2.0},
            preset_values={"best": {"sides": 32}},
        ),
    ),
)
