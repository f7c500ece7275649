# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs about weights themselves: download, verify, import, delete."""

from pathlib import Path

from ..contract import (
    DOWNLOAD_WEIGHTS,
    IMPORT_WEIGHTS,
    VERIFY_WEIGHTS,
    WEIGHTS_TASKS,
    PipelineSpec,
    Request,
    Result,
    WeightSet,
)
from ..pipelines import registry
from ..weights.own_files import import_files
from ..weights.removal import remove
from ..weights.verification import verify
from .job import WorkerJob
from .models import ModelStore
from .progress import JobProgress
from .time_left import Estimate


def perform_weights_task(job: WorkerJob, request: Request, spec: PipelineSpec, models_folder: Path,
                         models: ModelStore) -> Result:
    """Do what one of `WEIGHTS_TASKS` asks for. A model whose files change is unloaded. Raises MeshwrightError and
    Cancelled."""
    task = next(task for task in WEIGHTS_TASKS if task.name == request.task)
    weights = spec.weight_set(request.weights)
    progress = JobProgress(job, task, Estimate(task, request.parameters, None))
    if task is not VERIFY_WEIGHTS:
        models.forget(spec, weights)  # Windows deletes and replaces no file that is open
    if task is DOWNLOAD_WEIGHTS:
        words = _download(request, spec, weights, models_folder, progress)
    elif task is VERIFY_WEIGHTS:
        words = verify(spec, weights, models_folder, progress)
    elif task is IMPORT_WEIGHTS:
        sources = [Path(line) for line in str(request.parameters["sources"]).splitlines() if line.strip()]
        words = import_files(spec, weights, models_folder, sources, progress)
    else:
        removed = remove(spec, weights, models_folder)
        words = f"Deleted {', '.join(removed.labels)}: {removed.bytes / 1e9:.2f} GB."
    return Result((), progress.seconds, (*progress.notes, words))


def _download(request: Request, spec: PipelineSpec, weights: WeightSet, models_folder: Path,
              progress: JobProgress) -> str:
    from ..weights.download import download  # the hub's library takes a second to import

    with progress.outside_stages("downloading"):
        folder = download(spec, weights, models_folder, str(request.parameters["accepted_licenses"]), progress)
    shared = f", shared models in {folder.parents[1] / registry.SHARED}" if weights.components else ""
    return f"{weights.label} weights are in {folder}{shared}."
