# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D's fields, volume rendering and surfaces against golden numbers; sizes are read from the files."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from backend.contract import MeshData
from backend.geometry.flexicubes import CubeWeights, edge_deviations, extract_dual_mesh, find_surface_cubes
from backend.geometry.flexicubes.cube_tables import CORNERS
from backend.pipelines.sar3d.fields import DENSITY_BOX, DensityField, FlexiCubesField
from backend.pipelines.sar3d.surfaces import FlexiCubesGrid, density_mesh, flexicubes_mesh
from backend.pipelines.sar3d.volume_rendering import composite, march

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.sar3d import published_alpha, published_depth
from .sar3d import close, learned

FIELD_PREFIX = "decoder.triplane_decoder.decoder."
MESH_TOLERANCE = 1e-5
DENSITY_MESH_TOLERANCE = 1e-4
"""Of vertices on the edges of a coarse grid, where a small difference in density moves them farther."""
NORMAL_TOLERANCE = 0.2
"""The same polygons, cut along other diagonals; a wrong winding would give the opposite normals."""
SPLITS = {"eval": "diagonal", "train": "center"}
"""Our names of the published splits of quads."""


def compared_triangles(
    name: str,
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    expected_vertices: NDArray[np.floating],
    expected_faces: NDArray[np.integer],
) -> Iterator[Comparison]:
    """The same vertices, whatever their order, and the same triangles between them with the same winding."""
    yield Comparison(f"{name} vertices", len(vertices), len(expected_vertices))
    apart, nearest = cKDTree(expected_vertices).query(vertices)
    yield Comparison(f"{name} positions", apart, np.zeros_like(apart), MESH_TOLERANCE)
    yield Comparison(f"{name} triangles", triangle_set(nearest[faces]), triangle_set(expected_faces))


def triangle_set(faces: NDArray[np.integer]) -> set[tuple[int, ...]]:
    """Triangles as a set, each from its lowest corner on."""
    first = faces.argmin(axis=1)
    turned = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    return set(map(tuple, turned.tolist()))


@kind("sar3d", "flexicubes")
def flexicubes(golden: Golden) -> Iterator[Comparison]:
    """Dual meshes of every distance, without and with weights, in both splits, and their edges' deviations."""
    side = golden.config["res"] + 1
    for name in golden.with_prefix("in.sdf_"):
        distances = golden.input(f"sdf_{name}")
        surface = find_surface_cubes(distances.view(side, side, side))
        near = distances[surface.points]
        even = CubeWeights.even(len(surface.cubes), near)
        raw = golden.input("weights")[surface.cubes]
        weights = CubeWeights.from_raw(raw, golden.config["weight_scale"])
        plain, weighted = golden.input("grid") * 2, golden.input("deformed")
        for weighting, grid, chosen in (("plain", plain, even), ("weighted", weighted, weights)):
            for published, split in SPLITS.items():
                mesh = extract_dual_mesh(surface, grid[surface.points], near, chosen, split)
                case = f"{name}_{weighting}_{published}"
                arrays = mesh.vertices, mesh.faces, golden.output(f"{case}_vertices"), golden.output(f"{case}_faces")
                yield from compared_triangles(case, *(array.numpy() for array in arrays))
        deviations = edge_deviations(surface, weighted[surface.points], near, weights)
        expected = golden.output(f"{name}_L_dev")
        yield Comparison(f"{name}_L_dev", deviations.sort().values, expected.sort().values)


