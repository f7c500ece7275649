# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangle meshes to token sequences and back."""
