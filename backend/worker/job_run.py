# SPDX-License-Identifier: GPL-3.0-or-later
"""One job from its folder to its one terminal event: check, load, run, retry once when memory was short, report."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..contract import (
    WEIGHTS_TASKS,
    BadInput,
    Cancelled,
    CancelledEvent,
    Done,
    Event,
    Failed,
    JobFolder,
    MeshwrightError,
    PipelineSpec,
    Request,
    Resources,
    Result,
)
from ..contract.engine_end import is_driver_failure
from ..contract.timed_run import TimedRun
from ..pipelines import registry
from ..weights.location import installed_components, locate
from ..workflows.step_progress import JobReport
from . import devices
from .adapter import find_adapter
from .failure import out_of_memory_error, report_of
from .job import WorkerJob
from .memory_modes import choose_mode, next_lower, shortage
from .models import ModelStore
from .progress import JobProgress
from .settings import AUTO, Settings
from .thumbnail import keep_thumbnail
from .time_left import Estimate, Statistics
from .weights_tasks import perform_weights_task
from .workflow_steps import WorkflowSteps

PACKAGE = __name__.rpartition(".worker.")[0]
logger = logging.getLogger(__name__)

RETRY_CHUNK_SCALE = 0.25


class JobRunner:
    """Runs jobs with the models, devices and times of one worker."""

    def __init__(self, settings: Settings, models: ModelStore, statistics: Statistics) -> None:
        self._settings, self._models, self._statistics = settings, models, statistics
        self.device_lost = False
        """Whether the GPU's driver gave up: no further job can run in this process."""

    def run(self, job: WorkerJob) -> None:
        """Run the job to its end. Raises nothing: exactly one terminal event reports the outcome."""
        job.report(self._outcome(job))

    def _outcome(self, job: WorkerJob) -> Event:
        outcome: Event | None = None
        try:
            _demand_folder(job)
            with _job_log(job):
                outcome = self._logged_outcome(job)
        except (OSError, BadInput) as error:  # there is no log to write to
            # A log that could not be closed changes nothing of an outcome: the result is on the disk.
            return outcome or self._failed(job, error)
        return outcome

    def _logged_outcome(self, job: WorkerJob) -> Event:
        try:
            result = self._perform(job)
            keep_thumbnail(job.folder, result)
            job.folder.write_result(result)
            return Done(job.name, result)
        except Cancelled:
            logger.info("Cancelled")
            return CancelledEvent(job.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  the process boundary: a job's failure is data
            return self._failed(job, error)

    def _failed(self, job: WorkerJob, error: Exception | SystemExit) -> Failed:
        report = report_of(error, job.folder.path)
        self.device_lost |= is_driver_failure(str(error))
        logger.error("%s", report, exc_info=error)
        try:
            if job.kept:
                job.folder.write_error(report)
        except MeshwrightError as unwritable:
            logger.warning("The error is not kept: %s", unwritable)
        return Failed(job.name, report)

    def _perform(self, job: WorkerJob) -> Result:
        request, spec = _read(job)
        logger.info("%s by %s with weights %s, seed %d, %s", request.task, request.pipeline, request.weights,
                    request.seed, dict(request.parameters))
        if request.task in {task.name for task in WEIGHTS_TASKS}:
            return perform_weights_task(job, request, spec, self._settings.models, self._models)
        resources = self._resources(request, spec)
        try:
            return self._attempt(job, request, spec, resources)
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            logger.warning("Out of memory; trying again in smaller chunks: %s", error)
            # The frames in the traceback still hold the tensors that filled the memory.
            traceback.clear_frames(error.__traceback__)
        self._models.free()
        try:
            return self._attempt(job, request, spec, self._smaller(request, spec, resources))
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            self._models.free()
            raise out_of_memory_error(spec.task(request.task), resources.device, str(error)) from error

    def _resources(self, request: Request, spec: PipelineSpec) -> Resources:
        installed = installed_components(spec.components, self._settings.models)
        resources = replace(devices.resources(self._settings), components=installed)
        if not spec.task(request.task).needs_weights:
            return resources
        weights, asked = spec.weight_set(request.weights), self._settings.memory_mode
        if asked == AUTO and (loaded := self._models.mode_of(spec, weights, resources)):
            return replace(resources, memory_mode=loaded)
        mode = choose_mode(asked, weights, lambda: devices.available_gib(resources.device))
        return replace(resources, memory_mode=mode)

    def _smaller(self, request: Request, spec: PipelineSpec, resources: Resources) -> Resources:
        """Smaller chunks for a second attempt, and the next lower memory mode where the artist left it to us."""
        smaller = replace(resources, chunk_scale=RETRY_CHUNK_SCALE)
        if self._settings.memory_mode != AUTO or not spec.task(request.task).needs_weights:
            return smaller
        return replace(smaller, memory_mode=next_lower(resources.memory_mode, spec.weight_set(request.weights)))

    def _attempt(self, job: WorkerJob, request: Request, spec: PipelineSpec, resources: Resources) -> Result:
        task = spec.task(request.task)
        # A batch takes longer than one of its files and a lower mode than a faster one: each has times of its own.
        batch = max((len(request.inputs.get(wanted.name, ())) for wanted in task.inputs if wanted.batch > 1), default=1)
        kind = f"{spec.name}/{task.name}/{request.weights}/{resources.device}" + (f"/{batch}" if batch > 1 else "")
        kind += f"/{resources.memory_mode}" if resources.memory_mode != "full" else ""
        progress = JobProgress(job, task, Estimate(task, request.parameters, self._statistics.latest(kind)))
        result = self._run(request, spec, job.folder, resources, progress)
        self._statistics.record(kind, TimedRun(request.parameters, progress.seconds))
        notes = (*result.notes, *(note for note in progress.notes if note not in result.notes))
        return replace(result, seconds=progress.seconds, notes=notes)

    def _run(self, request: Request, spec: PipelineSpec, folder: JobFolder, resources: Resources, progress: JobReport
             ) -> Result:
        """What the pipeline makes of a validated request; a workflow comes back here with each of its steps."""
        if spec.name == registry.WORKFLOW:
            from ..workflows.run import run_workflow  # it brings torch along, which a greeting does not wait for

            def perform(step: Request, of: PipelineSpec, own: JobFolder, report: JobReport) -> Result:
                step_resources = self._resources(step, of)
                return self._run(step, of, own, replace(step_resources, chunk_scale=resources.chunk_scale), report)

            return run_workflow(registry.chain(request.task), request, folder, progress,
                                WorkflowSteps(self._settings.models, perform))
        needs_weights = spec.task(request.task).needs_weights
        model = self._model(request, spec, resources, progress) if needs_weights else None
        progress.check()
        with devices.attention_within_memory(resources.device):
            result = find_adapter(spec.name).run(model, request, folder, resources, progress)
        progress.check()
        return result

    def _model(self, request: Request, spec: PipelineSpec, resources: Resources, progress: JobReport) -> Any:
        weights = spec.weight_set(request.weights)

        def load() -> Any:
            folder = locate(spec, weights, self._settings.models)
            if lack := shortage(resources.memory_mode, weights, devices.available_gib(resources.device)):
                progress.warn(lack)
            with progress.outside_stages("loading"):
                return find_adapter(spec.name).load(weights, folder, resources, progress)

        return self._models.get(spec, weights, resources, load)


def _demand_folder(job: WorkerJob) -> None:
    if not job.folder.exists():
        raise BadInput("This job's folder no longer exists.", f"There is no job in {job.folder.path}.",
                       "Start the job again.")


def _read(job: WorkerJob) -> tuple[Request, PipelineSpec]:
    request = job.folder.read_request()
    if request.pipeline == registry.WORKFLOW:
        registry.use_workflows(registry.workflows_folder())  # one may have been saved since this process started
    spec = registry.spec(request.pipeline)
    if request.job != job.name:
        raise BadInput("This job's folder is another job's.", f"It holds {request.job!r}, not {job.name!r}.",
                       "Start the job again.")
    return request.validated(spec), spec


@contextmanager
def _job_log(job: WorkerJob) -> Iterator[None]:
    """Everything that is logged meanwhile also goes into the job's log.txt. Raises OSError if it cannot be opened."""
    handler = logging.FileHandler(job.folder.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package, root = logging.getLogger(PACKAGE), logging.getLogger()
    level = package.level
    package.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        package.setLevel(level)
        handler.close()
