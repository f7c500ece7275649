# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's objects as one scene: fitted to the cameras, with their textures side by side in one strip."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..contract import BadInput, MeshData
from ..geometry.library_devices import warp_device
from ..geometry.normalization import Normalization
from ..geometry.projection import MOST_OVERLAP, Cameras, UVMesh, uv_coverage, wrap_uvs
from .uv_strip import UVStrip

MOST_FACES = 2_000_000
FITTING_ROUNDS = 3


@dataclass(frozen=True)
class TextureSoFar:
    """The texture that a mesh has, float32 [3, H, W] in [0, 1], and the mesh with the UVs of all its faces in it."""

    mesh: UVMesh
    texture: Tensor


@dataclass(frozen=True)
class PaintedScene:
    """All objects as one mesh, where the cameras see them.

    Faces that are not selected only occlude others. They have a square of their own at the right end of the strip,
    since the artist's UVs may put them over selected ones.

    Attributes:
        mesh: all objects in the cameras' frame, with UVs in a strip of square textures.
        cameras: the views.
        objects: how many objects' textures lie in the strip, from the left.
        squares: how many squares the strip has.
        remarks: what the artist should know about the UVs.
        so_far: the textures that the objects have, if they were asked for.
    """

    mesh: UVMesh
    cameras: Cameras
    objects: int
    squares: int
    remarks: tuple[str, ...]
    so_far: TextureSoFar | None = None

    @classmethod
    def build(
        cls,
        meshes: Sequence[MeshData],
        cameras: Cameras,
        fill: float,
        device: torch.device | str,
        so_far: int = 0,
    ) -> "PaintedScene":
        """Fit meshes with UVs and a selection, in the cameras' frame (Y up, the front toward +Z).

        `device` is where the networks run; the scene lies there if warp can render and bake there, else on the CPU.
        `fill` is the share of half an image that the selected faces reach in the view where they are largest; `so_far`
        the most texels a side of the textures that the meshes bring, 0 if these are not wanted. Raises BadInput.
        """
        _check_size(meshes)
        device = warp_device(device)
        remarks = tuple(remark for mesh in meshes for remark in _checked(mesh))
        squares = len(meshes) + (not all(mesh.selected.all() for mesh in meshes))
        whole = _joined(meshes)
        painted = np.concatenate([mesh.vertices[mesh.faces[mesh.selected]].reshape(-1, 3) for mesh in meshes])
        placed = replace(whole, vertices=_fit(whole.vertices, painted, cameras, fill)).to(device)
        textures = _so_far(meshes, placed, so_far) if so_far else None
        return cls(_in_strip(placed, meshes, squares), cameras.to(device), len(meshes), squares, remarks, textures)


def strip_size(height: int, squares: int) -> tuple[int, int]:
    """Height and width of a strip of square textures."""
    return UVStrip(((1, 1),) * squares, height).texture_size


def _check_size(meshes: Sequence[MeshData]) -> None:
    faces = sum(len(mesh.faces) for mesh in meshes)
    if faces > MOST_FACES:
        what = "The mesh has" if len(meshes) == 1 else f"The {len(meshes)} meshes together have"
        raise BadInput(f"{what} {faces:,} faces.", f"At most {MOST_FACES:,} are taken.",
                       "Decimate first, or texture the parts one by one.")


def _checked(mesh: MeshData) -> list[str]:
    if not mesh.selected.any():
        raise BadInput("There is nothing to paint.", "No face of the mesh is selected.",
                       "Choose faces or whole objects.")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput("The mesh is damaged.", "It has invalid vertex positions (NaN or infinite).",
                       "Run Mesh > Clean Up in Blender, or select another object.")
    assert mesh.uvs is not None  # the caller gives meshes with UVs
    if not np.isfinite(mesh.uvs).all() or np.ptp(mesh.uvs[mesh.selected].reshape(-1, 2), axis=0).max() <= 0:
        raise BadInput("The mesh has no usable UVs.", "All of them are at one point.",
                       "Unwrap it (UV > Smart UV Project), or let Meshwright make a new UV layer.")
    layout = wrap_uvs(_uv_mesh(mesh.vertices, mesh.faces[mesh.selected], mesh.uvs[mesh.selected]))
    coverage = uv_coverage(layout)
    if coverage.outside:
        raise BadInput("The UVs reach across the border of the texture.",
                       f"{coverage.outside:.1%} of the painted faces lie in two tiles at once.",
                       "Pack the islands into one square (UV > Pack Islands), or let Meshwright make a new UV layer.")
    if coverage.overlapping > MOST_OVERLAP:
        return [f"UVs overlap on {coverage.overlapping:.0%} of the texture: the faces there share one color."]
    return []


def _uv_mesh(vertices: np.ndarray, faces: np.ndarray, corners: np.ndarray) -> UVMesh:
    """A mesh with a UV of its own for every corner."""
    return UVMesh.of_corners(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (
        vertices.astype(np.float32), faces, corners.astype(np.float32))))


def _joined(meshes: Sequence[MeshData]) -> UVMesh:
    """All meshes as one, where the artist placed them, each with the UVs of its own square, three a face."""
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)])
    return wrap_uvs(_uv_mesh(vertices, faces, np.concatenate([mesh.uvs for mesh in meshes])))


def _in_strip(whole: UVMesh, meshes: Sequence[MeshData], squares: int) -> UVMesh:
    """The joined mesh with its UVs in a strip of so many squares: one for each mesh, and where there are more the last
    one for the faces that are not painted."""
    square = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
    if squares > len(meshes):
        square[~np.concatenate([mesh.selected for mesh in meshes])] = squares - 1
    # Only the corners of faces that are not painted can still lie outside.
    inside, of_corner = whole.uvs.clamp(0, 1), torch.from_numpy(square).to(whole.device).repeat_interleave(3)
    return whole.with_uvs(UVStrip(((1, 1),) * squares, 1).to_strip(inside, of_corner))


def _so_far(meshes: Sequence[MeshData], whole: UVMesh, largest: int) -> TextureSoFar:
    """The textures that the meshes have, side by side, each a square of at most `largest` texels a side."""
    images = [mesh.texture for mesh in meshes if mesh.texture is not None]
    if len(images) < len(meshes):
        raise BadInput("There is no texture to follow.", "A mesh came without the one that it has so far.",
                       "Give every object a material and start from the panel again, or follow something else.")
    side = min(max(max(image.shape[:2]) for image in images), largest)
    squares = [
        functional.interpolate(torch.from_numpy(image).to(whole.device).permute(2, 0, 1)[None] / 255, (side, side),
                               mode="bilinear", antialias=True)[0]
        for image in images
    ]
    return TextureSoFar(_in_strip(whole, meshes, len(meshes)), torch.cat(squares, dim=2))


def _fit(vertices: Tensor, painted: np.ndarray, cameras: Cameras, fill: float) -> Tensor:
    """Move and scale so that the painted corners fill the images; perspective needs a few rounds."""
    bounds = np.stack([painted.min(axis=0), painted.max(axis=0)])
    if not np.ptp(bounds, axis=0).max() > 0:
        raise BadInput("The mesh has no size.", "All painted faces are at one point.", "Select another mesh.")
    box = Normalization.to_box(bounds, 2.0)
    corners = torch.from_numpy(box.apply(painted).astype(np.float32))
    scale = 1.0
    for _ in range(FITTING_ROUNDS if cameras.perspective else 1):
        reach = float(cameras.to_screen(corners * scale)[..., :2].abs().max())
        scale *= fill / reach
    return torch.from_numpy((box.apply(vertices.numpy()) * scale).astype(np.float32))
