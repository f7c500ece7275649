# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory modes: what waits on the CPU, and what brings it to the device."""

import pytest
import torch

from backend.contract import MEMORY_MODES, MemoryMode, Resources
from backend.pipelines.common import memory
from backend.pipelines.common.memory import available_device, begin_offload, offloads, resting_device


class Recorder:
    """Takes the place of a pipeline and notes what it is asked to do."""

    components = {"scheduler": object(), "network": torch.nn.Linear(1, 1)}

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def enable_model_cpu_offload(self, device: str) -> None:
        self.calls.append(("components", device))


@pytest.mark.parametrize(("mode", "expected"), [
    ("full", []), ("balanced", [("components", "cuda:1")]), ("low", [("blocks", "cuda:1")])])
def test_each_mode_brings_as_much_at_a_time_as_it_says(
    mode: MemoryMode, expected: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, resources = Recorder(), Resources("cuda:1", memory_mode=mode)
    monkeypatch.setattr(memory, "stream_blocks", lambda _network, device: pipeline.calls.append(("blocks", device)))
    begin_offload(pipeline, resources)
    assert pipeline.calls == expected
    assert resting_device(resources) == ("cuda:1" if mode == "full" else "cpu")


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_without_a_memory_of_its_own_all_modes_are_the_same(device: str) -> None:
    for mode in MEMORY_MODES:
        resources = Resources(device, memory_mode=mode)
        assert not offloads(resources) and resting_device(resources) == device


def test_a_device_that_is_absent_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    absent = f"cuda:{torch.cuda.device_count()}"
    assert available_device(absent, "cpu") == torch.device("cpu")
    assert absent in caplog.text
    assert available_device(None, "cpu") == torch.device("cpu")
