# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection between the views of a mesh and its texture: rasterizing, texel lookup, baking, Voronoi filling, UV space.

The same code runs on CUDA and on the CPU: warp kernels where pixels are walked, torch for gathering and scattering.
"""

from .baked import Baked
from .cameras import Cameras, orbit_cameras
from .projector import Projector
from .rasterizer import Fragments, rasterize, rasterize_views
from .texel_bake import bake_texels
from .uv_mesh import UVMesh, area_weighted_normals
from .uv_space import MOST_OVERLAP, UVCoverage, dilate, faces_in_texture, rasterize_uvs, uv_coverage, wrap_uvs
from .view_geometry import ViewGeometry, view_geometry, view_texels
from .visibility import visible_texels
from .voronoi import nearest_seeds

__all__ = [
    "MOST_OVERLAP",
    "Baked",
    "Cameras",
    "Fragments",
    "Projector",
    "UVCoverage",
    "UVMesh",
    "ViewGeometry",
    "area_weighted_normals",
    "bake_texels",
    "dilate",
    "faces_in_texture",
    "nearest_seeds",
    "orbit_cameras",
    "rasterize",
    "rasterize_uvs",
    "rasterize_views",
    "uv_coverage",
    "view_geometry",
    "view_texels",
    "visible_texels",
    "wrap_uvs",
]
