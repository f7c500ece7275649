# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape passes what every pipeline must."""

from pathlib import Path

import trimesh

from backend.contract import MeshData
from tests.pipelines.common.images import shaded_disc
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial

from . import tiny_networks

BALL = trimesh.creation.icosphere(2)


class TestContract(PipelineContract):
    pipeline = "hunyuan3d_shape"
    trials = (
        Trial("generate_shape", {"image": shaded_disc(), "left": shaded_disc()}, {"steps": 3, "grid_resolution": "64"}),
        Trial("reconstruct", {"mesh": MeshData(BALL.vertices, BALL.faces)}, {"grid_resolution": "64"}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        pipeline = tiny_networks.tiny_pipeline(
            tiny_networks.tiny_two_stream(), tiny_networks.tiny_autoencoder(), tiny_networks.tiny_image_encoder(),
            named_views=True)
        tiny_networks.with_surface(pipeline).save_pretrained(folder)
