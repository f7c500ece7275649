# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry that several pipelines share: meshes, iso-surfaces, cleaning, components, sampling, simplification,
and, in `projection`, the way between a mesh's views and its texture.

All functions work in the frame of their input; each pipeline converts frames at its own edge.
"""
