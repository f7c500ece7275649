# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D: a prompt or an image to a mesh, by next-scale autoregression over the tokens of a triplane."""
