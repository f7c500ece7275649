# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked for a set of weights. Every pipeline has these tasks; the worker does them itself."""

from .parameter import Parameter
from .task_spec import StageSpec, TaskSpec


def _task(name: str, label: str, description: str, parameters: tuple[Parameter, ...] = (),
          stages: tuple[StageSpec, ...] = ()) -> TaskSpec:
    """Its result is a remark; it needs no input, no weights that are there already, and no seed."""
    return TaskSpec(name, label, description, "text", (), parameters, stages, needs_weights=False, seeded=False)


DOWNLOAD_WEIGHTS = _task(
    "download_weights", "Download Weights", "Fetch a published checkpoint, after its license was accepted",
    (Parameter("accepted_licenses", "text", "", "Accepted licenses",
               "Names of the licenses that the artist was shown and accepted, one a line", multiline=True),),
)
VERIFY_WEIGHTS = _task(
    "verify_weights", "Verify Weights", "Read every file once and compare it with its published checksum",
    stages=(StageSpec("verify", "Checking files", 1.0),),
)
IMPORT_WEIGHTS = _task(
    "import_weights", "Import Weights", "Copy files of a checkpoint that are on this computer already",
    (Parameter("sources", "text", "", "Files", "Files or folders to copy from, one a line", multiline=True),),
    (StageSpec("copy", "Copying files", 1.0),),
)
REMOVE_WEIGHTS = _task(
    "remove_weights", "Delete Weights",
    "Delete a downloaded checkpoint, and the shared models that only it needs",
)
WEIGHTS_TASKS = (DOWNLOAD_WEIGHTS, VERIFY_WEIGHTS, IMPORT_WEIGHTS, REMOVE_WEIGHTS)
