# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong as the artist sees it: a dense mesh becomes clean low poly in its place, a broken mesh a manifold."""

from ...contract import (
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
from ..common.starter_license import STARTER_LICENSE

SILKSONG_LICENSE = License(
    name="Mesh Silksong model page",
    url="https://huggingface.co/gcsong/mesh_silksong",
    text=(
        "Mesh Silksong's code is under the MIT license. No license is known to us for its weights, which also hold "
        "fine-tuned weights of Michelangelo; the terms on the model page were not verified. Read them there before you "
        "accept, and do not rely on commercial use unless they allow it."
    ),
    commercial_use=False,
)

REMESH = TaskSpec(
    name="remesh",
    label="Remesh",
    icon="MOD_REMESH",
    description="Rebuild each selected mesh as clean low poly in its place. The original is hidden, not deleted",
    delivery="replace",
    selection="each",
    inputs=(InputSpec("mesh", "mesh", "Mesh", "Select a mesh object", batch=16),),
    parameters=(
        Parameter("variants", "int", 1, "Variants", "Meshes to build at once: the best is shown, the others are hidden",
                  1, 4, 1),
        Parameter("temperature", "float", 0.5, "Temperature", "Lower is tidier, higher is more varied", 0.1, 1.0, 0.05),
        Parameter("max_faces", "int", 5000, "Max Faces", "Generation stops here. Most meshes have fewer",
                  200, 5000, 100),
        Parameter("top_k", "int", 50, "Top K", "Draw from this many of the likeliest tokens", 1, 200, 1,
                  advanced=True, group="Sampling"),
        Parameter("top_p", "float", 0.95, "Top P", "Draw from the likeliest tokens that add up to this share",
                  0.5, 1.0, 0.01, advanced=True, group="Sampling"),
        Parameter("greedy", "bool", False, "Greedy", "Always take the likeliest token", advanced=True,
                  group="Sampling"),
        Parameter("grammar", "bool", True, "Valid Tokens Only", "Allow only tokens that continue a mesh",
                  advanced=True, group="Sampling"),
    ),
    stages=(
        StageSpec("points", "Sampling surface", 0.02),
        StageSpec("condition", "Encoding shape", 0.02),
        StageSpec("tokens", "Building mesh", 0.92, {"max_faces": 1.0, "variants": 0.3}),
        StageSpec("decode", "Decoding faces", 0.02),
        StageSpec("quality", "Measuring quality", 0.02),
    ),
    presets=(
        Preset("draft", "Draft", "At most 2,000 faces", {"max_faces": 2000}),
        Preset("balanced", "Balanced", "One mesh"),
        Preset("best", "Best", "The best of four meshes", {"variants": 4}),
    ),
    suffix=" low",
)

REPAIR_MESH = TaskSpec(
    name="repair_mesh",
    label="Repair Mesh",
    description="Split vertices and edges where several surfaces meet, and make normals consistent, on a fine grid",
    delivery="replace",
    selection="each",
    inputs=(InputSpec("mesh", "mesh", "Mesh", "Select a mesh object"),),
    parameters=(
        Parameter("time_limit", "float", 20.0, "Time Limit", "Seconds until problems are reported, not repaired",
                  1.0, 600.0, 1.0, advanced=True),
    ),
    stages=(StageSpec("repair", "Repairing", 1.0),),
    needs_weights=False,
    seeded=False,
)

SPEC = PipelineSpec(
    name="silksong",
    label="Mesh Silksong",
    summary="A dense mesh becomes artist-like low poly",
    tasks=(REMESH, REPAIR_MESH),
    weights=(
        WeightSet(
            name="starter",
            label="Demo",
            description="Demo model (included). Handles simple solids and objects made of a few of them",
            files=(),
            license=STARTER_LICENSE,
            gigabytes=0.008,
            memory={"full": 0.5},
            bundled=True,
            parameter_defaults={"max_faces": 500},
            preset_values={"draft": {"max_faces": 250}},
        ),
        WeightSet(
            name="published",
            label="Published",
            description="The public 100 K model",
            files=(WeightFile("gcsong/mesh_silksong", "release-100K/model.safetensors",
                              "release-100K/model.safetensors"),),
            license=SILKSONG_LICENSE,
            gigabytes=2.3,
            memory={"full": 3.0},
        ),
    ),
)
