# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's artifacts as files that other programs read, and its summary."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract import VARIANT_GROUP, Artifact, JobFolder, MeshwrightError, Remedy, Result, TaskSpec, read_mesh
from ..contract.mesh_metrics import COMPONENTS, MESH_METRICS
from ..geometry.mesh import TriangleMesh
from ..geometry.mesh_files import NamedMesh, joined, write_parts

if TYPE_CHECKING:  # it brings torch along, which not every task waits for
    from ..geometry.uv_mesh_files import PaintedNode


def write_results(
    result: Result,
    folder: JobFolder,
    task: TaskSpec,
    name: str,
    target: Path,
    file_format: str,
    painted: "Sequence[PaintedNode]" = (),
) -> None:
    """Write into `target` every mesh as `<artifact>.<format>`, all other artifacts as they are, and result.json.

    Where the artist gave several meshes to be sorted, their groups become `<name>_volume0.obj` and so on, and one GLB
    holds them all. Of meshes that were `painted`, `<name>.glb` holds all with their textures. Raises
    MeshwrightError when the folder cannot be written.
    """
    parts = [_part(artifact, folder) for artifact in result.artifacts if artifact.kind == "mesh"]
    try:
        target.mkdir(parents=True, exist_ok=True)
        if task.inputs[0].kind == "meshes":
            _write_groups(result.artifacts, parts, name, target)
        else:
            for part in parts:
                write_parts(target / f"{part.name}.{file_format}", [part])
        if painted:
            from ..geometry.uv_mesh_files import write_painted

            images = [folder.outputs / artifact.file for artifact in result.artifacts if artifact.kind == "image"]
            write_painted(target / f"{name}.glb", painted, images)
        for artifact in result.artifacts:
            if artifact.kind != "mesh":
                shutil.copy(folder.outputs / artifact.file, target / artifact.file)
        (target / "result.json").write_text(
            json.dumps(result.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise _unwritable(target, error) from error


def result_of_file(result: Result, file: str, name: str) -> Result:
    """What came of one input file of a job of several, as if of a job of its own: the artifacts are named after `name`
    instead of the file in the job, and the seconds are an equal share of the job's."""
    own, stem = result.files[file], Path(file).stem
    artifacts = tuple(replace(artifact, name=name + artifact.name.removeprefix(stem)) for artifact in own.artifacts)
    seconds = {stage: spent / len(result.files) for stage, spent in result.seconds.items()}
    return Result(artifacts, seconds, own.notes)


def keep_log(folder: JobFolder, target: Path) -> None:
    """Copy a failed job's log into `target`. Raises MeshwrightError when that folder cannot be written."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder.log, target / "log.txt")
    except OSError as error:
        raise _unwritable(target, error) from error


def summary(result: Result, folder: JobFolder, name: str, target: Path) -> str:
    """"chair: 7 parts, 41,236 faces, 12.3 s (sample 8.0, field 3.1 ...) in out/chair", then figures and remarks."""
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    faces = sum(len(read_mesh(folder.outputs / artifact.file)[1]) for artifact in meshes)
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result.seconds.items())
    several = "variants" if meshes and meshes[0].group == VARIANT_GROUP else "parts"
    words = f"1 part, {faces:,} faces" if len(meshes) == 1 else f"{len(meshes)} {several}, {faces:,} faces"
    if sizes := [artifact.properties["texture_size"] for artifact in result.artifacts
                 if "texture_size" in artifact.properties]:
        words = f"{len(sizes)} texture{'s' * (len(sizes) > 1)} of {sizes[0]} x {sizes[0]}"
    lines = [f"{name}: {words}, {sum(result.seconds.values()):.1f} s ({stages}) in {target}"]
    lines += [f"  {artifact.name}: {quality}" for artifact in meshes if (quality := _quality(artifact))]
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])


def _quality(artifact: Artifact) -> str:
    """The figures of a mesh that was woven; "" where there are none."""
    known = artifact.properties
    if COMPONENTS.name not in known:
        return ""
    return ", ".join(f"{figure.label} {figure.in_words(known[figure.name])}"
                     for figure in MESH_METRICS if figure.name in known)


def _unwritable(target: Path, error: OSError) -> MeshwrightError:
    return MeshwrightError(f"The folder {target} cannot be written.", error.strerror or str(error),
                           "Free some space, or choose another folder.", Remedy.CHOOSE_FOLDER)


def _part(artifact: Artifact, folder: JobFolder) -> NamedMesh:
    return NamedMesh(artifact.name, TriangleMesh(*read_mesh(folder.outputs / artifact.file)), artifact.color)


def _write_groups(artifacts: Sequence[Artifact], parts: Sequence[NamedMesh], name: str, target: Path) -> None:
    groups = {artifact.name: artifact.group for artifact in artifacts}
    for group in sorted(set(groups.values()) - {""}):
        members = [part.mesh for part in parts if groups[part.name] == group]
        label = group.replace(".", "")
        write_parts(target / f"{name}_{label}.obj", [NamedMesh(f"{name}_{label}", joined(members))])
    write_parts(target / f"{name}.glb", parts)
