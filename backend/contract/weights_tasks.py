# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked for a set of weights. Every pipeline has these tasks; the worker does them itself."""

from .parameter import Parameter
from .task_spec import StageSpec, TaskSpec

DOWNLOAD_WEIGHTS = TaskSpec(
    name="download_weights",
    label="Download Weights",
    description="Fetch a published checkpoint, after its license was accepted",
    delivery="text",
    inputs=(),
    parameters=(Parameter("accepted_licenses", "text", "", "Accepted licenses",
                          "Names of the licenses that the artist was shown and accepted, one a line", multiline=True),),
    stages=(),
    needs_weights=False,
    seeded=False,
)

VERIFY_WEIGHTS = TaskSpec(
    name="verify_weights",
    label="Verify Weights",
    description="Read every file once and compare it with its published checksum",
    delivery="text",
    inputs=(),
    parameters=(),
    stages=(StageSpec("verify", "Checking files", 1.0),),
    needs_weights=False,
    seeded=False,
)

IMPORT_WEIGHTS = TaskSpec(
    name="import_weights",
    label="Import Weights",
    description="Copy files of a checkpoint that are on this computer already",
    delivery="text",
    inputs=(),
    parameters=(Parameter("sources", "text", "", "Files", "Files or folders to copy from, one a line",
                          multiline=True),),
    stages=(StageSpec("copy", "Copying files", 1.0),),
    needs_weights=False,
    seeded=False,
)

REMOVE_WEIGHTS = TaskSpec(
    name="remove_weights",
    label="Delete Weights",
    description="Delete a downloaded checkpoint, and the shared models that only it needs",
    delivery="text",
    inputs=(),
    parameters=(),
    stages=(),
    needs_weights=False,
    seeded=False,
)

WEIGHTS_TASKS = (DOWNLOAD_WEIGHTS, VERIFY_WEIGHTS, IMPORT_WEIGHTS, REMOVE_WEIGHTS)
