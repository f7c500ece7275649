# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker passes what every pipeline must."""

from pathlib import Path

import trimesh

from backend.contract import MeshData
from tests.pipelines.common.images import shaded_disc
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial
from tests.worker.tiny_partpacker import save_tiny_weights


def _boxes() -> tuple[MeshData, ...]:
    """Three boxes, each touching the next."""
    boxes = [trimesh.creation.box((1, 1, 1)).apply_translation([number * 0.98, 0, 0]) for number in range(3)]
    return tuple(MeshData(box.vertices, box.faces) for box in boxes)


class TestContract(PipelineContract):
    pipeline = "partpacker"
    trials = (
        Trial("generate_parts", {"image": shaded_disc()}, {"steps": 2, "guidance_scale": 2.0, "grid_resolution": "64"}),
        Trial("reconstruct", {"mesh": _boxes()[0]}, {"grid_resolution": "64"}),
        Trial("split_parts", {"meshes": _boxes()}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        save_tiny_weights(folder)
