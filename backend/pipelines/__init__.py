# SPDX-License-Identifier: GPL-3.0-or-later
"""One folder is one model. Importing this package imports no torch, so that specs stay readable inside Blender."""
