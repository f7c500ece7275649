# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes that train the shape autoencoder and the denoiser on the objects that this project draws."""
