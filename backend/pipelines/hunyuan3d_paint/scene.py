# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's objects where the painting network expects them, and the views that they need."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ...contract.reports import ignore
from ...geometry.projection import Cameras, UVMesh, rasterize_views
from ...painting.scene import PaintedScene
from ...painting.squares import square_of_faces
from .rig import ALWAYS, CANDIDATES, RADIUS, Pose, paint_cameras, select_views

SELECTION_SIZE = 1024
"""Pixels a side of the images that views are selected by."""


@dataclass(frozen=True)
class PaintScene:
    """All objects in the sphere of the rig, and the selected views.

    Attributes:
        mesh: with UVs in a strip of square textures, the first `objects` of which are painted.
        squares: how many squares the strip has.
        objects: see `mesh`.
        poses: of the views.
        cameras: in the same order.
    """

    mesh: UVMesh
    squares: int
    objects: int
    poses: list[Pose]
    cameras: Cameras

    @classmethod
    def of(cls, whole: PaintedScene, views: int, check: Callable[[], None] = ignore) -> "PaintScene":
        """At most `views` views. `check` is called between images and may raise to end it."""
        mesh = in_sphere(whole.mesh)
        poses = choose_poses(mesh, square_of_faces(mesh, whole.squares) < whole.objects, views, check)
        return cls(mesh, whole.squares, whole.objects, poses, paint_cameras(poses).to(mesh.device))


def in_sphere(mesh: UVMesh) -> UVMesh:
    """The mesh moved and scaled so that the middle of its box is the origin and its farthest corner `RADIUS` away."""
    used = mesh.vertices[mesh.faces.long().flatten().unique()].double()
    center = (used.amax(dim=0) + used.amin(dim=0)) / 2
    scale = RADIUS / (used - center).norm(dim=1).max()
    return replace(mesh, vertices=((mesh.vertices.double() - center) * scale).float())


def choose_poses(
    mesh: UVMesh, painted: torch.Tensor, views: int, check: Callable[[], None] = ignore
) -> list[Pose]:
    """Poses of the views; `painted` (bool `[F]`) are the faces whose areas count."""
    if views <= ALWAYS:
        return list(CANDIDATES[:ALWAYS])
    cameras = paint_cameras(CANDIDATES).to(mesh.device)
    seen = []
    for view in range(len(CANDIDATES)):
        check()
        face = rasterize_views(mesh, cameras[[view]], SELECTION_SIZE, cull=False).face.flatten().long()
        marked = torch.zeros(len(mesh.faces), dtype=torch.bool, device=mesh.device)
        marked[face[face >= 0]] = True
        seen.append(marked)
    a, b, c = mesh.vertices[mesh.faces.long()].unbind(1)
    areas = (b - a).cross(c - a, dim=1).norm(dim=1) * painted
    return [CANDIDATES[index] for index in select_views(torch.stack(seen), areas, views)]
