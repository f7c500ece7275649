# SPDX-License-Identifier: GPL-3.0-or-later
"""The task `split_parts`: given meshes sorted into two volumes in which no two parts touch.

See docs/algorithms/partpacker.md, section 8.
"""

from ...contract import Artifact, JobFolder, MeshData, Progress, Request, Result
from ...geometry.packing.pack import DualVolumePacking, pack
from ...geometry.packing.parts import PackedPart, clean_part, connected_parts
from ...geometry.trimesh_conversion import from_trimesh, to_trimesh
from .palette import PALETTE


def split_parts(request: Request, folder: JobFolder, progress: Progress) -> Result:
    """One mesh artifact per part, in its place, with the group "volume.0" or "volume.1".

    Several given meshes are the parts and come back as they were, `properties["source"]` counting them from 0; one
    mesh is split into its connected pieces. Raises BadInput for meshes that cannot be packed.
    """
    progress.stage("contacts", 0, 1)
    given = [MeshData.read(folder.inputs / file) for file in request.inputs["meshes"]]
    if len(given) > 1:
        parts = []
        for number, mesh in enumerate(given):
            progress.check()
            parts.append(PackedPart((f"{number:06d}",), clean_part(to_trimesh(mesh))))
        meshes = dict(zip((part.members[0] for part in parts), given, strict=True))
    else:
        parts = connected_parts(to_trimesh(given[0]))
        meshes = {part.members[0]: from_trimesh(part.mesh) for part in parts}
    packing = pack(parts, on_pair=lambda pair, of: progress.stage("contacts", pair, of))
    progress.stage("contacts", 1, 1)
    if not all(packing.volumes):
        progress.warn("All parts touch each other, directly or through others, so they are all in one volume.")
    volume_of = _volumes(packing)
    artifacts = []
    for number, (name, mesh) in enumerate(meshes.items()):
        file = f"part.{number + 1:03d}.npz"
        mesh.write(folder.outputs / file)
        color = tuple(round(channel / 255, 4) for channel in PALETTE[number % len(PALETTE)])
        properties = {"volume": volume_of[name], "faces": len(mesh.faces), "source": number if len(given) > 1 else 0}
        artifacts.append(Artifact(f"{request.subject}.part.{number + 1:02d}", "mesh", file, "mesh", color=color,
                                  group=f"volume.{volume_of[name]}", properties=properties))
        progress.stage("pack", number + 1, len(meshes))
    return Result(tuple(artifacts))


def _volumes(packing: DualVolumePacking) -> dict[str, int]:
    return {
        name: index for index, groups in enumerate(packing.volumes) for group in groups for name in group.members
    }
