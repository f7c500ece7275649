# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of SAR3D's starter weights on procedural objects: autoencoder, then one transformer for each condition."""
