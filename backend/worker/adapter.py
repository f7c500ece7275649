# SPDX-License-Identifier: GPL-3.0-or-later
"""How the worker reaches a pipeline: the module `job` in its folder, imported when first needed."""

import importlib
import sys
from pathlib import Path
from typing import Any, Protocol

from ..contract import JobFolder, Progress, Request, Resources, Result, WeightSet
from ..pipelines import registry
from ..workflows.workflow_spec import model_parameter, names_in


class Adapter(Protocol):
    """What `backend/pipelines/<name>/job.py` offers."""

    def load(self, weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Any:
        """The model of one set of weights, read from `folder`, ready to run."""

    def run(
        self, model: Any, request: Request, folder: JobFolder, resources: Resources, progress: Progress
    ) -> Result:
        """Do a validated request. `model` is None for a task that needs no weights. Files go to `folder.outputs`."""


def find_adapter(pipeline: str) -> Adapter:
    """The pipeline's adapter. Raises BadInput when there is no such pipeline. The first call imports its libraries."""
    return importlib.import_module(_module_name(pipeline))


def adapter_is_imported(pipeline: str) -> bool:
    """Whether `find_adapter` answers at once. Raises BadInput when there is no such pipeline."""
    return _module_name(pipeline) in sys.modules


def pipelines_of(request: Request) -> tuple[str, ...]:
    """Names of the pipelines that do the request: one, but for a workflow those of its steps."""
    if request.pipeline != registry.WORKFLOW:
        return (request.pipeline,)
    steps = registry.chain(request.task).steps
    chosen = [str(request.parameters.get(model_parameter(step), "")) for step in steps]
    return tuple(dict.fromkeys(names_in(value)[0] for value in chosen if value))


def _module_name(pipeline: str) -> str:
    return f"{registry.__package__}.{registry.spec(pipeline).name}.job"
