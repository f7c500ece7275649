# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong as the artist sees it: a dense mesh to clean low poly in its place, a broken mesh to a manifold one."""

from ...contract import InputSpec, License, Parameter, PipelineSpec, StageSpec, TaskSpec, WeightFile, WeightSet
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
    description="Weave each selected mesh anew as clean low poly, in its place. The original is hidden, not deleted",
    inputs=(InputSpec("mesh", "mesh", "A mesh", "Select one mesh object", largest_batch=16),),
    parameters=(
        Parameter("variants", "int", 1, "Variants", "Meshes to weave at once: the best is shown, the others hidden",
                  1, 4, 1),
        Parameter("temperature", "float", 0.5, "Temperature", "Lower is tidier, higher is more varied", 0.1, 1.0, 0.05),
        Parameter("max_tokens", "int", 10240, "Longest", "Tokens at the most; a face takes about two", 512, 10240, 512),
        Parameter("top_k", "int", 50, "Top k", "Only this many of the likeliest tokens are drawn from", 1, 200, 1,
                  advanced=True),
        Parameter("top_p", "float", 0.95, "Top p", "Only the likeliest tokens with this share are drawn from",
                  0.5, 1.0, 0.01, advanced=True),
        Parameter("greedy", "bool", False, "Greedy", "Always take the likeliest token", advanced=True),
        Parameter("grammar", "bool", True, "Keep to the grammar", "Allow only tokens that continue a mesh",
                  advanced=True),
    ),
    stages=(
        StageSpec("points", "Sampling the surface", 0.02),
        StageSpec("condition", "Looking at the shape", 0.02),
        StageSpec("tokens", "Weaving", 0.92, {"max_tokens": 1.0, "variants": 0.3}),
        StageSpec("decode", "Making faces", 0.02),
        StageSpec("quality", "Comparing with the original", 0.02),
    ),
    suffix=" low",
)

REPAIR_MESH = TaskSpec(
    name="repair_mesh",
    label="Repair Mesh",
    description="Split vertices and edges where more than one surface meets, and wind all faces alike, on a fine grid",
    inputs=(InputSpec("mesh", "mesh", "A mesh", "Select one mesh object"),),
    parameters=(
        Parameter("time_limit", "float", 20.0, "Time limit", "Seconds until what is left is reported instead of mended",
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
            label="Starter",
            description="Small weights that came with Meshwright. They know simple solids and things made of a few",
            files=(),
            license=STARTER_LICENSE,
            gigabytes=0.008,
            memory_gib=0.5,
            bundled=True,
            parameter_defaults={"max_tokens": 1024},
        ),
        WeightSet(
            name="published",
            label="Published",
            description="The public 100 K model",
            files=(WeightFile("gcsong/mesh_silksong", "release-100K/model.safetensors",
                              "release-100K/model.safetensors"),),
            license=SILKSONG_LICENSE,
            gigabytes=2.3,
            memory_gib=3.0,
        ),
    ),
)
