# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality card of a remeshed object: figures as custom properties, and the comparison with Blender's Decimate."""

from .comparison import compare
from .figures import attach_figures

__all__ = ["attach_figures", "compare"]
