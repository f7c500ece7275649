# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's tasks through the worker, with tiny random weights."""

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from backend.contract import (
    CancelledEvent,
    Done,
    Failed,
    JobFolder,
    Loading,
    LogLine,
    MeshData,
    Preview,
    Remedy,
    Request,
    Resources,
    StageProgress,
)
from backend.geometry.trimesh_conversion import to_trimesh
from backend.pipelines.common.compilation import compile_blocks
from backend.pipelines.partpacker import job as partpacker_job
from backend.pipelines.partpacker.spec import SPEC
from tests.worker.conftest import events_of
from tests.worker.tiny_partpacker import save_image

FAST = {"steps": 3, "guidance_scale": 2.0, "grid_resolution": "64"}


@pytest.fixture
def image(tmp_path):
    return save_image(tmp_path / "disc.png")


@pytest.fixture
def generate_job(make_job, image):
    def make(seed=0, **parameters):
        return make_job("generate_parts", "partpacker", "starter", seed, {"image": image}, **FAST | parameters)

    return make


def stages(events):
    return list(dict.fromkeys(event.stage for event in events_of(events, StageProgress)))


def test_a_image_becomes_parts(local, generate_job):
    folder = generate_job()
    events = local.run(folder)
    assert isinstance(events[-1], Done), events[-1]
    assert stages(events) == [stage.name for stage in SPEC.task("generate_parts").stages]
    assert events_of(events, Preview)
    result = events[-1].result
    parts = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    assert [part.name for part in parts] == [f"thing.part.{number:02d}" for number in range(1, len(parts) + 1)]
    assert {part.group for part in parts} == {"volume.0", "volume.1"}
    sizes = []
    for part in parts:
        mesh = MeshData.read(folder.outputs / part.file)
        vertices, faces = mesh.vertices, mesh.faces
        assert part.properties["faces"] == len(faces) > 10
        assert part.properties["volume"] == int(part.group[-1])
        assert part.properties["watertight"] == trimesh.Trimesh(vertices, faces).is_watertight
        sizes.append(np.linalg.norm(np.ptp(vertices, axis=0)))
        assert np.abs(vertices).max() <= 1.0
    assert sizes == sorted(sizes, reverse=True)
    assert len({part.color for part in parts}) == len(parts)
    assert Image.open(folder.outputs / "image.png").size == (56, 56)
    scene = trimesh.load_scene(folder.outputs / "parts.glb")
    assert set(scene.geometry) == {part.name for part in parts}
    vertices = MeshData.read(folder.outputs / parts[0].file).vertices
    x, y, z = vertices.T  # glTF is Y-up
    assert np.allclose(scene.geometry[parts[0].name].bounds, [(np.stack([x, z, -y], 1)).min(0),
                                                              (np.stack([x, z, -y], 1)).max(0)], atol=1e-6)


def test_in_a_child_and_in_process_the_bytes_are_the_same(child, local, generate_job):
    inside, outside = generate_job(seed=5), generate_job(seed=5)
    assert isinstance(local.run(inside)[-1], Done)
    assert isinstance(child.run(outside)[-1], Done)
    files = sorted(path.name for path in inside.outputs.iterdir())
    assert files == sorted(path.name for path in outside.outputs.iterdir())
    for file in files:
        assert (inside.outputs / file).read_bytes() == (outside.outputs / file).read_bytes(), file


@pytest.mark.parametrize("stage", ["sample", "field"])
def test_cancel_in_a_child_is_quick_and_keeps_the_model(child, generate_job, stage):
    job = child.submit(generate_job(steps=100 if stage == "sample" else 1, grid_resolution="128"))
    child.until(lambda event: isinstance(event, StageProgress) and event.stage == stage and event.step > 0, job)
    seconds, event = child.cancel_and_time(job)
    assert isinstance(event, CancelledEvent)
    assert seconds < 1
    job = child.submit(generate_job(steps=100))
    seen = child.until(StageProgress, job)
    assert not events_of(seen, Loading)
    assert isinstance(child.cancel_and_time(job)[1], CancelledEvent)


