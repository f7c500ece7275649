# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file read once more, and files of one's own instead of a download."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from backend.contract import BadInput, Cancelled, MeshwrightError, PipelineSpec, Remedy, WeightFile, WeightSet
from backend.weights.download import download
from backend.weights.location import is_complete, set_folder
from backend.weights.own_files import import_files
from backend.weights.verification import verify

from .conftest import CONFIG, FLOW, LICENSE, RecordingProgress
from .hub_server import HubServer


class Stages(RecordingProgress):
    """Keeps the stages too, and cancels when told to."""

    def __init__(self, cancel: bool = False) -> None:
        super().__init__()
        self.steps: list[tuple[str, int, int]] = []
        self.cancel = cancel

    def stage(self, name: str, step: int, of: int) -> None:
        self.steps.append((name, step, of))
        if self.cancel:
            raise Cancelled


def test_a_whole_download_is_as_published(hub: HubServer, spec: PipelineSpec, weights: WeightSet,
                                          tmp_path: Path) -> None:
    download(spec, weights, tmp_path, LICENSE.name, RecordingProgress())
    progress = Stages()
    assert verify(spec, weights, tmp_path, progress) == "2 of 2 files of Published are as published."
    assert progress.steps[-1] == ("verify", 1, 1)
    with pytest.raises(Cancelled):
        verify(spec, weights, tmp_path, Stages(cancel=True))


def test_a_lost_bit_is_found_and_only_that_file_fetched_again(hub: HubServer, spec: PipelineSpec, weights: WeightSet,
                                                              tmp_path: Path) -> None:
    folder = download(spec, weights, tmp_path, LICENSE.name, RecordingProgress())
    path = folder / "flow.pt"
    status = path.stat()
    path.write_bytes(FLOW[:1000] + bytes([FLOW[1000] ^ 1]) + FLOW[1001:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a failing disk does it: nothing else changes
    with pytest.raises(MeshwrightError, match=r"flow\.pt is not the published file") as caught:
        verify(spec, weights, tmp_path, Stages())
    assert caught.value.report.remedy is Remedy.DOWNLOAD
    assert caught.value.report.needs == {"pipeline": "acme", "weights": "published"}
    hub.requests.clear()
    download(spec, weights, tmp_path, LICENSE.name, RecordingProgress())
    assert path.read_bytes() == FLOW and not hub.downloads("config.json")
    (folder / "encoder" / "config.json").unlink()
    with pytest.raises(MeshwrightError, match=r"encoder/config\.json is missing"):
        verify(spec, weights, tmp_path, Stages())


def test_files_of_which_nothing_is_known(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    folder = set_folder(spec, weights, tmp_path)
    (folder / "encoder").mkdir(parents=True)
    (folder / "flow.pt").write_bytes(b"by hand")
    (folder / "encoder" / "config.json").write_bytes(CONFIG)
    pinned = dataclasses.replace(weights, files=(weights.files[0], dataclasses.replace(
        weights.files[1], sha256=hashlib.sha256(CONFIG).hexdigest())))
    assert verify(spec, pinned, tmp_path, Stages()).startswith("1 of 2 files of Published are as published; ")


def test_own_files_are_found_by_name(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "deep" / "encoder").mkdir(parents=True)
    (own / "flow.pt").write_bytes(FLOW)
    (own / "config.json").write_bytes(b"another one's")
    (own / "deep" / "encoder" / "config.json").write_bytes(CONFIG)
    models = tmp_path / "models"
    progress = Stages()
    assert import_files(spec, weights, models, [own / "flow.pt"], progress).endswith(
        "Still missing: encoder/config.json.")
    assert import_files(spec, weights, models, [own], progress).startswith("2 files copied to ")
    folder = set_folder(spec, weights, models)
    assert (folder / "flow.pt").read_bytes() == FLOW
    assert (folder / "encoder" / "config.json").read_bytes() == CONFIG, "the path that ends more alike"
    assert is_complete(spec, weights, models) and progress.steps[-1] == ("copy", 1, 1)
    assert import_files(spec, weights, models, [folder], Stages()).startswith("2 files"), "onto itself"
    assert (folder / "flow.pt").read_bytes() == FLOW


def test_own_files_that_do_not_fit(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    published = WeightFile("acme/model", "flow.pt", "flow.pt", len(FLOW), hashlib.sha256(FLOW).hexdigest())
    known = dataclasses.replace(weights, files=(published,))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(BadInput, match=r"called flow\.pt"):
        import_files(spec, known, tmp_path / "models", [tmp_path / "readme.md"], Stages())
    with pytest.raises(BadInput, match="There is no file"):
        import_files(spec, known, tmp_path / "models", [tmp_path / "none"], Stages())
    (tmp_path / "a" / "flow.pt").write_bytes(FLOW[:-1])
    with pytest.raises(BadInput, match="No file"):
        import_files(spec, known, tmp_path / "models", [tmp_path / "a"], Stages())
    (tmp_path / "a" / "flow.pt").write_bytes(FLOW[::-1])
    with pytest.raises(BadInput, match="SHA-256"):
        import_files(spec, known, tmp_path / "models", [tmp_path / "a"], Stages())
    assert not list((tmp_path / "models").rglob("*flow*pt"))
    (tmp_path / "b" / "flow.pt").write_bytes(FLOW)
    with pytest.raises(BadInput, match="Two files"):
        import_files(spec, known, tmp_path / "models", [tmp_path / "a", tmp_path / "b"], Stages())
    with pytest.raises(Cancelled):
        import_files(spec, known, tmp_path / "models", [tmp_path / "b"], Stages(cancel=True))
    assert not [path for path in (tmp_path / "models").rglob("*") if path.is_file() and not path.name.endswith(".lock")]
