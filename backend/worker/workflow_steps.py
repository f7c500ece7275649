# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the steps of a workflow with the worker's models."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..contract import BadInput, JobFolder, PipelineSpec, Request, Result
from ..pipelines import registry
from ..weights.location import locate
from ..workflows.step_progress import StepProgress
from ..workflows.workflow_spec import Option, names_in

Perform = Callable[[Request, PipelineSpec, JobFolder, StepProgress], Result]
"""Does a validated request with the models of the worker."""


@dataclass(frozen=True)
class WorkflowSteps:
    """What `run_workflow` asks of the worker. `models` is the folder of downloaded weights."""

    models: Path
    perform: Perform

    def option(self, value: str) -> Option:
        """Raises BadInput for a pipeline, task or weights that there are not."""
        pipeline, task, weights = names_in(value)
        spec = registry.spec(pipeline)
        found = spec.task(task)
        return Option(spec, found, spec.weight_set(weights) if found.needs_weights else None)

    def check(self, option: Option) -> None:
        """Raises MeshwrightError, with the remedy that downloads them, where weights are not installed."""
        if option.weights is None:
            return
        if not option.weights.serves(option.task.name):
            raise BadInput(f"{option.weights.label} cannot be used for {option.task.label}.",
                           "These weights serve other tasks.", "Choose another model for the step.")
        locate(option.pipeline, option.weights, self.models)

    def run(self, request: Request, folder: JobFolder, progress: StepProgress) -> Result:
        """Raises what the pipeline raises."""
        return self.perform(request, registry.spec(request.pipeline), folder, progress)
