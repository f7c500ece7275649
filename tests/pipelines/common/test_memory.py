# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory modes: what waits on the CPU, and what brings it to the device."""

import pytest
import torch

from backend.contract import MEMORY_MODES, MemoryMode, Resources
from backend.pipelines.common.memory import available_device, begin_offload, offloads, resting_device


class Recorder:
    """Takes the place of a pipeline and notes what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def enable_model_cpu_offload(self, device: str) -> None:
        self.calls.append(("components", device))

    def enable_sequential_cpu_offload(self, device: str) -> None:
        self.calls.append(("layers", device))


@pytest.mark.parametrize(("mode", "expected"), [
    ("full", []), ("balanced", [("components", "cuda:1")]), ("low", [("layers", "cuda:1")])])
def test_each_mode_brings_as_much_at_a_time_as_it_says(mode: MemoryMode, expected: list) -> None:
    pipeline, resources = Recorder(), Resources("cuda:1", memory_mode=mode)
    begin_offload(pipeline, resources)
    assert pipeline.calls == expected
    assert resting_device(resources) == ("cuda:1" if mode == "full" else "cpu")


def test_on_a_cpu_all_modes_are_the_same() -> None:
    for mode in MEMORY_MODES:
        resources = Resources("cpu", memory_mode=mode)
        assert not offloads(resources) and resting_device(resources) == "cpu"


def test_a_device_that_is_absent_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    absent = f"cuda:{torch.cuda.device_count()}"
    assert available_device(absent, "cpu") == torch.device("cpu")
    assert absent in caplog.text
    assert available_device(None, "cpu") == torch.device("cpu")