@kind("sar3d", "flexi_field")
def flexi_field(golden: Golden) -> Iterator[Comparison]:
    """The field on the whole grid, and the colored dual mesh made of surface cubes only, in both splits."""
    config, planes = golden.config, golden.input("planes")
    field = FlexiCubesField(config["C"], config["hidden"], box=config["box_warp"])
    field.load_state_dict(learned(golden.weights(FIELD_PREFIX)))
    grid = FlexiCubesGrid(config["grid_res"], config["grid_scale"], config["deformation_multiplier"])
    axis = grid.axis("cpu")
    points = torch.cartesian_prod(axis, axis, axis)
    yield close("grid_vertices", points, golden.output("grid_vertices"))
    side, features = len(axis), field.features(planes, points[None])
    yield close("sdf", field.distance_grid(planes, axis).view(1, -1, 1), golden.output("sdf"))
    moved = field.deformation(features) / (grid.steps_per_cube * grid.resolution)
    yield close("deformation", moved, golden.output("deformation"))
    place = torch.cartesian_prod(*[torch.arange(grid.resolution)] * 3)
    corners = place[:, None] + torch.from_numpy(CORNERS)
    indices = (corners[..., 0] * side + corners[..., 1]) * side + corners[..., 2]
    yield Comparison("cube_indices", indices, golden.output("cube_indices"), 0)
    expected = golden.output("cube_weights")[0]
    every = -(-len(indices) // len(expected))
    yield close("cube_weights", field.cube_weights(features[0][indices[::every]]), expected)
    for published, split in SPLITS.items():
        mesh = flexicubes_mesh(field, planes, grid, split)
        vertices = mesh.vertices * (field.box / DENSITY_BOX)
        wanted = [golden.output(f"{published}_{part}").numpy() for part in ("vertices", "faces", "colors_u8")]
        yield from compared_triangles(published, vertices, mesh.faces, *wanted[:2])
        yield from compared_colors(published, vertices, mesh.colors, wanted[0], wanted[2])


@kind("sar3d", "nerf_field")
def nerf_field(golden: Golden) -> Iterator[Comparison]:
    """Features, color and density of points, the grid and its colored surface, and views marched with fixed jitter."""
    config, planes = golden.config, golden.input("planes")
    field = DensityField(config["C"], config["hidden"], config["layers"], box=config["box_warp"])
    field.load_state_dict(learned(golden.weights(FIELD_PREFIX)))
    points = golden.input("points")
    features = field.features(planes, points).unflatten(-1, (3, -1)).permute(0, 2, 1, 3)
    yield close("sampled_features", features, golden.output("sampled_features"))
    density, color = field(planes, points)
    yield close("sigma", density, golden.output("sigma"))
    yield close("rgb", color, golden.output("rgb"))
    for name, expected in golden.with_prefix("out.sigma_grid").items():
        axis = torch.linspace(-config["bbox"], config["bbox"], int(name))
        yield close(f"sigma_grid{name}", field.density_grid(planes, axis)[0], expected)
        yield from density_surface(golden, field, planes, int(name), "mc")
    yield from rendered_views(golden, field)


def rendered_views(golden: Golden, field: DensityField) -> Iterator[Comparison]:
    """Views marched with fixed jitter."""
    given, cameras = golden.config["render"], golden.input("cameras")
    fixed = iter((torch.tensor(0.5), torch.linspace(0.02, 0.98, given["fine"])))
    samples = march(field, golden.input("planes"), cameras, given["res"], given["coarse"], given["fine"],
                    lambda shape: next(fixed).expand(shape))
    views = composite(samples, given["res"])
    yield close("render_image_raw", views.color, golden.output("render_image_raw"))
    yield close("render_image_depth", published_depth(views, samples), golden.output("render_image_depth"))
    yield close("render_image_mask", published_alpha(views), golden.output("render_image_mask"))


def density_surface(
    golden: Golden, field: DensityField, planes: Tensor, points: int, prefix: str
) -> Iterator[Comparison]:
    """The colored surface at the golden threshold. Polygons are cut along other diagonals than PyMCubes cuts them."""
    mesh = density_mesh(field, planes, points, float(golden.output("threshold")))
    vertices, faces, colors = (
        golden.output(f"{prefix}_{part}").numpy() for part in ("vertices", "faces", "colors_u8")
    )
    apart = max(farthest(mesh.vertices, vertices), farthest(vertices, mesh.vertices))
    name = "vertices, farthest from the other mesh"
    yield Comparison(name, np.array([apart]), np.array([0.0]), DENSITY_MESH_TOLERANCE)
    yield from compared_colors("surface", mesh.vertices, mesh.colors, vertices, colors)
    nearest = cKDTree(mesh.vertices).query(vertices)[1]
    agreement = (vertex_normals(mesh)[nearest] * vertex_normals(MeshData(vertices, faces))).sum(axis=1).mean()
    yield Comparison("agreement of normals", np.array([agreement]), np.array([1.0]), NORMAL_TOLERANCE)


def vertex_normals(mesh: MeshData) -> NDArray[np.float64]:
    """Unit normals [V, 3], weighted by the faces' areas."""
    normals = np.zeros_like(mesh.vertices, np.float64)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], mesh.area_vectors())
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)


def farthest(some: NDArray[np.floating], others: NDArray[np.floating]) -> float:
    """The largest distance of one of `some` points from the nearest of the `others`."""
    return float(cKDTree(others).query(some)[0].max())


def compared_colors(
    name: str,
    vertices: NDArray[np.floating],
    colors: NDArray[np.floating],
    expected_vertices: NDArray[np.floating],
    expected_colors: NDArray[np.uint8],
) -> Iterator[Comparison]:
    """Colors in 8 bit of the vertices at the same places; rounding may move one to its neighbor."""
    nearest = cKDTree(vertices).query(expected_vertices)[1]
    yield Comparison(f"{name} colors", (colors[nearest, :3] * 255).astype(np.uint8), expected_colors, 1)
