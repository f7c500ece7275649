# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's tasks as jobs: mesh files in, mesh artifacts out, in Blender's frame on both sides."""

from pathlib import Path

import torch

from ...contract import BadInput, JobFolder, Progress, Request, Resources, Result, WeightSet
from ...geometry.manifold_repair import repair
from .checkpoint import load_published
from .pipeline import SilksongPipeline
from .remeshing import Remeshing
from .surface import no_surface, read_checked
from .variants import Variant, result_of

MOST_FACES_TO_REPAIR = 2_000_000
"""More would take minutes."""


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> SilksongPipeline:
    """The pipeline in float32 for the small starter weights and on CPUs, else in float16, as it was trained."""
    if weights.bundled:
        progress.loading("starter weights")
        return SilksongPipeline.from_pretrained(folder).place(resources.device)
    dtype = torch.float32 if resources.device == "cpu" else torch.float16
    return load_published(folder, dtype, resources.device, progress.loading)


def run(
    model: SilksongPipeline | None, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    """Do one request. `model` is None for repair_mesh only."""
    if request.task == "repair_mesh":
        return _repair(request, folder, progress)
    assert model is not None
    return Remeshing(model, request, folder, resources, progress).run()


def _repair(request: Request, folder: JobFolder, progress: Progress) -> Result:
    progress.stage("repair", 0, 1)
    mesh = read_checked(folder.inputs / request.inputs["mesh"][0])
    if len(mesh.faces) > MOST_FACES_TO_REPAIR:
        raise BadInput(f"The mesh has {len(mesh.faces):,} faces.", f"At most {MOST_FACES_TO_REPAIR:,} are repaired.",
                       "Decimate it first, or repair its parts one by one.")
    repaired = repair(mesh.vertices, mesh.faces, time_limit_s=float(request.parameters["time_limit"]))
    if not len(repaired.faces):
        raise no_surface()
    progress.stage("repair", 1, 1)
    return result_of([Variant(repaired.vertices, repaired.faces, repaired.notes)], 1, request.subject, folder)
