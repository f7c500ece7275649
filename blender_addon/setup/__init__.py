# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own Python environment: planned, installed, checked, repaired and removed from inside Blender."""
