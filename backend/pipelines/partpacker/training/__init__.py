# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes that train PartPacker's autoencoder and denoiser on the objects that this project draws.

See docs/algorithms/partpacker.md, section 9.
"""
