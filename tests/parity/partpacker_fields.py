# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's field grids, their surfaces and the parts of these against golden numbers."""

from collections.abc import Iterator

import numpy as np
import torch
import trimesh
from scipy.spatial import cKDTree
from torch import Tensor

from backend.contract import MeshData
from backend.geometry.coarse_to_fine import evaluate_field
from backend.geometry.frames import blender_to_y_up, x_front_to_blender
from backend.geometry.isosurface import extract_isosurface, extract_with_warp
from backend.geometry.simplification import decimate
from backend.geometry.trimesh_conversion import from_trimesh
from backend.pipelines.partpacker.palette import part_color
from backend.pipelines.partpacker.parts import clean_volume, extract_parts

from .analytic_fields import solids_of, truncated_union
from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.coarse_to_fine import published_grid
from .published.marching_cubes import merged_surface

EXACT = 0.0
POSITION = 2e-7
"""Positions in [-1, 1] after one rounding to float32."""
CROSSINGS = 5e-7
"""Vertices between grid points: interpolated in float32."""
VOLUME = 2e-7
"""Relative to the volume where that is above 1: summed in float64 over positions in float32, recorded in float32."""
OTHER_DIAGONALS = 2e-4
"""Relative. scikit-image cuts the same polygons along other diagonals, which changes volumes by cubes of a cell."""
DECIMATED_VOLUME = 1e-2
"""Relative. Another library collapses other edges: only how much of the solid is left can be compared."""

EXTRACTORS = {"warp": extract_with_warp, "scikit-image": extract_isosurface}


@kind("partpacker", "grid_refine")
def grid_refine(golden: Golden) -> Iterator[Comparison]:
    """Which points are evaluated, the grid, and its surface."""
    for case, (resolution, coarsest, truncation) in golden.config["cases"].items():
        field = truncated_union(truncation, solids_of(golden.config, "field"))
        expected_queries = golden.output(f"{case}.queries")
        queries: list[int] = []

        def counted(points: Tensor, field=field, queries=queries) -> Tensor:
            queries.append(len(points))
            return field(points)

        # The longest query is a full chunk, or the largest level where there were no chunks.
        published = published_grid(counted, resolution, coarsest, chunk_size=int(expected_queries.max()))
        yield Comparison(f"{case} queries", torch.tensor(queries), expected_queries, EXACT)
        grid = evaluate_field(field, resolution, device="cpu", chunk_size=2**18, min_resolution=coarsest)
        yield from same_where_evaluated(case, grid, published)
        if golden.has_output(f"{case}.grid"):
            yield Comparison(f"{case} grid", published, golden.output(f"{case}.grid"), EXACT)
        yield from _recorded_counts(golden, case, published)
        yield from _recorded_surface(golden, case, grid)
        yield from _merged_surface(golden, case, grid)


def same_where_evaluated(case: str, grid: Tensor, published: Tensor, tolerance: float = EXACT) -> Iterator[Comparison]:
    """The product's grid, filled by sign, against one with NaN where nothing was evaluated."""
    known = published.isfinite()
    clear = known & ~(published.abs() <= tolerance) if tolerance else known
    yield Comparison(f"{case} signs", (grid > 0)[clear], (published > 0)[clear], EXACT)
    near = known & (grid.abs() < 1)
    yield Comparison(f"{case} values near the surface", grid[near], published[near], tolerance)


def _recorded_counts(golden: Golden, case: str, grid: Tensor) -> Iterator[Comparison]:
    """Raw vertices and faces of the grid with NaN, which counts as inside: most of them lie around what is unknown."""
    raw = extract_isosurface(grid.nan_to_num(nan=1.0))
    counts = {
        "nan_count": lambda: int(grid.isnan().sum()),
        "n_vertices_raw": lambda: len(raw.vertices),
        "n_faces_raw": lambda: len(raw.faces),
        "n_vertices_nan": lambda: int(_touches_nan(raw, grid).sum()),
    }
    for name, count in counts.items():
        if golden.has_output(f"{case}.{name}"):
            yield Comparison(f"{case} {name}", count(), int(golden.output(f"{case}.{name}")))


def _touches_nan(mesh: MeshData, grid: Tensor) -> np.ndarray:
    """Which vertices lie on a grid edge with an end that is NaN."""
    position = (mesh.vertices.astype(np.float64) + 1) * (grid.shape[0] - 1) / 2
    nearest = position.round()
    position = np.where(np.abs(position - nearest) < 1e-4, nearest, position)
    unknown = grid.isnan().numpy()
    return unknown[tuple(np.floor(position).astype(int).T)] | unknown[tuple(np.ceil(position).astype(int).T)]


def _recorded_surface(golden: Golden, case: str, grid: Tensor) -> Iterator[Comparison]:
    """The golden surface without its faces at NaN vertices against ours of the sign-filled grid."""
    if not golden.has_output(f"{case}.vertices"):
        return
    vertices, faces = golden.output(f"{case}.vertices").numpy(), golden.output(f"{case}.faces").numpy()
    faces = faces[np.isfinite(vertices[faces]).all(axis=(1, 2))]
    expected = vertices[np.unique(faces)]
    for name, extract in EXTRACTORS.items():
        mesh = extract(grid)
        there, _ = cKDTree(expected).query(mesh.vertices)
        back, _ = cKDTree(mesh.vertices).query(expected)
        yield Comparison(f"{case} vertices, {name}", np.append(there, back).max(), np.zeros(()), CROSSINGS)
        yield Comparison(f"{case} faces, {name}", len(mesh.faces), len(faces))
    corners = np.sort(_numbered(extract_with_warp(grid).corners()))
    yield Comparison(f"{case} triangles, warp", corners, np.sort(_numbered(vertices[faces])),
                     5 * CROSSINGS)


