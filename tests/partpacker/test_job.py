# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading PartPacker's starter weights for a job, and what the artist is told of it."""

from pathlib import Path

import pytest

from backend.contract import Resources
from backend.pipelines.partpacker.job import load
from backend.pipelines.partpacker.spec import SPEC
from backend.weights.location import locate


class Remarks:
    """A progress that keeps the remarks and goes on."""

    def __init__(self):
        self.warnings = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def loading(self, what: str) -> None:
        assert what

    def check(self) -> None:
        """Never stops."""


@pytest.mark.parametrize("mode", ["full", "low"])
def test_a_memory_mode_without_a_gpu_changes_nothing_and_says_so(mode):
    (weights,) = (weights for weights in SPEC.weights if weights.bundled)
    progress = Remarks()
    resources = Resources("cpu", memory_mode=mode)
    model = load(weights, locate(SPEC, weights, Path()), resources, progress)
    assert {parameter.device.type for parameter in model.pipeline.denoiser.parameters()} == {"cpu"}
    assert not hasattr(model.pipeline.denoiser, "_hf_hook")
    assert ["this one has no effect" in said for said in progress.warnings] == ([True] if mode == "low" else [])
