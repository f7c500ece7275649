# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong: a dense mesh to a clean low-poly one, token by token. Import the modules of this folder by name."""
