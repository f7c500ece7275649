# SPDX-License-Identifier: GPL-3.0-or-later
"""A small published model on a local hub, and a progress that records and may cancel."""

import time
from collections.abc import Callable, Iterator

import pytest

from backend.contract import Cancelled, License, PipelineSpec, WeightFile, WeightSet

from .hub_server import HubServer, ServedFile

LICENSE = License("Research Only 1.0", "http://127.0.0.1/license", "Research only.", commercial_use=False)
FLOW = bytes(range(256)) * 2048  # 512 KiB
CONFIG = b'{"depth": 2}'


class RecordingProgress:
    """Keeps every report with its time; `cancel_when(received)` decides when to cancel."""

    def __init__(self, cancel_when: Callable[[int], bool] = lambda received: False) -> None:
        self.reports: list[tuple[float, str, int, int]] = []
        self.waits: list[float] = []
        self.remarks: list[str] = []
        self.cancel_when = cancel_when
        self.cancelled_at = 0.0

    def downloading(self, file: str, received: int, of: int, wait: float = 0.0) -> None:
        self.reports.append((time.monotonic(), file, received, of))
        if wait:
            self.waits.append(wait)
        if self.cancel_when(received):
            self.cancelled_at = self.cancelled_at or time.monotonic()
            raise Cancelled

    def warn(self, text: str) -> None:
        self.remarks.append(text)

    def check(self) -> None:
        """Looking up the catalogue goes on."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.files = {"acme/model/flow.pt": ServedFile(FLOW), "acme/encoder/config.json": ServedFile(CONFIG)}
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("backend.weights.patience.PAUSES", (0.01,) * 5)
        yield server


@pytest.fixture
def weights() -> WeightSet:
    return WeightSet("published", "Published", "A model", (
        WeightFile("acme/model", "flow.pt", "flow.pt"),
        WeightFile("acme/encoder", "config.json", "encoder/config.json"),
    ), LICENSE, 0.0005, {"full": 1.0})


@pytest.fixture
def spec(weights: WeightSet) -> PipelineSpec:
    return PipelineSpec("acme", "Acme", "A pipeline", (), (weights,))
