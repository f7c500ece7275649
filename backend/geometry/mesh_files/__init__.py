# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files in and out: GLB and glTF, OBJ, PLY, STL."""

from .named_mesh import NamedMesh
from .nodes import MeshFile, MeshNode
from .reading import MESH_SUFFIXES, placed_meshes, read_file, read_parts
from .surfaces import Surface
from .writing import SINGLE_PRECISION, write_parts

__all__ = ["MESH_SUFFIXES", "SINGLE_PRECISION", "MeshFile", "MeshNode", "NamedMesh", "Surface",
           "placed_meshes", "read_file", "read_parts", "write_parts"]
