# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a result is what the delivery of its task takes, and whether two results are the same."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from backend.contract import MATERIAL_ROLES, VARIANT_GROUP, Artifact, MeshData, Result, TaskSpec
from tests.pipelines.trials import Run

KINDS = {"mesh": {"mesh"}, "scene": {"scene"}, "caption": {"text"}, "preview": {"image", "mesh"}, "mask": {"image"},
         **{role: {"image"} for role in MATERIAL_ROLES}}
"""The kinds of file that may have a role."""
NEEDED = {"object": "mesh", "parts": "mesh", "replace": "mesh", "groups": "mesh", "material": "base_color",
          "text": "caption"}
"""The role without which a delivery has nothing to deliver."""
LEVELS = 2
"""Steps of 256 by which pixels may differ where the same is added up in another order."""


def check_result(run: Run, task: TaskSpec) -> None:
    """Every artifact is there and readable, has its role and target, and suits the delivery."""
    assert Result.from_json(run.result.to_json()) == run.result
    mesh = task.mesh_input.name if task.mesh_input else ""
    sources = run.request.inputs.get(mesh, ())
    groups: list[tuple[tuple[Artifact, ...], tuple[str, ...]]] = [(run.result.artifacts, sources)]
    if run.result.files:
        assert not run.result.artifacts and set(run.result.files) == set(sources)
        groups = [(found.artifacts, (name,)) for name, found in run.result.files.items() if found.error is None]
    for artifacts, given in groups:
        _check_delivery(artifacts, task, given)
    everything = [artifact for artifacts, _ in groups for artifact in artifacts]
    files = [artifact.file for artifact in everything]
    assert len(set(files)) == len(files), "two artifacts in one file"
    inputs = {name for names in run.request.inputs.values() for name in names}
    for artifact in everything:
        _check_artifact(artifact, run.folder.outputs, inputs | set(files) - {artifact.file})
    for file in run.progress.previews:
        _read(file, "mesh" if file.endswith(".npz") else "image", run.folder.outputs)
    assert set(run.files) <= {*files, *run.progress.previews}, "files that nobody learns of"


def assert_same(first: Run, second: Run) -> None:
    """The same artifacts and the same bytes."""
    assert first.result == second.result
    assert first.files.keys() == second.files.keys()
    assert [name for name in first.files if first.files[name] != second.files[name]] == []


def assert_alike(first: Run, second: Run) -> None:
    """The same, up to the rounding of sums in another order."""
    assert [replaced.name for replaced in first.result.artifacts] == [found.name for found in second.result.artifacts]
    assert first.files.keys() == second.files.keys()
    for name, one in first.files.items():
        other = second.files[name]
        if one == other:
            continue
        if name.endswith(".npz"):
            left, right = (MeshData.read(run.folder.outputs / name) for run in (first, second))
            assert np.array_equal(left.faces, right.faces)
            assert np.allclose(left.vertices, right.vertices, atol=1e-4 * left.diagonal)
        else:
            pixels = [np.asarray(Image.open(io.BytesIO(content)), int) for content in (one, other)]
            assert np.abs(pixels[0] - pixels[1]).max() <= LEVELS, name


def _check_delivery(artifacts: Sequence[Artifact], task: TaskSpec, sources: Sequence[str]) -> None:
    needed = [artifact for artifact in artifacts if artifact.role == NEEDED[task.delivery]]
    assert needed, f"nothing to deliver as {task.delivery}"
    if task.delivery in ("object", "replace") and len(needed) > 1:
        assert {artifact.group for artifact in needed} == {VARIANT_GROUP}
    if task.delivery == "parts":
        assert len({artifact.name for artifact in needed}) == len(needed)
    if task.delivery == "groups":
        assert all(artifact.group for artifact in needed)
    if task.delivery == "material":
        assert sorted(artifact.target for artifact in needed) == sorted(sources)
    if task.delivery == "text":
        assert [artifact.target for artifact in needed] == list(sources or [""])


def _check_artifact(artifact: Artifact, outputs: Path, targets: set[str]) -> None:
    assert artifact.name and artifact.kind in KINDS[artifact.role], artifact
    assert artifact.target in {"", *targets}, artifact
    assert artifact.color is None or all(0 <= channel <= 1 for channel in artifact.color), artifact
    _read(artifact.file, artifact.kind, outputs)


def _read(file: str, kind: str, outputs: Path) -> None:
    assert Path(file).name == file
    path = outputs / file
    if kind == "mesh":
        _check_mesh(MeshData.read(path))
    elif kind == "image":
        with Image.open(path) as image:
            image.load()
    elif kind == "scene":
        assert trimesh.load_scene(path).geometry
    else:
        assert path.read_text("utf-8").strip()


def _check_mesh(mesh: MeshData) -> None:
    assert len(mesh.faces) and np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
    if mesh.uvs is not None:
        assert len(mesh.uvs) == len(mesh.faces) and np.isfinite(mesh.uvs).all()
    if mesh.colors is not None:
        assert len(mesh.colors) == len(mesh.vertices) and (mesh.colors >= 0).all() and (mesh.colors <= 1).all()
