# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes at once: none loses what another wrote, and of two downloads of one file one waits."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backend.contract import BadInput, Cancelled, PipelineSpec, WeightSet
from backend.pipelines import registry
from backend.weights.download import download
from backend.weights.licenses import acceptances
from backend.weights.location import set_folder
from backend.weights.removal import remove
from backend.weights.shared_files import exclusive, in_use
from backend.worker.time_left import Statistics

from .conftest import FLOW, LICENSE, RecordingProgress
from .hub_server import HubServer, ServedFile

REPOSITORY = Path(__file__).parents[2]
EACH = 60
_WRITER = """
import sys
from pathlib import Path
from backend.contract import License, PipelineSpec, WeightSet
from backend.weights.licenses import accept
from backend.weights.verified_files import remember
from backend.contract.timed_run import TimedRun
from backend.worker.time_left import Statistics

name, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
license = License("Free", "http://127.0.0.1", "Free.", commercial_use=True)
statistics = Statistics(folder / "stages.json")
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    weights = WeightSet(f"{name}{number}", "P", "", (), license, 1, {"full": 1})
    accept(PipelineSpec("acme", "A", "", (), (weights,)), weights, folder, "Free")
    statistics.record(f"{name}{number}", TimedRun({}, {"sample": 1.0}))
    file = folder / f"{name}{number}.bin"
    file.write_bytes(b"x")
    remember(file, folder, "0" * 64)
"""
_HOLDER = """
import sys
from pathlib import Path
from backend.weights.shared_files import exclusive

with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, name, str(tmp_path), str(EACH)], cwd=REPOSITORY,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE) for name in "ab"]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    names = {f"{name}{number}" for name in "ab" for number in range(EACH)}
    assert {entry["weights"] for entry in acceptances(tmp_path)} == names and len(acceptances(tmp_path)) == 2 * EACH
    assert all(Statistics(tmp_path / "stages.json").latest(name) for name in names)
    assert {Path(file).stem for file in json.loads((tmp_path / ".verified.json").read_text())["files"]} == names
    assert not list(tmp_path.glob("*.draft*"))


def test_a_worker_that_dies_frees_its_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path / "file")], cwd=REPOSITORY,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    assert in_use(tmp_path / "file")
    holder.kill()
    holder.wait(10)
    holder.stdin.close()
    assert not in_use(tmp_path / "file")
    with exclusive(tmp_path / "file"):
        assert in_use(tmp_path / "file")


def test_of_two_downloads_one_waits_and_fetches_nothing(hub: HubServer, spec: PipelineSpec, weights: WeightSet,
                                                        tmp_path: Path) -> None:
    hub.files["acme/model/flow.pt"] = ServedFile(FLOW, block_seconds=0.01)
    progresses = [RecordingProgress(), RecordingProgress()]
    threads = [threading.Thread(target=download, args=(spec, weights, tmp_path, LICENSE.name, progress))
               for progress in progresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (set_folder(spec, weights, tmp_path) / "flow.pt").read_bytes() == FLOW
    assert len(hub.downloads("flow.pt")) == len(hub.downloads("config.json")) == 1
    assert all(progress.reports[-1][2:] == (12, 12) for progress in progresses)


def test_who_waits_can_be_cancelled(hub: HubServer, spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    target = set_folder(spec, weights, tmp_path) / "flow.pt"
    target.parent.mkdir(parents=True)
    with exclusive(target), pytest.raises(Cancelled):
        download(spec, weights, tmp_path, LICENSE.name, RecordingProgress(lambda received: True))
    assert not hub.downloads("flow.pt")


def test_weights_are_not_deleted_while_they_are_fetched(spec: PipelineSpec, weights: WeightSet, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.specs(), "acme", spec)
    target = set_folder(spec, weights, tmp_path) / "flow.pt"
    target.parent.mkdir(parents=True)
    with exclusive(target), pytest.raises(BadInput, match="being downloaded"):
        remove(spec, weights, tmp_path)
    assert remove(spec, weights, tmp_path).labels


def test_nothing_is_reported_to_anybody() -> None:
    script = ("import backend, huggingface_hub.constants as constants\n"
              "assert constants.HF_HUB_DISABLE_TELEMETRY, 'telemetry is on'\n")
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True, timeout=60,
                   env={"PATH": "", "HOME": "/nonexistent"})
