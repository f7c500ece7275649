# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD passes what every pipeline must."""

from pathlib import Path

import pytest

from backend.contract.parameter import Value
from tests.flexisyncmvd.checkpoint_forms import write_set
from tests.painting.boxes import painted_box
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial

FAST: dict[str, Value] = {"steps": 5, "latent_view_size": "32", "texture_size": "512", "views": 4, "top_cameras": False,
        "guidance_scale": 2.0, "log_interval": 2, "negative_prompt": "blurry"}


@pytest.mark.usefixtures("small_views")
class TestContract(PipelineContract):
    pipeline = "flexisyncmvd"
    trials = (
        Trial("texture", {"mesh": (painted_box(), painted_box((3, 0, 0)))},
              {**FAST, "guide": True, "prompt": "a red chair"}),
    )

    def write_weights(self, folder: Path, weights: str) -> None:
        write_set(folder, "sd15", adapter=True)
