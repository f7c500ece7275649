# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random weights of the form of SD 1.5 for texture jobs. Runs in the worker's process, without Blender."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from . import watched_previews

FOLDER = "MESHWRIGHT_TEST_TEXTURE_WEIGHTS"
TOO_LARGE = "an image too large for the memory"
"""The prompt at which the memory runs out."""


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
    watched_previews.install()
    _run_out_of_memory_at(TOO_LARGE)


def _run_out_of_memory_at(prompt: str) -> None:
    import torch

    from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline

    paint = FlexiSyncMVDPipeline.__call__

    def scarce(self, scene, wanted, *others, **options):
        if wanted == prompt:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return paint(self, scene, wanted, *others, **options)

    FlexiSyncMVDPipeline.__call__ = scarce
