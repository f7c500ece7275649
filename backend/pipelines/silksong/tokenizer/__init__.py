# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangle meshes to token sequences and back."""

from .decode import DecodedMesh, decode, mesh_so_far
from .encode import Tokens, encode
from .salvage import Salvage
from .small_holes import close_parts

__all__ = ["DecodedMesh", "Salvage", "Tokens", "close_parts", "decode", "encode", "mesh_so_far"]
