# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD: a mesh is textured by one diffusion that all views share."""
