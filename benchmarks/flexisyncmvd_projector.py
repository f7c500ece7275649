# SPDX-License-Identifier: GPL-3.0-or-later
"""Times FlexiSyncMVD's projector on a drawn mesh, and compares a GPU with the CPU."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from backend.geometry.projection import (
    Projector,
    UVMesh,
    bake_texels,
    orbit_cameras,
    rasterize_views,
    view_geometry,
    view_texels,
)

POSES = [(0.0, float(azimuth % 360)) for azimuth in range(-180, 180, 45)] + [(30.0, 0.0), (30.0, 180.0)]
"""The published rig (spec 2.4): 10 views."""
ROWS, COLUMNS = 224, 224
"""Quads of the mesh: 100,352 triangles."""
VIEW_SIZE, TEXTURE_SIZE = 1024, 1024
LATENT_SIZE = 128
COMPARED_SIZE = 512
"""Of views and texture, where devices are compared."""
EXPONENT = 6.0


def bumpy_sphere(rows: int = ROWS, columns: int = COLUMNS) -> UVMesh:
    """A sphere with 35 bumps and small open poles, in [-0.9, 0.9]^3, its chart filling the texture."""
    v, u = torch.meshgrid(torch.linspace(0, 1, rows + 1), torch.linspace(0, 1, columns + 1), indexing="ij")
    latitude, longitude = (v - 0.5) * math.pi * 0.98, u * 2 * math.pi
    radius = 0.75 + 0.1 * torch.sin(7 * longitude) * torch.cos(5 * latitude)
    ring = latitude.cos()
    points = [ring * longitude.sin(), latitude.sin(), ring * longitude.cos()]
    vertices = (radius[..., None] * torch.stack(points, dim=-1)).reshape(-1, 3)
    first = torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)
    right, above, across = first + 1, first + columns + 1, first + columns + 2
    lower, upper = torch.stack([first, right, across], dim=-1), torch.stack([first, across, above], dim=-1)
    faces = torch.stack([lower, upper], dim=2).reshape(-1, 3)
    return UVMesh.of(vertices, faces, torch.stack([u, v], dim=-1).reshape(-1, 2), faces)


def projector_figures(device: torch.device, repeats: int) -> dict:
    """Milliseconds of each part, the least of several runs; after a first one."""
    mesh, cameras = bumpy_sphere().to(device), orbit_cameras(POSES, device=device)
    times: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        times[name] = min(_milliseconds(work, device) for _ in range(repeats + 1))

    fragments = rasterize_views(mesh, cameras, VIEW_SIZE)
    projector = Projector.build(mesh, cameras, VIEW_SIZE, TEXTURE_SIZE, fill_cosine=False)
    latent = Projector.build(mesh, cameras, LATENT_SIZE, TEXTURE_SIZE)
    views, latents = _random_views(3, VIEW_SIZE, device), _random_views(4, LATENT_SIZE, device)
    texture = projector.bake(views, EXPONENT).texture
    timed("rasterise", lambda: rasterize_views(mesh, cameras, VIEW_SIZE))
    timed("geometry of every pixel", lambda: view_geometry(mesh, cameras, fragments))
    timed("texel and cosine of every pixel", lambda: view_texels(mesh, cameras, fragments, (TEXTURE_SIZE,) * 2))
    timed("RGB projector, whole", lambda: Projector.build(mesh, cameras, VIEW_SIZE, TEXTURE_SIZE, fill_cosine=False))
    timed("latent projector, whole", lambda: Projector.build(mesh, cameras, LATENT_SIZE, TEXTURE_SIZE))
    timed("render RGB", lambda: projector.render(texture))
    timed("bake RGB", lambda: projector.bake(views, EXPONENT))
    timed("bake RGB from the texture's side", lambda: bake_texels(mesh, cameras, views, TEXTURE_SIZE, EXPONENT))
    timed("the same into 4096²", lambda: bake_texels(mesh, cameras, views, 4096, EXPONENT))
    timed("bake latents", lambda: latent.bake(latents, EXPONENT))
    figures = {"faces": len(mesh.faces), "views": len(POSES), "view size": VIEW_SIZE, "texture size": TEXTURE_SIZE}
    figures |= {"milliseconds": times, "rasterise and geometry": times["rasterise"] + times["geometry of every pixel"]}
    return figures


def projector_results(device: torch.device) -> dict[str, Tensor]:
    """What a projector finds, to compare devices by; small enough for a file."""
    mesh, cameras = bumpy_sphere().to(device), orbit_cameras(POSES, device=device)
    perspective = orbit_cameras(POSES[:2], field_of_view=30.0, device=device)
    fragments = rasterize_views(mesh, cameras, COMPARED_SIZE)
    projector = Projector.build(mesh, cameras, COMPARED_SIZE, COMPARED_SIZE)
    baked = projector.bake(_random_views(3, COMPARED_SIZE, device), EXPONENT)
    by_texel = bake_texels(mesh, cameras, _random_views(3, COMPARED_SIZE, device), COMPARED_SIZE, EXPONENT)
    results = {
        "faces": fragments.face,
        "faces in perspective": rasterize_views(mesh, perspective, COMPARED_SIZE).face,
        "faces of a large triangle": rasterize_views(_one_triangle(device), cameras[:2], COMPARED_SIZE).face,
        "texels": projector.texels,
        "hits": projector.hits,
        "visible": projector.visible.int(),
        "position": view_geometry(mesh, cameras[:1], fragments[:1]).position,
        "baked weight": baked.weight,
        "baked texture": baked.texture,
        "weight by texel": by_texel.weight,
        "texture by texel": by_texel.texture,
    }
    return {name: result.cpu() for name, result in results.items()}


def differences(expected: dict[str, Tensor], actual: dict[str, Tensor]) -> dict[str, float]:
    """How many whole numbers differ, or by how much floats do; all of the former must be 0."""
    return {name: _difference(tensor, actual[name]) for name, tensor in expected.items()}


def _one_triangle(device: torch.device) -> UVMesh:
    corners = torch.tensor([[-0.9, -0.9, 0.0], [0.9, -0.9, 0.0], [0.0, 0.9, 0.0]])
    face = torch.tensor([[0, 1, 2]])
    return UVMesh.of(corners, face, corners[:, :2] / 2 + 0.5, face).to(device)


def _difference(expected: Tensor, actual: Tensor) -> float:
    if expected.dtype == torch.int32:
        return float((expected != actual).sum())
    return float((expected - actual).abs().max())


def _random_views(channels: int, size: int, device: torch.device) -> Tensor:
    return torch.rand(len(POSES), channels, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def _milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """With the GPU's queue empty at both ends."""
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return 1e3 * (time.perf_counter() - start)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
