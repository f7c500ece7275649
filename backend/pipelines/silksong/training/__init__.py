# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe that trains Mesh Silksong's networks: on drawn low-poly objects, or on a folder of meshes."""
