# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.flexisyncmvd.worker_child WEIGHTS …` is `python -m backend …` with a tiny set of texture weights.

WEIGHTS is the folder of the set, which stands for a downloaded one.
"""

import sys
from dataclasses import replace
from pathlib import Path

from backend.command_line import main
from backend.contract import WeightSet
from backend.pipelines import registry
from backend.pipelines.flexisyncmvd.spec import SPEC

TINY = WeightSet("tiny", "Tiny", "", (), SPEC.weights[0].license, 0.0, {"full": 0.1}, bundled=True)
TINY_SPEC = replace(SPEC, weights=(TINY,))


def install(folder: Path) -> None:
    """Make the worker find the tiny set."""
    from backend.worker import job_run

    registry.specs()["flexisyncmvd"] = TINY_SPEC
    job_run.locate = lambda _spec, _weights, _models: folder


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
