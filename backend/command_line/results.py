# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's artifacts as files that other programs read, and its summary."""

import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..contract import (
    MATERIAL_ROLES,
    VARIANT_GROUP,
    Artifact,
    JobFolder,
    MeshData,
    MeshwrightError,
    Remedy,
    Result,
    TaskSpec,
    unwritable_folder,
    write_text_whole,
)
from ..contract.mesh_metrics import COMPONENTS, MESH_METRICS
from ..geometry.joining import joined
from ..geometry.mesh_files import SINGLE_PRECISION, NamedMesh, write_parts
from .inputs import Placed
from .result_folder import SUMMARY, replaced_files
from .task_arguments import FORMATS


def write_results(
    result: Result, folder: JobFolder, task: TaskSpec, name: str, target: Path, file_format: str, placed: Placed
) -> tuple[str, ...]:
    """Write into `target` every mesh as `<artifact>.<format>`, all other artifacts as they are, and result.json, in
    place of what an earlier run wrote there.

    Where meshes are delivered in groups, each group becomes `<name>_volume0.obj` and so on, and one GLB holds them
    all. Where the meshes of the input got material maps, `<name>.glb` holds them all with their materials. Returns
    what of the input could not be kept, as sentences. Raises MeshwrightError when the folder cannot be written.
    """
    remarks: tuple[str, ...] = ()
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    maps = _maps_by_target(result, folder)
    parts = [_part(artifact, folder, maps.get(artifact.file, {}), placed.origin) for artifact in meshes]
    if any(placed.origin) and task.delivery != "groups" and f".{file_format}" in SINGLE_PRECISION and meshes:
        remarks = (f"It is far from the origin, where {file_format.upper()} files lose their shape: it was written "
                   f"{', '.join(f'{value:g}' for value in placed.origin)} m closer to it.",)
    try:
        with replaced_files(target, FORMATS) as draft:
            if task.delivery == "groups":
                _write_groups(meshes, parts, name, draft)
            else:
                for part in parts:
                    write_parts(draft / f"{part.name}.{file_format}", [part])
            if placed.nodes and any(file in maps for file in placed.files):
                from ..painting.painted_files import write_painted  # it brings torch, which not every task waits for

                remarks += write_painted(draft / f"{name}.glb", placed.nodes,
                                         [maps.get(file, {}) for file in placed.files])
            for artifact in result.artifacts:
                if artifact.kind != "mesh":
                    shutil.copy(folder.outputs / artifact.file, draft / artifact.file)
            write_text_whole(draft / SUMMARY, json.dumps(result.to_json(), ensure_ascii=False, indent=1))
    except OSError as error:
        raise unwritable_folder(target, error) from error
    return remarks


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
        raise unwritable_folder(target, error) from error


def texts(result: Result, folder: JobFolder) -> list[str]:
    """What the artifacts that are texts say. Raises MeshwrightError for one that is no text."""
    said = []
    for artifact in result.artifacts:
        if artifact.kind == "text":
            try:
                said.append((folder.outputs / artifact.file).read_text("utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise MeshwrightError(f"{artifact.file} cannot be read.", str(error), "Run the task again.",
                                      Remedy.RETRY) from error
    return said


def summary(result: Result, folder: JobFolder, name: str, target: Path) -> str:
    """"chair: 7 parts, 41,236 faces, 12.3 s (sample 8.0, field 3.1 ...) in out/chair", then texts, metrics, remarks."""
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    counts = "".join(f"{words}, " for words in (_meshes_in_words(meshes, folder), _maps_in_words(result)) if words)
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result.seconds.items())
    lines = [f"{name}: {counts}{sum(result.seconds.values()):.1f} s ({stages}) in {target}"]
    lines += [f"  {line}" for text in texts(result, folder) for line in text.splitlines()]
    lines += [f"  {artifact.name}: {quality}" for artifact in meshes if (quality := _quality(artifact))]
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])


def _meshes_in_words(meshes: Sequence[Artifact], folder: JobFolder) -> str:
    """"7 parts, 41,236 faces"; "" for none."""
    if not meshes:
        return ""
    faces = sum(len(MeshData.read(folder.outputs / artifact.file).faces) for artifact in meshes)
    several = "variants" if meshes[0].group == VARIANT_GROUP else "parts"
    return f"{f'{len(meshes)} {several}' if len(meshes) > 1 else '1 mesh'}, {faces:,} faces"


def _maps_in_words(result: Result) -> str:
    """"2 textures of 512 x 512", or "1 texture of 512 x 512 with metallic, roughness"; "" for none."""
    colors = [artifact for artifact in result.artifacts if artifact.role == "base_color"]
    if not colors:
        return ""
    size = colors[0].properties.get("texture_size")
    further = [role for role in MATERIAL_ROLES[1:] if any(artifact.role == role for artifact in result.artifacts)]
    words = f"{len(colors)} texture{'s' * (len(colors) > 1)}" + (f" of {size} x {size}" if size else "")
    return words + (f" with {', '.join(further)}" if further else "")


def _maps_by_target(result: Result, folder: JobFolder) -> dict[str, Mapping[str, Path]]:
    """The image files of each material, by role, for every mesh file that has maps."""
    maps: dict[str, dict[str, Path]] = defaultdict(dict)
    for artifact in result.artifacts:
        if artifact.role in MATERIAL_ROLES:
            maps[artifact.target][artifact.role] = folder.outputs / artifact.file
    return dict(maps)


def _quality(artifact: Artifact) -> str:
    """The metrics of a mesh that was generated; "" where there are none."""
    known = artifact.properties
    if COMPONENTS.name not in known:
        return ""
    values = {metric: known[metric.name] for metric in MESH_METRICS if metric.name in known}
    return ", ".join(f"{metric.label} {metric.in_words(value)}" for metric, value in values.items()
                     if not isinstance(value, str))


def _part(
    artifact: Artifact, folder: JobFolder, maps: Mapping[str, Path], origin: tuple[float, float, float]
) -> NamedMesh:
    return NamedMesh(artifact.name, MeshData.read(folder.outputs / artifact.file), artifact.color, maps, origin)


def _write_groups(meshes: Sequence[Artifact], parts: Sequence[NamedMesh], name: str, target: Path) -> None:
    groups = {artifact.name: artifact.group for artifact in meshes}
    for group in sorted(set(groups.values()) - {""}):
        members = [part.mesh for part in parts if groups[part.name] == group]
        label = group.replace(".", "")
        whole = NamedMesh(f"{name}_{label}", joined(members), origin=parts[0].origin)
        write_parts(target / f"{whole.name}.obj", [whole])
    write_parts(target / f"{name}.glb", parts)
