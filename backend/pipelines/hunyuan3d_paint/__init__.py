# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint: a mesh and an image to base color, metallic and roughness textures."""
