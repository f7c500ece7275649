# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's tasks as jobs: a mesh file in, a mesh artifact out, in Blender's frame on both sides."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract import (
    BadInput,
    JobFolder,
    Progress,
    Request,
    Resources,
    Result,
    WeightSet,
    read_mesh,
)
from ...geometry.components import border_edges
from ...geometry.mesh import TriangleMesh
from ...geometry.normalization import Normalization
from .checkpoint import load_published
from .manifold_repair import repair
from .mesh_cleaning import clean_mesh
from .pipeline import SilksongPipeline
from .preview import WeavingPreview
from .quality import best_first
from .variants import Variant, result_of, woven_variants

LONGEST_SIDE = 1.9
"""Of the bounding box in the model's frame (spec section 1)."""
MOST_FACES = 2_000_000
"""More faces say nothing more about a shape that is woven with a few thousand, and cleaning them takes long."""


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> SilksongPipeline:
    """The published pipeline: float32 on a CPU, float16 elsewhere, as it was trained."""
    dtype = torch.float32 if resources.device == "cpu" else torch.float16
    return load_published(folder, dtype, resources.device, progress.loading)


def run(
    model: SilksongPipeline | None, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    """Do one request. `model` is None for repair_mesh only."""
    vertices, faces = read_mesh(folder.inputs / request.inputs["mesh"][0])
    _check(vertices, faces)
    if request.task == "repair_mesh":
        return _repair(vertices, faces, request, folder, progress)
    assert model is not None
    return _remesh(model, vertices, faces, request, folder, progress)


def _repair(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], request: Request, folder: JobFolder, progress: Progress
) -> Result:
    progress.stage("repair", 0, 1)
    repaired = repair(vertices, faces, time_limit_s=float(request.parameters["time_limit"]))
    progress.stage("repair", 1, 1)
    return result_of([Variant(repaired.vertices, repaired.faces, repaired.notes)], 1, request.subject, folder)


def _remesh(
    model: SilksongPipeline,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    request: Request,
    folder: JobFolder,
    progress: Progress,
) -> Result:
    options = request.parameters
    progress.stage("points", 0, 1)
    cleaned = clean_mesh(TriangleMesh(blender_to_y_up(vertices), faces))
    if cleaned.is_empty:
        raise BadInput("The mesh has no surface.", "All of its faces are without area.", "Select another mesh.")
    normalization = Normalization.to_box(cleaned.bounds, LONGEST_SIDE)

    def placed(positions: NDArray[np.floating]) -> NDArray[np.floating]:
        return y_up_to_blender(normalization.invert(positions))

    max_tokens = min(int(options["max_tokens"]), model.max_tokens)
    sequences = model(
        normalization.apply(cleaned.vertices),
        cleaned.faces,
        variants=options["variants"],
        temperature=options["temperature"],
        top_k=options["top_k"],
        top_p=options["top_p"],
        greedy=options["greedy"],
        grammar=options["grammar"],
        seed=request.seed,
        max_tokens=max_tokens,
        progress=progress.stage,
        streamer=WeavingPreview(folder, placed, progress.preview),
    )
    variants = woven_variants(sequences, max_tokens, placed, lambda done, of: progress.stage("decode", done, of))
    ranked = best_first(variants, TriangleMesh(vertices, faces), closed=not len(border_edges(cleaned.faces)),
                        check=lambda: progress.stage("quality", 0, 1), warn=progress.warn)
    progress.stage("quality", 1, 1)
    return result_of(ranked, options["variants"], request.subject, folder)


def blender_to_y_up(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(x, y, z) of Blender -> (x, z, -y) of the model, [N, 3]; a rotation, so windings stay."""
    x, y, z = positions.T
    return np.stack([x, z, -y], axis=1)


def y_up_to_blender(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse of `blender_to_y_up`."""
    x, y, z = positions.T
    return np.stack([x, -z, y], axis=1)


def _check(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None:
    if not len(faces):
        raise BadInput("The object has no faces.", "There is nothing but vertices or edges.",
                       "Select a mesh with faces.")
    if not np.isfinite(vertices).all():
        raise BadInput("The mesh is damaged.", "Some of its vertices are not at numbers.",
                       "Run Mesh > Clean Up in Blender, or select another object.")
    if len(faces) > MOST_FACES:
        raise BadInput(f"The mesh has {len(faces):,} faces.", f"At most {MOST_FACES:,} are taken.",
                       "Decimate it first: the result has a few thousand faces at the most.")
