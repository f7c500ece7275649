# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random weights of the form of SD 1.5 for texture jobs. Runs in the worker's process, without Blender."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

FOLDER = "MESHWRIGHT_TEST_TEXTURE_WEIGHTS"


def install() -> None:
    """Make the worker find them in the folder that the environment names; they are written once."""
    from backend.pipelines import registry
    from backend.worker import job_run
    from tests.flexisyncmvd.checkpoint_forms import write_set

    folder = Path(os.environ[FOLDER])
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            write_set(Path(draft) / "set", "sd15", ("depth", "tile")).rename(folder)
    spec = registry.spec("flexisyncmvd")
    small = replace(spec.weight_set("sd15"), bundled=True)  # these tell their own sizes, published ones do not
    registry.specs()["flexisyncmvd"] = replace(spec, weights=(small,))
    job_run.locate = lambda _spec, _weights, _models: folder
