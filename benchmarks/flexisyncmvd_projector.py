# SPDX-License-Identifier: GPL-3.0-or-later
"""Times FlexiSyncMVD's projector: `python -m benchmarks.flexisyncmvd_projector`.

On a drawn mesh of 100,352 triangles, 10 views of 1024² and a texture of 1024². Devices must find the same faces and
texels: `--save-results` on the CPU writes what it finds, `--compare-with` on a GPU compares, and the exit code is 1
when they differ. Without a file the CPU of the same machine is asked.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
"""The published rig (docs/algorithms/flexisyncmvd.md, section 2): 10 views."""
ROWS, COLUMNS = 224, 224
"""Quads of the mesh: 100,352 triangles."""
VIEW_SIZE, TEXTURE_SIZE = 1024, 1024
LATENT_SIZE = 128
COMPARED_SIZE = 512
"""Of views and texture, where devices are compared."""
EXPONENT = 6.0
ROUNDED = ("position", "baked weight", "baked texture", "weight by texel", "texture by texel")
"""What devices may round differently."""
ROUNDING = 1e-4


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


def time_projector(device: torch.device, repeats: int) -> dict:
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
    timed("rasterize", lambda: rasterize_views(mesh, cameras, VIEW_SIZE))
    timed("geometry of every pixel", lambda: view_geometry(mesh, cameras, fragments))
    timed("texel and cosine of every pixel", lambda: view_texels(mesh, cameras, fragments, (TEXTURE_SIZE,) * 2))
    timed("RGB projector, whole", lambda: Projector.build(mesh, cameras, VIEW_SIZE, TEXTURE_SIZE, fill_cosine=False))
    timed("latent projector, whole", lambda: Projector.build(mesh, cameras, LATENT_SIZE, TEXTURE_SIZE))
    timed("render RGB", lambda: projector.render(texture))
    timed("bake RGB", lambda: projector.bake(views, EXPONENT))
    timed("bake RGB from the texture's side", lambda: bake_texels(mesh, cameras, views, TEXTURE_SIZE, EXPONENT))
    timed("the same into 4096²", lambda: bake_texels(mesh, cameras, views, 4096, EXPONENT))
    timed("bake latents", lambda: latent.bake(latents, EXPONENT))
    results = {"faces": len(mesh.faces), "views": len(POSES), "view size": VIEW_SIZE, "texture size": TEXTURE_SIZE}
    results |= {"milliseconds": times, "rasterize and geometry": times["rasterize"] + times["geometry of every pixel"]}
    return results


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


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flexisyncmvd_projector",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the fastest counts")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results to this file")
    parser.add_argument("--save-results", type=Path, metavar="OUT", help="write the projector's results (npz, 12 MB)")
    parser.add_argument("--compare-with", type=Path, metavar="FILE", help="compare with another device's results")
    return parser.parse_args()


def write_projector(results: dict) -> None:
    sys.stdout.write(f"{results['faces']} faces, {results['views']} views of {results['view size']}²\n")
    for name, milliseconds in results["milliseconds"].items():
        sys.stdout.write(f"{name:44} {milliseconds:10.2f} ms\n")
    sys.stdout.write(f"{'rasterize and geometry':44} {results['rasterize and geometry']:10.2f} ms\n")


def compare_projectors(device: torch.device, other: Path | None) -> dict[str, float]:
    """Differences of this device's results from the file's, or from the CPU's."""
    if other is None:
        expected = projector_results(torch.device("cpu"))
    else:
        with np.load(other, allow_pickle=False) as arrays:
            expected = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return differences(expected, projector_results(device))


def write_differences(found: dict[str, float]) -> bool:
    """Print them; whether the devices agree."""
    for name, difference in found.items():
        sys.stdout.write(f"difference of devices: {name:31} {difference:10.2g}\n")
    return all(value <= (ROUNDING if name in ROUNDED else 0) for name, value in found.items())


@torch.no_grad()
def main() -> int:
    arguments = parse_arguments()
    on_gpu = arguments.device.type == "cuda"
    results = {
        "device": torch.cuda.get_device_name(arguments.device) if on_gpu else platform.processor() or "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "projector": time_projector(arguments.device, arguments.repeats),
    }
    sys.stdout.write(f"{results['device']}, torch {results['torch']}, {results['threads']} threads\n")
    write_projector(results["projector"])
    agree = True
    if on_gpu or arguments.compare_with:
        results["differences"] = compare_projectors(arguments.device, arguments.compare_with)
        agree = write_differences(results["differences"])
    if arguments.save_results:
        found = projector_results(arguments.device)
        np.savez_compressed(arguments.save_results, **{name: result.numpy() for name, result in found.items()})
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
