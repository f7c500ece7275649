# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that this computer lacks, imitated: their memory, and what Windows' drivers do when it ends."""

from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch

from backend.contract import License, WeightSet
from backend.pipelines.common.pacing import Pace
from backend.worker import devices
from backend.worker.memory_modes import shortage
from tests.pretend_mps import pretend_mps

GIB = 2**30


def test_apple_silicon_is_chosen_and_shares_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretend_mps():
        assert devices.choose("auto") == "mps"
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GIB))
        assert (devices.free_gib("mps"), devices.available_gib("mps")) == (23, 24), "what the driver recommends"
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5 * GIB))
        assert (devices.free_gib("mps"), devices.available_gib("mps")) == (5, 6), "no more than the system has"


def test_the_pace_waits_for_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waits.append(1))
    pace = Pace("mps")
    pace.step()
    pace.step()
    assert len(waits) == 2
    Pace("cpu").step()
    assert len(waits) == 2


@pytest.mark.parametrize(("system", "device", "share"), [
    ("win32", "cuda:0", 0.75), ("win32", "cpu", None), ("linux", "cuda:0", None), ("darwin", "mps", None),
])
def test_windows_does_not_spill_into_the_computers_memory(
    monkeypatch: pytest.MonkeyPatch, system: str, device: str, share: float | None
) -> None:
    limits: list[float] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 1 * GIB)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda part, _: limits.append(part))
    devices.stay_in_dedicated_memory(device, system)
    assert limits == ([share] if share else [])


def test_less_memory_than_stated_is_said_before_the_work() -> None:
    license_ = License("GPL-3.0-or-later", "", "any", "")
    weights = WeightSet("large", "Large", "", (), license_, 1.0, {"full": 12.0, "low": 4.0})
    assert shortage("full", weights, 12.0) == "" and shortage("low", weights, 8.1) == ""
    assert "12.0 GiB and 8.1 GiB are free" in shortage("full", weights, 8.1)
    assert shortage("full", replace(weights, memory={"full": 0.5}), float("inf")) == ""
