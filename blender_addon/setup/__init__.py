# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own Python environment: planned, installed, checked, mended and removed from inside Blender."""
