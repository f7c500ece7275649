# SPDX-License-Identifier: GPL-3.0-or-later
"""Where weights are looked for, what counts as complete, and what the artist reads when something is missing."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from backend.contract import MeshwrightError, PipelineSpec, Remedy, WeightFile, WeightSet
from backend.weights import location, verified_files
from backend.weights.licenses import accept
from backend.weights.location import locate, set_folder

from .conftest import CONFIG, FLOW, LICENSE


@pytest.fixture
def known(weights: WeightSet) -> WeightSet:
    """The set with sizes and one SHA-256 known beforehand."""
    flow, config = weights.files
    return dataclasses.replace(weights, files=(
        dataclasses.replace(flow, bytes=len(FLOW), sha256=hashlib.sha256(FLOW).hexdigest()),
        dataclasses.replace(config, bytes=len(CONFIG)),
    ))


def fill(folder: Path, flow: bytes = FLOW) -> None:
    (folder / "encoder").mkdir(parents=True)
    (folder / "flow.pt").write_bytes(flow)
    (folder / "encoder" / "config.json").write_bytes(CONFIG)


def test_missing_tells_files_size_and_folder(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    with pytest.raises(MeshwrightError) as caught:
        locate(spec, weights, tmp_path)
    report = caught.value.report
    assert report.remedy is Remedy.ACCEPT_LICENSE
    assert "flow.pt is missing; encoder/config.json is missing" in report.why
    assert "0.0005 GB" in report.why
    assert str(tmp_path / "acme" / "published") in report.advice
    accept(spec, weights, tmp_path, LICENSE.name)
    with pytest.raises(MeshwrightError) as caught:
        locate(spec, weights, tmp_path)
    assert caught.value.report.remedy is Remedy.DOWNLOAD


def test_files_put_there_by_hand_count(spec: PipelineSpec, known: WeightSet, tmp_path: Path) -> None:
    folder = set_folder(spec, known, tmp_path)
    fill(folder)
    assert locate(spec, known, tmp_path) == folder


@pytest.mark.parametrize(("flow", "words"), [
    (b"", "flow.pt is missing"), (FLOW[:-1], f"instead of {len(FLOW):,}"), (FLOW[::-1], "SHA-256 differs"),
])
def test_empty_short_and_swapped_files_do_not(spec: PipelineSpec, known: WeightSet, tmp_path: Path, flow: bytes,
                                              words: str) -> None:
    fill(set_folder(spec, known, tmp_path), flow)
    with pytest.raises(MeshwrightError, match=words):
        locate(spec, known, tmp_path)


def test_a_checksum_is_computed_once_until_the_file_changes(spec: PipelineSpec, known: WeightSet, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    folder = set_folder(spec, known, tmp_path)
    fill(folder)
    locate(spec, known, tmp_path)

    def never(*_: object) -> None:
        raise AssertionError("hashed again")
    with monkeypatch.context() as patched:
        patched.setattr(verified_files.hashlib, "sha256", never)
        locate(spec, known, tmp_path)
    (folder / "flow.pt").write_bytes(FLOW[::-1])
    os.utime(folder / "flow.pt", ns=(1, 1))
    with pytest.raises(MeshwrightError, match="SHA-256 differs"):
        locate(spec, known, tmp_path)


def test_bundled_weights_lie_in_the_package(spec: PipelineSpec, weights: WeightSet, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    starter = dataclasses.replace(weights, name="starter", files=(), bundled=True)
    monkeypatch.setattr(location, "_STARTER", tmp_path)
    with pytest.raises(MeshwrightError, match="Install Meshwright again"):
        locate(spec, starter, tmp_path / "models")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "denoiser.safetensors").write_bytes(b"weights")
    assert locate(spec, starter, tmp_path / "models") == tmp_path / "acme"


def test_without_known_sizes_a_file_is_taken_at_its_word(spec: PipelineSpec, weights: WeightSet,
                                                         tmp_path: Path) -> None:
    fill(set_folder(spec, weights, tmp_path), b"anything")
    assert locate(spec, weights, tmp_path) == set_folder(spec, weights, tmp_path)
    assert weights.files[0] == WeightFile("acme/model", "flow.pt", "flow.pt")


def test_sets_may_share_a_folder(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    small = dataclasses.replace(weights, name="small", files=weights.files[:1], folder="together")
    large = dataclasses.replace(weights, name="large", folder="together")
    assert set_folder(spec, small, tmp_path) == set_folder(spec, large, tmp_path) == tmp_path / "acme" / "together"
    fill(tmp_path / "acme" / "together")
    assert locate(spec, small, tmp_path) == locate(spec, large, tmp_path)
    assert set_folder(spec, weights, tmp_path) == tmp_path / "acme" / "published"


def test_the_error_names_the_set_and_what_its_button_must_know(
    spec: PipelineSpec, weights: WeightSet, tmp_path: Path
) -> None:
    with pytest.raises(MeshwrightError, match=r"Acme · SD 1\.5 are not complete") as caught:
        locate(spec, dataclasses.replace(weights, label="SD 1.5"), tmp_path)
    assert caught.value.report.needs == {"pipeline": "acme", "weights": "published"}
