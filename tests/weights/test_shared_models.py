# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that several pipelines use: fetched once, each with its license, deleted with the last set that needs them."""

import dataclasses
from pathlib import Path

import pytest

from backend.contract import BadInput, Component, MeshwrightError, PipelineSpec, Remedy, TaskSpec, WeightFile, WeightSet
from backend.pipelines import registry
from backend.weights.download import download
from backend.weights.licenses import accept, accepted
from backend.weights.location import installed_components, locate, set_folder, shared_set
from backend.weights.removal import remove

from .conftest import LICENSE, RecordingProgress
from .hub_server import HubServer, ServedFile

ENCODER = bytes(range(256)) * 512
ENCODER_LICENSE = dataclasses.replace(LICENSE, name="Encoder License", text="Encode.", commercial_use=True)
COMPONENT = Component("encoder", "Encoder", "Encodes", (WeightFile("acme/shared", "encoder.bin", "encoder.bin"),),
                      ENCODER_LICENSE, 0.1)
BOTH = f"{LICENSE.name}\n{ENCODER_LICENSE.name}"


@pytest.fixture
def large(weights: WeightSet) -> WeightSet:
    """The set, with a shared model."""
    return dataclasses.replace(weights, components=(COMPONENT,))


@pytest.fixture
def other(weights: WeightSet) -> WeightSet:
    """Another set in the same folder, with one of the files and the same shared model."""
    return dataclasses.replace(weights, name="small", label="Small", files=weights.files[:1], components=(COMPONENT,),
                               folder="published")


@pytest.fixture
def acme(large: WeightSet, other: WeightSet, monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> PipelineSpec:
    """A pipeline with both sets, known to the registry."""
    hub.files["acme/shared/encoder.bin"] = ServedFile(ENCODER)
    task = TaskSpec("make", "Make", "Makes", "text", (), (), ())
    spec = PipelineSpec("acme", "Acme", "A pipeline", (task,), (large, other))
    shared = registry.spec(registry.SHARED)
    encoder = WeightSet("encoder", "Encoder", "Encodes", COMPONENT.files, ENCODER_LICENSE, 0.1, {})
    monkeypatch.setitem(registry.specs(), "acme", spec)
    monkeypatch.setitem(registry.specs(), registry.SHARED, dataclasses.replace(
        shared, weights=(*shared.weights, encoder)))
    return spec


def test_a_set_brings_its_shared_models_each_once(acme: PipelineSpec, hub: HubServer, tmp_path: Path) -> None:
    large, other = acme.weights
    folder = download(acme, large, tmp_path, BOTH, RecordingProgress())
    assert (tmp_path / "shared" / "encoder" / "encoder.bin").read_bytes() == ENCODER
    assert not list(folder.glob("**/encoder.bin"))
    assert installed_components((COMPONENT,), tmp_path) == {"encoder": tmp_path / "shared" / "encoder"}
    progress = RecordingProgress()
    download(acme, other, tmp_path, LICENSE.name, progress)
    assert not progress.reports, "nothing was fetched a second time"


def test_every_license_must_be_accepted_before_anything_is_fetched(acme: PipelineSpec, tmp_path: Path) -> None:
    with pytest.raises(MeshwrightError, match="The license of Shared Models · Encoder is not accepted") as caught:
        download(acme, acme.weights[0], tmp_path, LICENSE.name, RecordingProgress())
    report = caught.value.report
    assert report.remedy is Remedy.ACCEPT_LICENSE and report.needs == {"pipeline": "shared", "weights": "encoder"}
    assert not list(tmp_path.glob("**/*.pt")) and not list(tmp_path.glob("**/*.bin"))
    accept(*shared_set(COMPONENT), tmp_path, ENCODER_LICENSE.name)
    download(acme, acme.weights[0], tmp_path, "", RecordingProgress())
    assert accepted(*shared_set(COMPONENT), tmp_path)


def test_a_missing_shared_model_is_named_and_the_set_is_what_to_download(acme: PipelineSpec, tmp_path: Path) -> None:
    large = acme.weights[0]
    download(acme, large, tmp_path, BOTH, RecordingProgress())
    (tmp_path / "shared" / "encoder" / "encoder.bin").unlink()
    with pytest.raises(MeshwrightError, match=r"encoder\.bin of Encoder is missing") as caught:
        locate(acme, large, tmp_path)
    report = caught.value.report
    assert report.remedy is Remedy.DOWNLOAD and report.needs == {"pipeline": "acme", "weights": "published"}
    assert str(tmp_path / "shared" / "encoder") in report.advice
    assert installed_components((COMPONENT,), tmp_path) == {}


def test_a_shared_model_stays_while_a_set_needs_it(acme: PipelineSpec, tmp_path: Path) -> None:
    large, other = acme.weights
    download(acme, large, tmp_path, BOTH, RecordingProgress())
    with pytest.raises(BadInput, match=r"needed by Acme · Published, Acme · Small"):
        remove(*shared_set(COMPONENT), tmp_path)
    with pytest.raises(BadInput, match="needed by Acme · Published"):
        remove(acme, other, tmp_path)  # all its files are the larger set's, too
    removed = remove(acme, large, tmp_path)
    assert removed.labels == ("Acme · Published",) and removed.bytes == 12
    assert locate(acme, other, tmp_path) == set_folder(acme, other, tmp_path)
    removed = remove(acme, other, tmp_path)
    assert removed.labels == ("Acme · Small", "Shared Models · Encoder")
    assert [path.name for path in tmp_path.iterdir() if any(path.glob("**/*.*"))] == []
    with pytest.raises(BadInput, match="is not installed"):
        remove(acme, other, tmp_path)


def test_a_shared_model_that_nobody_needs_can_be_deleted(acme: PipelineSpec, tmp_path: Path) -> None:
    pair = shared_set(COMPONENT)
    download(*pair, tmp_path, ENCODER_LICENSE.name, RecordingProgress())
    assert remove(*pair, tmp_path).bytes >= len(ENCODER)
    assert not (tmp_path / "shared" / "encoder").exists()


def test_what_comes_with_meshwright_stays(tmp_path: Path) -> None:
    spec = registry.spec("partpacker")
    with pytest.raises(BadInput, match="come with Meshwright"):
        remove(spec, spec.weight_set("starter"), tmp_path)
