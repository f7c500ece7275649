# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D passes what every pipeline must: an object from a prompt or an image, a caption by views and by tokens."""

from pathlib import Path
from typing import Any

import pytest

from backend.contract import Resources, WeightSet
from backend.pipelines.sar3d import job
from backend.pipelines.sar3d.spec import CAPTIONER
from tests.pipelines.common.images import shaded_disc
from tests.pipelines.contract import PipelineContract
from tests.pipelines.trials import Trial, WatchedProgress

from .test_job import coarse_surface
from .test_understanding import TinyPublished, box, save_tiny_captioner, save_tiny_llama
from .tiny_networks import tiny_pipeline

TOKENS = "published"
WORDS = [f"word{number}" for number in range(40)]


class TestContract(PipelineContract):
    pipeline = "sar3d"
    trials = (
        Trial("generate_instant", {"image": shaded_disc()}, {"top_k": 100, "top_p": 0.0}, note="image"),
        Trial("generate_instant", {}, {"prompt": "a red chair", "variants": 2, "top_k": 100, "top_p": 0.0,
                                       "surface": "density", "resolution": 64}, note="prompt"),
        Trial("describe", {"mesh": box()}, weights=CAPTIONER, note="views"),
        Trial("describe", {"mesh": box()}, lambda folder: {"language_model": str(folder / "llm")}, TOKENS, "tokens"),
    )

    @pytest.fixture(autouse=True)
    def coarse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Surfaces on coarse grids."""
        monkeypatch.setattr(job, "SurfaceSettings", coarse_surface)

    def write_weights(self, folder: Path, weights: str) -> None:
        if weights == CAPTIONER:
            save_tiny_captioner(folder)
        elif weights == TOKENS:
            save_tiny_llama(folder / "llm", words=WORDS)
        else:
            tiny_pipeline(folder.with_name("files"), "density").save_pretrained(folder)

    def load(self, trial: Trial, weights: WeightSet, folder: Path, resources: Resources,
             progress: WatchedProgress) -> Any:
        """The published networks that only see tokens are tiny, too."""
        return TinyPublished(folder, resources) if weights.name == TOKENS else \
            super().load(trial, weights, folder, resources, progress)
