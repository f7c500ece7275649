# SPDX-License-Identifier: GPL-3.0-or-later
"""A download is of one revision, whatever happens on the hub meanwhile, and every file has its published checksum."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from backend.contract import MeshwrightError, PipelineSpec, WeightFile, WeightSet
from backend.weights.download import download
from backend.weights.location import set_folder

from .conftest import FLOW, LICENSE, RecordingProgress
from .hub_server import COMMIT, Answer, Handler, HubServer, ServedFile

LATER = "f" * 40
HALF = b"the second file"


@pytest.fixture
def pair(weights: WeightSet) -> WeightSet:
    """Two files of one repository."""
    return dataclasses.replace(weights, files=(WeightFile("acme/model", "flow.pt", "flow.pt"),
                                               WeightFile("acme/model", "half.bin", "half.bin")))


@pytest.fixture(autouse=True)
def two_files(hub: HubServer) -> None:
    hub.files = {"acme/model/flow.pt": ServedFile(FLOW), "acme/model/half.bin": ServedFile(HALF, blob=True)}


def publish(hub: HubServer, **changed: bytes) -> None:
    """A later revision in which these files, by their names without endings, have other contents."""
    hub.earlier[hub.newest] = hub.files
    hub.files = {name: ServedFile(changed.get(Path(name).stem, served.content), blob=served.blob)
                 for name, served in hub.files.items()}
    hub.newest = LATER


def during_the_first_file(hub: HubServer, **changed: bytes) -> Answer:
    """Publishes a later revision while a file is fetched, and leaves the answer to the server."""
    def publish_now(_handler: Handler, _served: ServedFile, _start: int) -> bool:
        if hub.newest == COMMIT:
            publish(hub, **changed)
        return False
    return publish_now


def test_checksum_and_revision_are_kept_next_to_the_files(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                          tmp_path: Path) -> None:
    folder = download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    record = json.loads((folder / ".verified.json").read_text())
    assert record["revisions"] == {"acme/model": COMMIT}
    flow, half = record["files"]["flow.pt"], record["files"]["half.bin"]
    assert flow["published"] == flow["sha256"] == hashlib.sha256(FLOW).hexdigest()
    assert half["published"] == hashlib.sha1(b"blob %d\0" % len(HALF) + HALF).hexdigest()
    assert half["sha256"] == hashlib.sha256(HALF).hexdigest() and half["revision"] == flow["revision"] == COMMIT


def test_a_small_file_is_compared_with_its_git_blob(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                    tmp_path: Path) -> None:
    hub.files["acme/model/half.bin"].catalogue_sha256 = hashlib.sha1(b"blob 3\0abc").hexdigest()
    with pytest.raises(MeshwrightError, match="checksum"):
        download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    assert not (set_folder(spec, pair, tmp_path) / "half.bin").exists()
    (set_folder(spec, pair, tmp_path) / "half.bin").write_bytes(HALF[::-1])  # put there by hand, and wrong
    hub.files["acme/model/half.bin"] = ServedFile(HALF, blob=True)
    folder = download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    assert (folder / "half.bin").read_bytes() == HALF


def test_a_revision_published_meanwhile_does_not_mix_in(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                        tmp_path: Path) -> None:
    hub.files["acme/model/flow.pt"].get = during_the_first_file(hub, flow=FLOW[::-1], half=b"newer")
    folder = download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    assert hub.newest == LATER
    assert (folder / "flow.pt").read_bytes() == FLOW and (folder / "half.bin").read_bytes() == HALF


def test_a_download_that_goes_on_later_stays_with_its_revision(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                               tmp_path: Path) -> None:
    hub.files["acme/model/half.bin"].status = 403
    with pytest.raises(MeshwrightError):
        download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    hub.files["acme/model/half.bin"].status = 200
    publish(hub, half=b"newer")
    progress = RecordingProgress()
    folder = download(spec, pair, tmp_path, LICENSE.name, progress)
    assert (folder / "half.bin").read_bytes() == HALF
    remark, = progress.remarks
    assert LATER[:8] in remark and COMMIT[:8] in remark and "delete" in remark


def test_a_later_revision_that_changes_other_files_is_not_mentioned(hub: HubServer, spec: PipelineSpec,
                                                                    pair: WeightSet, tmp_path: Path) -> None:
    download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    publish(hub)
    progress = RecordingProgress()
    hub.requests.clear()
    download(spec, pair, tmp_path, LICENSE.name, progress)
    assert progress.remarks == [] and not hub.downloads("")


def test_deleted_weights_are_fetched_at_the_newest_revision(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                            tmp_path: Path) -> None:
    folder = download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    publish(hub, half=b"newer")
    for file in folder.iterdir():
        file.unlink()
    progress = RecordingProgress()
    download(spec, pair, tmp_path, LICENSE.name, progress)
    assert (folder / "half.bin").read_bytes() == b"newer" and progress.remarks == []


def test_a_revision_that_no_longer_exists_gives_way_to_the_newest(hub: HubServer, spec: PipelineSpec,
                                                                  pair: WeightSet, tmp_path: Path) -> None:
    download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    publish(hub, half=b"newer")
    hub.earlier.clear()
    folder = download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    assert (folder / "half.bin").read_bytes() == b"newer" and (folder / "flow.pt").read_bytes() == FLOW


def test_the_catalogues_pin_decides(hub: HubServer, spec: PipelineSpec, pair: WeightSet, tmp_path: Path) -> None:
    publish(hub, half=b"newer")
    pinned = dataclasses.replace(pair, files=tuple(dataclasses.replace(file, revision=COMMIT) for file in pair.files))
    progress = RecordingProgress()
    folder = download(spec, pinned, tmp_path, LICENSE.name, progress)
    assert (folder / "half.bin").read_bytes() == HALF and progress.remarks == []
    assert not [path for _, path, _ in hub.requests if "/main/" in path or LATER in path]


def test_a_hub_that_answers_with_another_revision_is_none(hub: HubServer, spec: PipelineSpec, pair: WeightSet,
                                                          tmp_path: Path) -> None:
    def another(handler: Handler, _served: ServedFile, _start: int) -> bool:
        hub.newest = LATER if "/main/" in handler.path else "e" * 40
        hub.earlier[LATER] = hub.files
        handler.send_response(200)
        for name, value in (("X-Repo-Commit", hub.newest), ("ETag", '"' + "a" * 40 + '"'), ("Content-Length", "5")):
            handler.send_header(name, value)
        handler.end_headers()
        return True

    hub.files["acme/model/flow.pt"].head = hub.files["acme/model/half.bin"].head = another
    with pytest.raises(MeshwrightError, match="not a model hub"):
        download(spec, pair, tmp_path, LICENSE.name, RecordingProgress())
    assert not hub.downloads("")


def test_pins_must_be_commits(spec: PipelineSpec, pair: WeightSet) -> None:
    from backend.contract import BadInput, TaskSpec, check_spec

    task = TaskSpec("make", "Make", "Makes", "text", (), (), ())
    for revision in ("main", "../../x", "0123"):
        files = (dataclasses.replace(pair.files[0], revision=revision),)
        wrong = dataclasses.replace(spec, tasks=(task,), weights=(dataclasses.replace(pair, files=files),))
        with pytest.raises(BadInput, match=r"flow\.pt"):
            check_spec(wrong, "acme")
