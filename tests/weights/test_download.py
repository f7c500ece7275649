# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against a local server in the hub's place: they end complete, or with clear words and nothing lost."""

import dataclasses
import errno
import hashlib
import itertools
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.contract import Cancelled, MeshwrightError, PipelineSpec, Remedy, WeightFile, WeightSet
from backend.weights.download import RESERVE, download
from backend.weights.location import locate, set_folder

from .conftest import CONFIG, FLOW, LICENSE, RecordingProgress
from .hub_server import COMMIT, HubServer, ServedFile

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def fetch(spec: PipelineSpec, weights: WeightSet, tmp_path: Path):
    def run(progress: RecordingProgress | None = None, license: str = LICENSE.name) -> Path:
        return download(spec, weights, tmp_path, license, progress or RecordingProgress())
    return run


@pytest.fixture
def folder(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> Path:
    return set_folder(spec, weights, tmp_path)


def partial(folder: Path) -> Path:
    return next(folder.glob("flow.pt.*.part"))


def test_complete(hub: HubServer, fetch, folder: Path) -> None:
    progress = RecordingProgress()
    assert fetch(progress) == folder
    assert (folder / "flow.pt").read_bytes() == FLOW
    assert (folder / "encoder" / "config.json").read_bytes() == CONFIG
    assert not list(folder.rglob("*.part"))
    assert not list(folder.rglob("*cache*"))
    assert [file for _, file, received, of in progress.reports if received == of > 0] == [
        "flow.pt", "encoder/config.json"]
    assert all(f"/resolve/{COMMIT}/" in path for method, path, _ in hub.requests if method == "GET")


def test_a_second_call_downloads_nothing(hub: HubServer, fetch) -> None:
    fetch()
    hub.requests.clear()
    fetch(license="")
    assert {method for method, _, _ in hub.requests} == {"HEAD"}


def test_interrupted_and_resumed_in_one_call(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"].cuts = [100_000]
    fetch()
    first, second = hub.downloads("flow.pt")
    assert "Range" not in first
    assert second["Range"] == "bytes=100000-"
    assert (folder / "flow.pt").read_bytes() == FLOW


def test_truncated_then_resumed_by_a_second_call(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"].cuts = [200_000] + [0] * 6
    with pytest.raises(MeshwrightError) as caught:
        fetch()
    assert caught.value.report.remedy is Remedy.RETRY
    assert "kept" in caught.value.report.advice
    assert not (folder / "flow.pt").exists()
    assert partial(folder).stat().st_size == 200_000
    hub.requests.clear()
    fetch()
    assert [headers.get("Range") for headers in hub.downloads("flow.pt")] == ["bytes=200000-"]
    assert (folder / "flow.pt").read_bytes() == FLOW


def test_a_server_without_ranges_starts_again(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"] = ServedFile(FLOW, cuts=[100_000], ranges=False)
    fetch()
    assert (folder / "flow.pt").read_bytes() == FLOW


def test_a_new_version_does_not_join_an_old_partial_file(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"].cuts = [200_000] + [0] * 6
    with pytest.raises(MeshwrightError):
        fetch()
    newer = FLOW[::-1]
    hub.files["acme/model/flow.pt"] = ServedFile(newer)
    hub.requests.clear()
    fetch()
    assert "Range" not in hub.downloads("flow.pt")[0]
    assert (folder / "flow.pt").read_bytes() == newer
    assert not list(folder.glob("*.part"))


def test_wrong_size(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"].catalogue_size = len(FLOW) + 7
    with pytest.raises(MeshwrightError, match=f"{len(FLOW):,} bytes") as caught:
        fetch()
    assert caught.value.report.remedy is Remedy.DOWNLOAD
    assert not (folder / "flow.pt").exists()


def test_wrong_content(hub: HubServer, fetch, folder: Path) -> None:
    hub.files["acme/model/flow.pt"].catalogue_sha256 = hashlib.sha256(b"else").hexdigest()
    with pytest.raises(MeshwrightError, match="checksum"):
        fetch()
    assert not (folder / "flow.pt").exists()
    assert not list(folder.glob("*.part")), "a resume would only repeat the fault"


def test_a_replaced_file_is_not_fetched(hub: HubServer, spec: PipelineSpec, weights: WeightSet,
                                        tmp_path: Path) -> None:
    known = dataclasses.replace(weights, files=(WeightFile("acme/model", "flow.pt", "flow.pt", bytes=99),))
    with pytest.raises(MeshwrightError, match="not the file that Meshwright knows"):
        download(spec, known, tmp_path, LICENSE.name, RecordingProgress())
    assert not hub.downloads("flow.pt")


@pytest.mark.parametrize(("status", "code", "words"), [
    (401, "", "accept the terms"), (401, "GatedRepo", "accept the terms"), (403, "GatedRepo", "accept the terms"),
    (404, "EntryNotFound", "not on the hub"), (404, "RepoNotFound", "not on the hub"), (500, "", "500"),
])
def test_refusals(hub: HubServer, fetch, status: int, code: str, words: str) -> None:
    hub.files["acme/model/flow.pt"] = ServedFile(FLOW, status=status, error_code=code)
    with pytest.raises(MeshwrightError, match=words) as caught:
        fetch()
    assert f"{hub.endpoint}/acme/model" in str(caught.value)


def test_no_route(hub: HubServer, fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(MeshwrightError, match="cannot be reached") as caught:
        fetch()
    assert caught.value.report.remedy is Remedy.RETRY


def test_not_a_hub(hub: HubServer, fetch) -> None:
    hub.newest = ""
    with pytest.raises(MeshwrightError, match="HF_ENDPOINT"):
        fetch()


@pytest.mark.parametrize("silent", [False, True])
def test_cancel_answers_at_once_and_keeps_what_arrived(hub: HubServer, fetch, folder: Path, silent: bool) -> None:
    hub.files["acme/model/flow.pt"] = ServedFile(FLOW, block_seconds=0.0 if silent else 0.05, silent=silent)
    began = time.monotonic()
    progress = RecordingProgress(lambda received: received > 60_000 and time.monotonic() - began > 0.4)
    with pytest.raises(Cancelled):
        fetch(progress)
    assert time.monotonic() - progress.cancelled_at < 1.0
    kept = partial(folder).stat().st_size
    assert 60_000 < kept < len(FLOW)
    assert partial(folder).read_bytes() == FLOW[:kept]
    hub.files["acme/model/flow.pt"] = ServedFile(FLOW)
    hub.requests.clear()
    fetch()
    assert hub.downloads("flow.pt")[0]["Range"] == f"bytes={kept}-"
    assert (folder / "flow.pt").read_bytes() == FLOW


def test_progress_comes_four_times_a_second_and_counts_bytes(hub: HubServer, fetch) -> None:
    hub.files["acme/model/flow.pt"].block_seconds = 0.03
    progress = RecordingProgress()
    fetch(progress)
    reports = [report for report in progress.reports if report[1] == "flow.pt"]
    times = [at for at, *_ in reports]
    counts = [received for _, _, received, _ in reports]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 0.25
    assert counts == sorted(counts)
    assert len(set(counts)) > 4
    assert {of for *_, of in reports} == {len(FLOW)}


def test_disk_full_is_told_before_the_start(hub: HubServer, fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(10 << 30, 10 << 30, 1000)
    monkeypatch.setattr("backend.weights.download.shutil.disk_usage", lambda _: usage)
    with pytest.raises(MeshwrightError, match="not enough room") as caught:
        fetch()
    assert f"{RESERVE / 1e9:.2f} GB" in caught.value.report.why
    assert caught.value.report.remedy is Remedy.CHOOSE_FOLDER
    assert not hub.downloads("flow.pt")


def test_disk_full_on_the_way(hub: HubServer, fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("backend.weights.transfer._append", full)
    with pytest.raises(MeshwrightError, match="disk is full"):
        fetch()


def test_a_folder_that_cannot_be_made(hub: HubServer, spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("a file stands where the folder should be")
    with pytest.raises(MeshwrightError, match="cannot be written") as caught:
        download(spec, weights, tmp_path, LICENSE.name, RecordingProgress())
    assert caught.value.report.remedy is Remedy.CHOOSE_FOLDER


def test_a_read_only_folder(hub: HubServer, fetch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch = Path.touch

    def refuse(path: Path, *arguments: object) -> None:
        if path.parent == folder:
            raise OSError(errno.EROFS, "Read-only file system")
        touch(path, *arguments)
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(MeshwrightError, match="Read-only file system") as caught:
        fetch()
    assert caught.value.report.remedy is Remedy.CHOOSE_FOLDER


def test_license_not_accepted(hub: HubServer, fetch) -> None:
    for license in ("", "Another License"):
        with pytest.raises(MeshwrightError, match=LICENSE.url) as caught:
            fetch(license=license)
        assert caught.value.report.remedy is Remedy.ACCEPT_LICENSE
    assert not hub.requests, "nothing is asked of the hub before the license is accepted"


def test_files_put_there_by_hand_are_not_fetched_again(hub: HubServer, fetch, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "flow.pt").write_bytes(FLOW)
    fetch()
    assert not hub.downloads("flow.pt")


def test_a_wrong_file_put_there_by_hand_is_replaced(hub: HubServer, fetch, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "flow.pt").write_bytes(FLOW[::-1])
    fetch()
    assert (folder / "flow.pt").read_bytes() == FLOW


def run_apart(hub: HubServer, models: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same download in a process of its own, as the worker does it: the environment is read at import."""
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.weights.conftest import LICENSE, RecordingProgress\n"
        "from backend.contract import MeshwrightError, PipelineSpec, WeightFile, WeightSet\n"
        "from backend.weights.download import download\n"
        "files = (WeightFile('acme/model', 'flow.pt', 'flow.pt'),)\n"
        "weights = WeightSet('published', 'P', '', files, LICENSE, 1, {'full': 1})\n"
        "try:\n"
        "    download(PipelineSpec('acme', 'A', '', (), (weights,)), weights, Path(sys.argv[1]), LICENSE.name,\n"
        "             RecordingProgress())\n"
        "except MeshwrightError as error:\n"
        "    sys.exit(str(error))\n"
    )
    return subprocess.run([sys.executable, "-c", script, str(models)], cwd=REPOSITORY, text=True, capture_output=True,
                          env={"PATH": "", "HOME": str(models), "HF_ENDPOINT": hub.endpoint, **environment},
                          timeout=60, check=False)


def test_the_users_token_is_sent(hub: HubServer, tmp_path: Path, spec: PipelineSpec, weights: WeightSet) -> None:
    ended = run_apart(hub, tmp_path, HF_TOKEN="hf_secret")
    assert ended.returncode == 0, ended.stderr
    assert {headers.get("authorization") for _, path, headers in hub.requests if "flow.pt" in path} == {
        "Bearer hf_secret"}
    only = dataclasses.replace(weights, files=weights.files[:1])
    assert (locate(spec, only, tmp_path) / "flow.pt").read_bytes() == FLOW


def test_offline_mode_is_obeyed(hub: HubServer, tmp_path: Path) -> None:
    ended = run_apart(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert ended.returncode == 1
    assert "Offline mode is on" in ended.stderr
    assert str(tmp_path / "acme" / "published") in ended.stderr
    assert not hub.requests
