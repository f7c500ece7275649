# SPDX-License-Identifier: GPL-3.0-or-later
"""What several models share. Importing the package itself imports no torch, since specs use it inside Blender."""
