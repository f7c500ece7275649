# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd and broken meshes through both tasks: a clear message or the right result, in bounded time and memory."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.geometry.manifold_repair import repair
from backend.pipelines.silksong import job, mesh_cleaning
from backend.pipelines.silksong.mesh_cleaning import clean_mesh
from backend.pipelines.silksong.point_sampling import sample_condition_points
from backend.pipelines.silksong.spec import SPEC
from tests.silksong.test_job import Silent
from tests.silksong.tiny_networks import tiny_pipeline

BALL = trimesh.creation.icosphere(2)
VERTICES, FACES = np.array(BALL.vertices), np.array(BALL.faces)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
LINE = np.arange(4)[:, None] * [1.0, 0, 0]
FAN = [[0, 1, 2], [1, 2, 3], [0, 2, 3]]


def with_vertex(place: object) -> np.ndarray:
    return np.vstack([VERTICES, [place]])


def moved(place: float) -> np.ndarray:
    """The ball with one vertex of its surface elsewhere."""
    vertices = VERTICES.copy()
    vertices[0] = place
    return vertices


def run(tmp_path: Path, task: str, vertices: np.ndarray, faces: object, **options: object) -> tuple[MeshData, str]:
    """The resulting mesh and its remarks."""
    folder = JobFolder.create(tmp_path / "job")
    MeshData(vertices, np.array(faces)).write(folder.inputs / "mesh.npz")
    before = (folder.inputs / "mesh.npz").read_bytes()
    request = Request("job", task, "silksong", "published", "thing", 0, options, {"mesh": ("mesh.npz",)})
    try:
        result = job.run(tiny_pipeline(40), request.validated(SPEC), folder, Resources(), Silent())
    finally:
        assert (folder.inputs / "mesh.npz").read_bytes() == before
    return MeshData.read(folder.outputs / result.artifacts[0].file), " ".join(result.notes)


@pytest.mark.parametrize("task", ["remesh", "repair_mesh"])
@pytest.mark.parametrize(("vertices", "faces", "words"), [
    pytest.param(np.zeros((0, 3)), np.zeros((0, 3), int), "no faces", id="nothing"),
    pytest.param(SQUARE, np.zeros((0, 3), int), "no faces", id="loose vertices"),
    pytest.param(LINE, FAN, "no surface", id="a line"),
    pytest.param(np.ones((4, 3)), FAN, "no (surface|extent)", id="a point"),
    pytest.param(moved(np.nan), FACES, "invalid vertex positions", id="not a number"),
    pytest.param(moved(np.inf), FACES, "invalid vertex positions", id="infinite"),
    pytest.param(np.vstack([VERTICES, SQUARE[:3] * 1e-3 + 1e6]), np.vstack([FACES, [[162, 163, 164]]]), "no surface",
                 id="a stray face far away"),
])
def test_what_has_no_surface_is_refused(tmp_path: Path, task: str, vertices: np.ndarray, faces: object,
                                        words: str) -> None:
    with pytest.raises(BadInput, match=words) as error:
        run(tmp_path, task, vertices, faces)
    assert error.value.report.advice


@pytest.mark.parametrize(("vertices", "faces"), [
    pytest.param(with_vertex([1e6, 0, 0]), FACES, id="a loose vertex far away"),
    pytest.param(with_vertex([np.nan, 0, 0]), FACES, id="a loose vertex that is not a number"),
    pytest.param(VERTICES, np.vstack([FACES, FACES, FACES[:, ::-1]]), id="faces three times"),
    pytest.param(VERTICES, np.vstack([FACES, [[0, 0, 1], [2, 2, 2]]]), id="faces without area"),
])
def test_what_does_not_belong_to_the_surface_changes_nothing(tmp_path: Path, vertices: np.ndarray,
                                                             faces: np.ndarray) -> None:
    repaired, _ = run(tmp_path, "repair_mesh", vertices, faces)
    assert np.allclose(repaired.vertices, VERTICES, atol=1e-6) and len(repaired.faces) == len(FACES)
    (tmp_path / "job").rename(tmp_path / "repaired")
    decoded, _ = run(tmp_path, "remesh", vertices, faces)
    (tmp_path / "job").rename(tmp_path / "woven")
    plain, _ = run(tmp_path, "remesh", VERTICES, FACES)
    assert np.array_equal(decoded.faces, plain.faces) and np.allclose(decoded.vertices, plain.vertices, atol=1e-6)


