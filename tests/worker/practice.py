# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline for tests of the worker: it does on request what real ones do by accident.

`install()` puts it beside the real pipelines; the product does not know of it.
"""

import ctypes
import os
import sys
import time
import types
from pathlib import Path

import numpy as np

from backend.contract import (
    Artifact,
    InputSpec,
    JobFolder,
    License,
    MeshData,
    Parameter,
    PipelineSpec,
    Request,
    Resources,
    Result,
    StageSpec,
    TaskSpec,
    WeightSet,
)
from backend.pipelines import registry

TASK = TaskSpec(
    "walk", "Walk", "Take steps", "object", (InputSpec("image", "image", "Image", "Of anything", required=False),),
    (
        Parameter("steps", "int", 20, "Steps", "How many", 1, 100000),
        Parameter("pause", "float", 0.0, "Pause", "Seconds a step", 0, 10),
        Parameter("fault", "text", "", "Fault", "What goes wrong"),
        Parameter("resolution", "int", 4, "Resolution", "Cells", 1, 512),
    ),
    (StageSpec("sample", "Sampling", 0.5, {"steps": 1.0}), StageSpec("decode", "Decoding", 0.5)),
)
LICENSE = License("None", "", "", True)
SPEC = PipelineSpec(
    "practice", "Practice", "For tests", (TASK,),
    (WeightSet("small", "Small", "", (), LICENSE, 0.0, {"full": 0.1}, bundled=True),
     WeightSet("other", "Other", "", (), LICENSE, 0.0, {"full": 0.1}, bundled=True)),
)
TOO_MUCH = 1 << 60


def install(starter: Path | None = None) -> None:
    """Make the worker find this pipeline, whose weights need no files, and PartPacker's starter weights in a folder."""
    registry.specs()["practice"] = SPEC
    module = types.ModuleType("backend.pipelines.practice.job")
    module.load, module.run = load, run
    sys.modules[module.__name__] = module
    from backend.worker import job_run

    real = job_run.locate

    def locate(spec, weights, models):
        if spec is SPEC:
            return models
        return starter if starter and weights.bundled else real(spec, weights, models)

    job_run.locate = locate


SLOW_LOAD_STEPS = 100  # of 0.05 s, for the weights "other"


def load(weights, folder, resources: Resources, progress):
    for number in range(SLOW_LOAD_STEPS if weights.name == "other" else 1):
        progress.loading(f"tensor {number}")
        time.sleep(0.05)
    return {"weights": weights.name, "runs": 0}


def run(model, request: Request, folder: JobFolder, resources: Resources, progress) -> Result:
    options = request.parameters
    model["runs"] += 1
    FAULTS.get(options["fault"], lambda *_: None)(folder, resources, model)
    draw = np.random.default_rng(request.seed)
    vertices = np.zeros((3, 3), np.float32)
    progress.stage("sample", 0, options["steps"])
    for step in range(options["steps"]):
        time.sleep(options["pause"])
        vertices += draw.standard_normal((3, 3)).astype(np.float32)
        progress.stage("sample", step + 1, options["steps"])
        if options["fault"] == "previews":
            _show(folder, step + 1, progress)
    for step in range(5):
        time.sleep(options["pause"])
        progress.stage("decode", step + 1, 5)
    MeshData(vertices, np.array([[0, 1, 2]])).write(folder.outputs / "mesh.npz")
    return Result((Artifact(request.subject, "mesh", "mesh.npz", "mesh",
                            properties={"scale": resources.chunk_scale, "runs": model["runs"]}),))


def _show(folder, triangles, progress):
    corners = np.random.default_rng(0).standard_normal((3 * triangles, 3))
    MeshData(corners, np.arange(3 * triangles).reshape(-1, 3)).write(folder.outputs / "preview.npz")
    progress.preview("preview.npz")


def _print(*_):
    print("a library prints")
    os.write(1, b'{"event": "done"}\nraw bytes on descriptor 1\n')
    ctypes.CDLL(None).puts(b"C prints too")
    os.system("echo a grandchild prints; cat > /dev/null")


def _out_of_memory(_folder, resources, _model):
    import torch

    if resources.chunk_scale == 1:
        torch.empty(TOO_MUCH, dtype=torch.uint8)


def _hopeless(*_):
    import torch

    torch.empty(TOO_MUCH, dtype=torch.uint8)


def _stuck(*_):
    while True:  # a library call that never comes back, and never asks whether to stop
        time.sleep(0.1)


def _stuck_with_lock(*_):
    ctypes.PyDLL(None).sleep(60)  # keeps Python's global lock


def _mistake(*_):
    raise ZeroDivisionError("a mistake in a library")


FAULTS = {
    "print": _print, "memory": _out_of_memory, "hopeless": _hopeless,
    "stuck": _stuck, "stuck with lock": _stuck_with_lock, "mistake": _mistake,
}
