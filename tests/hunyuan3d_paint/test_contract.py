# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D paint passes what every pipeline must."""

from pathlib import Path

from tests.hunyuan3d_paint.conftest import tiny_pipeline
from tests.painting.boxes import painted_box
from tests.pipelines.common.images import shaded_disc
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial


class TestContract(PipelineContract):
    pipeline = "hunyuan3d_paint"
    trials = (
        Trial("paint", {"mesh": (painted_box(), painted_box((3, 0, 0))), "image": shaded_disc()},
              {"steps": 5, "view_size": "64", "texture_size": "512", "guidance_scale": 2.0}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        tiny_pipeline().save_pretrained(folder)
