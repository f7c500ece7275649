# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong passes what every pipeline must."""

from pathlib import Path

import trimesh

from backend.contract import MeshData
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial
from tests.silksong.tiny_networks import tiny_pipeline

BALL, BOX = trimesh.creation.icosphere(1), trimesh.creation.box((1, 2, 3))
MESHES = tuple(MeshData(shape.vertices, shape.faces) for shape in (BALL, BOX))


class TestContract(PipelineContract):
    pipeline = "silksong"
    trials = (
        Trial("remesh", {"mesh": MESHES[0]}, {"variants": 2}),
        Trial("remesh", {"mesh": MESHES}, note="batch"),
        Trial("repair_mesh", {"mesh": MESHES[1]}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        tiny_pipeline(60).save_pretrained(folder)