def test_a_text_file_named_png(local, make_job, tmp_path):
    (tmp_path / "fake.png").write_text("no image")
    folder = make_job("generate_parts", "partpacker", "starter", 0, {"image": tmp_path / "fake.png"}, **FAST)
    event = local.run(folder)[-1]
    assert isinstance(event, Failed)
    assert "not an image" in event.error.what


def test_an_object_that_fills_one_volume_is_told(local, generate_job, monkeypatch):
    monkeypatch.setattr(partpacker_job.PartPackerPipeline, "evaluate_fields",
                        lambda *_: [_ball(64), torch.full((65, 65, 65), -1.0)])
    events = local.run(generate_job(steps=1))
    assert events_of(events, LogLine)[0].level == "warning"
    assert "Volume 2 is empty" in events[-1].result.notes[0]


def test_without_any_surface_the_words_say_what_to_try(local, generate_job, monkeypatch):
    monkeypatch.setattr(partpacker_job.PartPackerPipeline, "evaluate_fields",
                        lambda *_: [torch.full((65, 65, 65), -1.0)] * 2)
    assert local.run(generate_job(steps=1))[-1].error.remedy is Remedy.RETRY


def test_a_retry_uses_smaller_chunks(starter):
    progress = type("Silent", (), {"loading": lambda *_: None, "check": lambda *_: None})()
    model = partpacker_job.load(SPEC.weight_set("starter"), starter, Resources(), progress)
    whole = partpacker_job._points_per_query(model.pipeline, Resources())
    assert partpacker_job._points_per_query(model.pipeline, Resources(chunk_scale=0.25)) == whole // 4


def test_networks_are_compiled_only_when_asked_and_only_on_cuda(starter):
    progress = type("Silent", (), {"loading": lambda *_: None, "check": lambda *_: None})()
    pipeline = partpacker_job.load(SPEC.weight_set("starter"), starter, Resources(compile=True), progress).pipeline
    assert not [module for module in _modules(pipeline) if module._compiled_call_impl]
    compile_blocks(Resources("cuda:0", compile=True), pipeline.denoiser, pipeline.autoencoder)
    compiled = {type(module).__name__ for module in _modules(pipeline) if module._compiled_call_impl}
    assert compiled == {"DenoiserLayer", "SelfAttentionBlock", "CrossAttentionBlock"}


def _modules(pipeline):
    return [*pipeline.denoiser.modules(), *pipeline.autoencoder.modules()]


def test_a_mesh_is_rebuilt_in_its_own_place(local, make_job, tmp_path, monkeypatch):
    corners = np.add([[0, 0, 0], [4, 0, 0], [0, 2, 0], [0, 0, 1]], (10.0, -5.0, 3.0))
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    MeshData(corners, faces).write(tmp_path / "wedge.npz")
    asked = []

    def fields(pipeline, hidden, resolution, *_):
        asked.append(resolution)
        return [_wedge(resolution)]

    monkeypatch.setattr(partpacker_job.PartPackerPipeline, "evaluate_fields", fields)
    folder = make_job("reconstruct", "partpacker", "starter", 0, {"mesh": tmp_path / "wedge.npz"},
                      grid_resolution="128")
    event = local.run(folder)[-1]
    assert isinstance(event, Done), event
    assert asked == [128]
    rebuilt = to_trimesh(MeshData.read(folder.outputs / event.result.artifacts[0].file))
    cell = 4 / 1.9 * 2 / 128
    assert np.allclose(rebuilt.bounds, [corners.min(0), corners.max(0)], atol=2 * cell)
    assert np.allclose(rebuilt.center_mass, corners.mean(0), atol=cell)
    assert rebuilt.volume == pytest.approx(4 / 3, rel=0.03)


def test_a_mesh_goes_through_the_real_networks(local, make_job, tmp_path):
    box = trimesh.creation.box((1, 2, 3))
    MeshData(box.vertices + 7, box.faces).write(tmp_path / "box.npz")
    folder = make_job("reconstruct", "partpacker", "starter", 0, {"mesh": tmp_path / "box.npz"}, grid_resolution="64")
    events = local.run(folder)
    assert isinstance(events[-1], Done), events[-1]
    assert stages(events) == [stage.name for stage in SPEC.task("reconstruct").stages]
    vertices = MeshData.read(folder.outputs / "mesh.npz").vertices
    assert np.abs(vertices - 7).max() <= 3 / 1.9 + 1e-4, "within the cube around the box"


