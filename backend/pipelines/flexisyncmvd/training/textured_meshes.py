# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of textured meshes as training data: rendered from the rig's cameras by the rasterizer that texturing uses.

The folder holds GLB or OBJ files, and ``captions.jsonl`` with a line {"mesh": "chair.glb", "prompt": "a chair"} each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor
from trimesh.visual import TextureVisuals

from ....contract import BadInput, MeshData
from ....geometry.projection import Projector, UVMesh, wrap_uvs
from ....painting.scene import PaintedScene
from ....painting.uv_strip import UVStrip
from ..conditioning import condition_geometry, depth_image, smooth
from ..prompts import positive_direction, suffix
from ..rig import CameraRig

CAPTIONS = "captions.jsonl"
FILL = 0.9
TEXTURE_HEIGHT = 1024


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles in the rig's frame (y up, front +z) with the UVs of their corners [F, 3, 2] in the texture strip
    float32 [3, H, W] in [0, 1]."""

    mesh: MeshData
    texture: Tensor


@dataclass(frozen=True)
class RenderedMesh:
    """Views of one mesh: ``images`` float32 [V, 4, S, S] in [0, 1] with alpha, ``depth`` [V, 1, S, S], and each
    view's caption."""

    images: Tensor
    depth: Tensor
    captions: tuple[str, ...]


def read_captions(folder: Path) -> dict[str, str]:
    """Prompt by file name. Raises BadInput."""
    path = folder / CAPTIONS
    if not path.is_file():
        raise BadInput(f"{folder} holds no {CAPTIONS}.", "It says what each mesh shows.",
                       'Write a line such as {"mesh": "chair.glb", "prompt": "a red chair"} for each mesh.')
    captions = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} cannot be read.", "It is not UTF-8.", "Save it as UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            captions[str(entry["mesh"])] = str(entry["prompt"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"Line {number} of {CAPTIONS} cannot be read.", f"{type(error).__name__}: {error}",
                           'Write {"mesh": "chair.glb", "prompt": "a red chair"}.') from error
    if not captions:
        raise BadInput(f"{path} is empty.", "There is nothing to learn from.", "Add a line for each mesh.")
    for name in captions:
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name} is missing.", f"{CAPTIONS} names it.",
                           "Put it into the folder, or take out its line.")
    return captions


def read_textured_mesh(path: Path) -> TexturedMesh:
    """All parts of a file with UVs and a color texture, side by side in one strip. Raises BadInput."""
    try:
        scene = trimesh.load_scene(path, process=False)
    except Exception as error:  # loaders raise anything on a damaged file
        raise BadInput(f"{path.name} cannot be read.", f"{type(error).__name__}: {error}", "Save it as GLB.") from error
    parts = [mesh for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]
    images = [_image(path, mesh) for mesh in parts]
    if not parts:
        raise BadInput(f"{path.name} holds no mesh.", "It has no triangles.", "Choose another file.")
    strip = UVStrip(tuple((image.shape[1], image.shape[2]) for image in images), TEXTURE_HEIGHT)
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in parts)])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(parts, starts, strict=False)])
    vertices = np.concatenate([mesh.vertices for mesh in parts]).astype(np.float32)
    corners = np.concatenate([mesh.visual.uv[mesh.faces] for mesh in parts]).astype(np.float32)
    texture = torch.from_numpy(np.repeat(np.arange(len(parts)), [3 * len(mesh.faces) for mesh in parts]))
    wrapped = _wrapped(vertices, faces, corners).clamp(0, 1)
    uvs = strip.to_strip(wrapped, texture).view(-1, 3, 2).numpy()
    return TexturedMesh(MeshData(vertices, faces, uvs), strip.join(images))


def _wrapped(vertices: np.ndarray, faces: np.ndarray, corners: np.ndarray) -> Tensor:
    each = torch.arange(3 * len(faces)).view(-1, 3)
    uvs = torch.from_numpy(corners).reshape(-1, 2)
    return wrap_uvs(UVMesh.of(torch.from_numpy(vertices), torch.from_numpy(faces), uvs, each)).uvs


def _image(path: Path, mesh: trimesh.Trimesh) -> Tensor:
    """The part's color texture, float32 [3, h, w] in [0, 1]."""
    visual = mesh.visual
    material = getattr(visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if not isinstance(visual, TextureVisuals) or visual.uv is None or image is None:
        raise BadInput(f"{path.name} is not textured.", "A part of it has no UVs or no color texture.",
                       "Leave it out, or bake its colors into a texture.")
    return torch.from_numpy(np.array(image.convert("RGB"), np.float32) / 255.0).permute(2, 0, 1)


@torch.no_grad()
def render_textured_mesh(item: TexturedMesh, prompt: str, size: int, device: torch.device | str) -> RenderedMesh:
    """The rig's views of a mesh, each with its depth image, and the prompt with its side.

    See docs/algorithms/flexisyncmvd.md, section 5.
    """
    rig = CameraRig()
    scene = PaintedScene.build([item.mesh], rig.cameras(), FILL, device)
    height, width = item.texture.shape[1:]
    projector = Projector.build(scene.mesh, scene.cameras, size, (height, width), fill_cosine=False)
    images = projector.render(item.texture.to(device))
    depth = smooth(depth_image(condition_geometry(scene.mesh, scene.cameras)), size)[:, :1]
    captions = tuple(prompt + suffix(positive_direction(pose)) for pose in rig.poses)
    return RenderedMesh(images, depth, captions)


def render_folder(folder: Path, size: int, device: torch.device | str) -> list[RenderedMesh]:
    """Every mesh that ``captions.jsonl`` names. Raises BadInput."""
    captions: Mapping[str, str] = read_captions(folder)
    return [
        render_textured_mesh(read_textured_mesh(folder / name), prompt, size, device)
        for name, prompt in captions.items()
    ]