@pytest.mark.parametrize("scale", [(1e30, 1e30, 1e30), (1e-30, 1e-30, 1e-30), (1, 1, 0), (-1, 1, 1), (0.1, 10, 1)])
def test_sizes_flat_and_mirrored_meshes(tmp_path: Path, scale: tuple[float, ...]) -> None:
    """Random weights generate vertices anywhere in the cube around the original, in its place and size."""
    decoded, _ = run(tmp_path, "remesh", VERTICES * scale, FACES)
    assert len(decoded.faces) and np.isfinite(decoded.vertices).all()
    cube = 1.1 * np.max(np.abs(scale))
    assert 0.05 * cube < np.abs(decoded.vertices.astype(np.float64)).max() <= cube
    (tmp_path / "job").rename(tmp_path / "woven")
    repaired, _ = run(tmp_path, "repair_mesh", VERTICES * scale, FACES)
    if 0 not in scale:
        assert np.allclose(repaired.vertices, VERTICES * scale, rtol=1e-6)
        sign = np.sign(repaired.volume) if 1e-20 < abs(np.prod(scale)) < 1e20 else 0
        assert sign in (0, np.sign(np.prod(scale))), "a mirrored mesh stays inside out, as it came"


@pytest.mark.parametrize(("count", "word"), [(1, "1 face of"), (2, "2 faces of")])
def test_one_or_two_triangles_cannot_be_simpler_but_be_repaired(tmp_path: Path, count: int, word: str) -> None:
    """The model was never shown a component of less than three faces."""
    faces = np.array([[0, 1, 2], [0, 2, 3]])[:count]
    with pytest.raises(BadInput, match=f"only {word} any area"):
        run(tmp_path, "remesh", SQUARE, faces)
    (tmp_path / "job").rename(tmp_path / "refused")
    repaired, remarks = run(tmp_path, "repair_mesh", SQUARE, faces)
    assert len(repaired.faces) == count and not remarks


def test_a_dense_mesh_keeps_its_small_faces_when_repaired() -> None:
    """320,000 faces: on the published tool's grid a tenth of them would be gone, and holes in their place."""
    dense = trimesh.creation.icosphere(7)
    repaired = repair(dense.vertices, dense.faces)
    assert len(repaired.faces) == len(dense.faces) and not repaired.notes


def test_too_many_faces_to_repair_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MOST_FACES_TO_REPAIR", 300)
    with pytest.raises(BadInput, match=r"has 320 faces\. At most 300 are repaired"):
        run(tmp_path, "repair_mesh", VERTICES, FACES)


def test_vertices_of_huge_meshes_are_merged_by_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    soup = MeshData(VERTICES[FACES].reshape(-1, 3), np.arange(3 * len(FACES)))
    exact = clean_mesh(soup)
    monkeypatch.setattr(mesh_cleaning, "MOST_VERTICES", 100)
    by_cells = clean_mesh(soup)
    assert len(by_cells.vertices) == len(exact.vertices) and np.array_equal(by_cells.faces, exact.faces)


def test_a_crowd_beside_a_stray_face_is_merged_in_bounded_time() -> None:
    """All of the 20,000 vertices are nearer to one another than the merge distance: 200 million pairs."""
    crowd = np.random.default_rng(0).normal(size=(20_000, 3))
    faces = np.vstack([np.arange(19_998).reshape(-1, 3), [[19_998, 19_999, 0]]])
    crowd[-2:] = [[1e8, 0, 0], [0, 1e8, 0]]
    cleaned = clean_mesh(MeshData(crowd, faces))
    assert len(cleaned.faces) == 1


def test_areas_are_summed_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_condition_points(VERTICES, FACES, seed=1)
    monkeypatch.setattr("backend.pipelines.silksong.point_sampling.FACES_AT_ONCE", 7)
    assert (sample_condition_points(VERTICES, FACES, seed=1) == whole).all()