@pytest.fixture
def chain(tmp_path):
    """The job folder and the given meshes of five boxes, each touching the next."""
    folder = JobFolder.create(tmp_path / "split")
    given = []
    for number in range(5):
        box = trimesh.creation.box((1, 1, 1)).apply_translation([number * 0.98, 20, 0])
        given.append((box.vertices.astype(np.float32), box.faces.astype(np.int32)))
        MeshData(*given[-1]).write(folder.inputs / f"mesh.{number:03d}.npz")
    names = tuple(f"mesh.{number:03d}.npz" for number in range(5))
    folder.write_request(Request("split", "split_parts", "partpacker", "starter", "chain", inputs={"meshes": names}))
    return folder, given


def test_parts_are_sorted_into_two_volumes_and_stay_as_they_are(local, chain):
    folder, given = chain
    events = local.run(folder)
    assert isinstance(events[-1], Done), events[-1]
    assert not events_of(events, Loading)
    assert stages(events) == ["contacts", "pack"]
    artifacts = events[-1].result.artifacts
    volumes = [artifact.properties["volume"] for artifact in artifacts]
    assert volumes in ([0, 1, 0, 1, 0], [1, 0, 1, 0, 1])
    assert [artifact.group for artifact in artifacts] == [f"volume.{volume}" for volume in volumes]
    assert [artifact.properties["source"] for artifact in artifacts] == [0, 1, 2, 3, 4]
    for artifact, (vertices, faces) in zip(artifacts, given, strict=True):
        kept = MeshData.read(folder.outputs / artifact.file)
        assert np.array_equal(kept.vertices, vertices)
        assert np.array_equal(kept.faces, faces)


def test_splitting_can_be_cancelled_between_two_pairs(local, chain, monkeypatch):
    monkeypatch.setattr("backend.worker.progress.SECONDS_BETWEEN_EVENTS", 0)
    local.on_event = lambda event: local.worker.cancel("split") if getattr(event, "step", 0) == 2 else None
    events = local.run(chain[0])
    assert isinstance(events[-1], CancelledEvent)
    assert stages(events) == ["contacts"]


def test_one_mesh_is_split_into_its_pieces(local, make_job, tmp_path):
    pieces = [trimesh.creation.box((1, 1, 1)).apply_translation([0, 0, number * 1.5]) for number in range(3)]
    whole = trimesh.util.concatenate(pieces)
    MeshData(whole.vertices, whole.faces).write(tmp_path / "tower.npz")
    folder = make_job("split_parts", "partpacker", "starter", 0, {"meshes": tmp_path / "tower.npz"})
    artifacts = local.run(folder)[-1].result.artifacts
    assert [artifact.properties["faces"] for artifact in artifacts] == [12, 12, 12]
    heights = sorted(MeshData.read(folder.outputs / artifact.file).vertices[:, 2].mean() for artifact in artifacts)
    assert np.allclose(heights, [0, 1.5, 3.0], atol=1e-5)


def _ball(resolution):
    axis = torch.linspace(-1, 1, resolution + 1)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return 0.7 - (x**2 + y**2 + z**2).sqrt()


def _wedge(resolution):
    """The wedge of the test as a field in the decoder's frame: x = -Y, y = X, z = Z of Blender, longest side 1.9."""
    axis = torch.linspace(-1, 1, resolution + 1)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    scale = 4 / 1.9
    blender = torch.stack([y, -x, z], dim=-1) * scale + torch.tensor([2.0, 1.0, 0.5])
    low = blender.min(dim=-1).values
    slope = (1 - blender[..., 0] / 4 - blender[..., 1] / 2 - blender[..., 2]) / (1 / 16 + 1 / 4 + 1) ** 0.5
    return torch.minimum(low, slope).clamp(-1, 1)
