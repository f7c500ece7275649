# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes made manifold by copies of vertices."""

from .mesh_repair import Repaired, repair

__all__ = ["Repaired", "repair"]
