# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker: one image to an object made of separable parts. Import the modules of this folder by name."""
