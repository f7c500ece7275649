# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a hub that misbehaves: they end soon, complete or with clear words, and the next one succeeds."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract import License, MeshwrightError, PipelineSpec, WeightFile, WeightSet
from backend.weights.download import download
from tests.weights.conftest import RecordingProgress
from tests.weights.hub_server import HubServer, ServedFile

from .hub_faults import CONTENT, FAULTS, SHA256, Fault

LICENSE = License("Free", "http://127.0.0.1/license", "Free.", commercial_use=True)
WEIGHTS = WeightSet("published", "Published", "A model", (WeightFile("acme/model", "flow.pt", "flow.pt"),), LICENSE,
                    0.0005, {"full": 1.0})
SPEC = PipelineSpec("acme", "Acme", "A pipeline", (), (WEIGHTS,))
TOKEN = "hf_abcdefSECRET"
SECONDS = 20.0


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("backend.weights.patience.PAUSES", (0.01,) * 5)
        monkeypatch.setattr("backend.weights.answer.SLOW_SECONDS", 0.2)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
        yield server


def test_there_are_forty() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(hub: HubServer, tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "backend")
    folder = tmp_path / "acme" / "published"
    target = folder / "flow.pt"
    if fault.part:
        folder.mkdir(parents=True)
        (folder / f"flow.pt.{SHA256[:16]}.part").write_bytes(fault.part)
    hub.files["acme/model/flow.pt"] = ServedFile(CONTENT, head=fault.head, get=fault.get)
    begin, error = time.monotonic(), ""
    try:
        download(SPEC, WEIGHTS, tmp_path, LICENSE.name, RecordingProgress())
    except MeshwrightError as caught:
        error = str(caught)
    assert time.monotonic() - begin < SECONDS
    assert len(hub.downloads("flow.pt")) <= fault.requests
    assert bool(error) == bool(fault.words) and fault.words in error
    assert not target.exists() if error else target.read_bytes() == CONTENT
    assert TOKEN not in error + caplog.text
    assert {path.name for path in tmp_path.rglob("*")} <= {
        "acme", "published", "flow.pt", ".flow.pt.lock", f"flow.pt.{SHA256[:16]}.part", ".verified.json",
        "..verified.json.lock", "licenses.json", ".licenses.json.lock"}

    hub.files["acme/model/flow.pt"] = ServedFile(CONTENT)
    hub.requests.clear()
    download(SPEC, WEIGHTS, tmp_path, LICENSE.name, RecordingProgress())
    assert target.read_bytes() == CONTENT and not list(folder.glob("*.part"))
    assert len(hub.downloads("flow.pt")) <= 2