def _numbered(corners: np.ndarray) -> np.ndarray:
    """A number per triangle that does not depend on which corner comes first, but on their winding."""
    edges = np.roll(corners, -1, axis=1) - corners
    winding = np.cross(edges[:, 0].astype(np.float64), edges[:, 1].astype(np.float64))
    return corners.astype(np.float64).mean(axis=1) @ [1.0, 1.7, 2.9] + winding @ [3.1, 1.3, 0.7]


def _merged_surface(golden: Golden, case: str, grid: Tensor) -> Iterator[Comparison]:
    if not golden.has_output(f"{case}.n_faces_trimesh"):
        return
    merged, mesh = merged_surface(grid), extract_with_warp(grid)
    yield Comparison(f"{case} faces", len(merged.faces), int(golden.output(f"{case}.n_faces_trimesh")))
    yield Comparison(f"{case} vertices", len(merged.vertices), int(golden.output(f"{case}.n_vertices_trimesh")))
    yield Comparison(f"{case} volume", np.float64(mesh.volume), golden.output(f"{case}.volume_trimesh"), _volume(mesh))
    yield Comparison(f"{case} bounds", mesh.bounds, golden.output(f"{case}.bounds_trimesh"), POSITION)


@kind("partpacker", "mesh_post")
def mesh_post(golden: Golden) -> Iterator[Comparison]:
    """The surfaces of the volumes to cleaned, colored parts; the palette; decimation."""
    config = golden.config
    volumes = sorted({name.split(".")[0] for name in golden.outputs if name.startswith("vol")})
    grids = [
        evaluate_field(
            truncated_union(config["trunc"], solids_of(config, volume)),
            config["resolution"], device="cpu", chunk_size=2**18, min_resolution=config["min_resolution"],
        )
        for volume in volumes
    ]
    for volume, grid in zip(volumes, grids, strict=True):
        merged = counts_of(merged_surface(grid))
        yield Comparison(f"{volume} raw counts", merged, golden.output(f"{volume}.trimesh_counts"), EXACT)
    for name, extract in EXTRACTORS.items():
        surfaces = [extract(grid) for grid in grids]
        for volume, surface in zip(volumes, surfaces, strict=True):
            cleaned = counts_of(clean_volume(surface))
            yield Comparison(f"{name} {volume} counts", cleaned, golden.output(f"{volume}.clean_counts"), EXACT)
        yield from _golden_parts(golden, name, surfaces, exact_diagonals=name == "warp")
    colors = torch.tensor([part_color(number) for number in range(len(golden.output("colors")))])
    yield Comparison("palette", colors, golden.output("colors"), EXACT)
    yield from _decimated(golden)


def _golden_parts(
    golden: Golden, name: str, surfaces: list[MeshData], *, exact_diagonals: bool
) -> Iterator[Comparison]:
    parts = extract_parts(surfaces)
    yield Comparison(f"{name} parts", len(parts), sum(key.endswith(".watertight") for key in golden.outputs))
    for number, part in enumerate(parts):
        prefix = f"part{number}"
        moved = MeshData(blender_to_y_up(x_front_to_blender(part.mesh.vertices)), part.mesh.faces)
        yield Comparison(f"{name} {prefix} counts", counts_of(moved), golden.output(f"{prefix}.counts"), EXACT)
        yield Comparison(f"{name} {prefix} bounds", moved.bounds, golden.output(f"{prefix}.bounds"), POSITION)
        expected = golden.output(f"{prefix}.volume")
        tolerance = _volume(moved) if exact_diagonals else OTHER_DIAGONALS * float(expected)
        yield Comparison(f"{name} {prefix} volume", np.float64(moved.volume), expected, tolerance)
        yield Comparison(f"{name} {prefix} watertight", part.watertight, bool(golden.output(f"{prefix}.watertight")))


def _decimated(golden: Golden) -> Iterator[Comparison]:
    """Every decimation to the recorded number of faces."""
    for key in [name for name in golden.outputs if name.startswith("decimate.") and name.endswith("counts")]:
        case = key.removesuffix(".counts")
        expected = golden.output(key)
        solid = _decimated_solid(golden, case)
        coarse = decimate(solid, int(expected[1]))
        yield Comparison(f"{case} counts", counts_of(coarse), expected, EXACT)
        volume = next((name for name in (f"{case}.volume", "decimate.volume") if golden.has_output(name)), None)
        if volume:
            before, after = golden.output(volume).double()
            yield Comparison(f"{case} volume before", np.float64(solid.volume), before, 1e-6)
            yield Comparison(f"{case} volume after", np.float64(coarse.volume), after, DECIMATED_VOLUME * float(after))


def _decimated_solid(golden: Golden, case: str) -> MeshData:
    """The recorded solid, or the icosphere that its name gives."""
    for prefix in (case, case.split(".to_")[0], case.split("_to_")[0], "decimate"):
        vertices, faces = (golden.optional_input(f"{prefix}.{part}") for part in ("vertices", "faces"))
        if vertices is not None and faces is not None:
            return MeshData(vertices.numpy(), faces.numpy())
    subdivisions = case.removeprefix("decimate.ico").split("_")[0]
    return from_trimesh(trimesh.creation.icosphere(int(subdivisions), radius=0.9))


def _volume(mesh: MeshData) -> float:
    return VOLUME * max(1.0, mesh.volume)


def counts_of(mesh: MeshData | trimesh.Trimesh) -> np.ndarray:
    """Vertices and faces."""
    return np.array([len(mesh.vertices), len(mesh.faces)])
