# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's jobs: the result stands where the selected mesh stood, and bad meshes are refused in clear words."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.geometry.deviation import deviations
from backend.pipelines.silksong.job import load, run
from backend.pipelines.silksong.spec import SPEC
from backend.pipelines.silksong.tokenizer import encode
from tests.silksong.conftest import DISTANCE_SAMPLES
from tests.silksong.tiny_networks import tiny_pipeline


class Silent:
    """A progress that nobody watches."""

    def stage(self, name: str, step: int, of: int) -> None:
        """Keep the share of each stage that was told last."""
        self.told = {**getattr(self, "told", {}), name: step / of}

    def check(self) -> None:
        """Go on."""

    def preview(self, file: str) -> None:
        """Keep the names of the files that were told."""
        self.previews = [*getattr(self, "previews", ()), file]

    def warn(self, text: str) -> None:
        """Nothing is to be remarked here."""
        raise AssertionError(text)


def request(folder: JobFolder, task: str, mesh: trimesh.Trimesh, **options: object) -> Request:
    MeshData(mesh.vertices, mesh.faces).write(folder.inputs / "mesh.npz")
    return Request("job", task, "silksong", "published", "thing", 3, options, {"mesh": ("mesh.npz",)}).validated(SPEC)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "job")


def test_remesh_stays_in_the_box_of_the_original(folder: JobFolder) -> None:
    ball = trimesh.creation.icosphere(3, radius=4)
    ball.apply_translation([10, -20, 5])
    wanted, told = request(folder, "remesh", ball), Silent()
    result = run(tiny_pipeline(), wanted, folder, Resources(), told)
    mesh = MeshData.read(folder.outputs / result.artifacts[0].file)
    vertices, faces = mesh.vertices, mesh.faces
    cell = 8 / 1.9 * 2 / 128
    assert len(faces) == result.artifacts[0].properties["faces"] > 0
    # Random weights generate vertices anywhere in the cube [-1, 1] around the original.
    assert (np.abs(vertices - [10, -20, 5]) <= 4 / 0.95 + cell).all()
    assert told.told == {stage.name: 1.0 for stage in SPEC.task("remesh").stages}, "each to its end"
    found = result.artifacts[0].properties
    direct, = deviations(MeshData(ball.vertices, ball.faces), [MeshData(vertices, faces)], DISTANCE_SAMPLES)
    assert found["mean_distance_percent"] == pytest.approx(100 * direct.mean, abs=1e-4)
    assert found["hausdorff_percent"] == pytest.approx(100 * direct.hausdorff, abs=1e-4)
    # Random weights go on for ever: the grammar closes the mesh, and the artist is told.
    assert found["complete"] is False and "tokens ran out" in " ".join(result.notes)


def test_variants_are_draws_of_their_own_and_the_first_is_watched(folder: JobFolder, tmp_path: Path) -> None:
    ball, told, alone = trimesh.creation.icosphere(2), Silent(), JobFolder.create(tmp_path / "alone")
    wanted = request(folder, "remesh", ball, variants=3)
    result = run(tiny_pipeline(), wanted, folder, Resources(), told)
    assert [artifact.name for artifact in result.artifacts] == ["thing", "thing.v2", "thing.v3"]
    assert {artifact.group for artifact in result.artifacts} == {"variant"}
    meshes = [MeshData.read(folder.outputs / artifact.file) for artifact in result.artifacts]
    assert [len(mesh.faces) for mesh in meshes] == [artifact.properties["faces"] for artifact in result.artifacts]
    assert len({mesh.vertices.tobytes() for mesh in meshes}) == 3
    run(tiny_pipeline(), request(alone, "remesh", ball), alone, Resources(), Silent())
    first = MeshData.read(alone.outputs / "mesh.npz")
    same = [np.array_equal(first.vertices, mesh.vertices) for mesh in meshes]
    assert same.count(True) == 1, "asked for alone the first one generated is the same, wherever it is ranked"
    assert set(told.previews) == {"preview.npz"}
    mesh = MeshData.read(folder.outputs / "preview.npz")
    vertices, faces = mesh.vertices, mesh.faces
    assert 0 < len(faces) <= len(first.faces)
    assert {tuple(vertex) for vertex in vertices} <= {tuple(vertex) for vertex in first.vertices}


def test_a_sequence_that_ends_early_ends_its_stage(folder: JobFolder) -> None:
    class Early:
        """A model that writes a ball at once."""

        max_tokens = 10240

        def __call__(self, *, progress: Callable[[str, int, int], None], **_: object) -> list[np.ndarray]:
            progress("tokens", 8, self.max_tokens)
            return [encode(trimesh.creation.icosphere(1)).ids]

    told = Silent()
    run(Early(), request(folder, "remesh", trimesh.creation.icosphere(2)), folder, Resources(), told)
    assert told.told["tokens"] == 1.0


