# SPDX-License-Identifier: GPL-3.0-or-later
"""Dual volume packing: an object with parts becomes two meshes in each of which no two parts touch.

See docs/algorithms/partpacker.md, section 8.
"""
