# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid that does not fit is refused before anything runs."""

import psutil
import pytest
import torch

from backend.contract import MeshwrightError, Remedy
from backend.pipelines.common.grid_memory import check_grid_memory

CPU = torch.device("cpu")


class Memory:
    available = 2**30


def test_a_grid_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    check_grid_memory(384, CPU)
    with pytest.raises(MeshwrightError, match="resolution of 512") as caught:
        check_grid_memory(512, CPU)
    assert caught.value.report.remedy == Remedy.LOWER_RESOLUTION
    with pytest.raises(MeshwrightError, match="resolution of 384"):
        check_grid_memory(384, CPU, dense=True)