def test_repair_separates_what_meets_in_an_edge(folder: JobFolder) -> None:
    boxes = [trimesh.creation.box(), trimesh.creation.box()]
    boxes[1].apply_translation([1, 1, 0])  # they share one vertical edge
    joined = trimesh.util.concatenate(boxes)
    joined.merge_vertices()
    result = run(None, request(folder, "repair_mesh", joined), folder, Resources(), Silent())
    mesh = MeshData.read(folder.outputs / result.artifacts[0].file)
    vertices, faces = mesh.vertices, mesh.faces
    repaired = trimesh.Trimesh(vertices, faces, process=False)
    assert not joined.is_watertight
    assert repaired.is_watertight
    assert repaired.volume == pytest.approx(2)
    assert "copies of vertices" in " ".join(result.notes)


@pytest.mark.parametrize("task", ["remesh", "repair_mesh"])
@pytest.mark.parametrize("vertices, faces, words", [
    (np.eye(3), np.empty((0, 3), int), "no faces"),
    (np.full((3, 3), np.nan), [[0, 1, 2]], "damaged"),
    (np.ones((3, 3)), [[0, 1, 2]], "mesh"),
])
def test_bad_meshes_are_refused(folder: JobFolder, task: str, vertices: object, faces: object, words: str) -> None:
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    wanted = request(folder, task, mesh)
    with pytest.raises(BadInput, match=words):
        run(None if task == "repair_mesh" else tiny_pipeline(), wanted, folder, Resources(), Silent())


def test_a_file_comes_out_of_a_batch_as_it_does_alone(folder: JobFolder, tmp_path: Path) -> None:
    """On a CPU. A file that is no mesh gives its own error, and memory that is short gives smaller passes."""
    shapes = [trimesh.creation.icosphere(2), trimesh.creation.box((1, 2, 3)), trimesh.Trimesh(np.eye(3), [[0, 1, 2]]),
              trimesh.creation.cone(1, 2)]
    names = tuple(f"mesh.{number:03d}.npz" for number in range(1, 5))
    for name, shape in zip(names, shapes, strict=True):
        MeshData(shape.vertices, shape.faces).write(folder.inputs / name)
    model, options = tiny_pipeline(max_tokens=80), {"variants": 2}
    together = Request("job", "remesh", "silksong", "published", "all", 3, options, {"mesh": names}).validated(SPEC)
    told = Silent()
    result = run(model, together, folder, Resources(), told)
    assert not result.artifacts and list(result.files) == list(names) and not hasattr(told, "previews")
    assert "only 1 face" in str(result.files[names[2]].error) and not result.files[names[2]].artifacts
    in_passes = JobFolder.create(tmp_path / "passes")
    shutil.copytree(folder.inputs, in_passes.inputs, dirs_exist_ok=True)
    again = run(model, together, in_passes, Resources(chunk_scale=0.25), Silent())
    for number in (0, 1, 3):
        alone = JobFolder.create(tmp_path / str(number))
        own = run(model, request(alone, "remesh", shapes[number], **options), alone, Resources(), Silent())
        for batched, place in ((result, folder), (again, in_passes)):
            found = batched.files[names[number]]
            assert found.error is None and found.notes == own.notes
            for left, right in zip(found.artifacts, own.artifacts, strict=True):
                assert left.name == right.name.replace("thing", f"mesh.{number + 1:03d}")
                assert left.properties == right.properties
                a, b = MeshData.read(place.outputs / left.file), MeshData.read(alone.outputs / right.file)
                assert np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces)


def test_a_job_holds_no_more_files_than_the_task_takes() -> None:
    names = tuple(f"mesh.{number}.npz" for number in range(17))
    for task, files, most in (("remesh", names, 16), ("repair_mesh", names[:2], 1)):
        with pytest.raises(BadInput, match=f"cannot take {len(files)} files at once. It takes at most {most}"):
            Request("job", task, "silksong", "published", "all", 3, {}, {"mesh": files}).validated(SPEC)


def test_starter_weights_are_loaded_from_their_folder(tmp_path: Path) -> None:
    pipeline, loaded = tiny_pipeline(), []
    pipeline.to(torch.float16).save_pretrained(tmp_path)
    progress = Silent()
    progress.loading = loaded.append
    bundled = dataclasses.replace(SPEC.weight_set("published"), name="starter", files=(), bundled=True)
    model = load(bundled, tmp_path, Resources(), progress)
    assert loaded == ["starter weights"]
    assert model.transformer.dtype == torch.float32
    assert torch.equal(model.transformer.sos_token, pipeline.transformer.sos_token.float())
