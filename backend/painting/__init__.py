# SPDX-License-Identifier: GPL-3.0-or-later
"""From meshes to views and back to texture maps of any number of channels."""
