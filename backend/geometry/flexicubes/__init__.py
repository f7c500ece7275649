# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiCubes: dual meshes of a signed distance on a grid that bends to the surface, on surface cubes only.

Shen et al., "Flexible Isosurface Extraction for Gradient-Based Mesh Optimization", SIGGRAPH 2023.
"""

from .dual_mesh import CubeWeights, DualMesh, Split, edge_deviations, extract_dual_mesh
from .surface_cubes import SurfaceCubes, find_surface_cubes

__all__ = [
    "CubeWeights", "DualMesh", "Split", "SurfaceCubes", "edge_deviations", "extract_dual_mesh", "find_surface_cubes",
]
