# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality card of a remeshed object: metrics as custom properties, and the comparison with Blender's Decimate."""

from .comparison import compare
from .metrics import attach_metrics

__all__ = ["attach_metrics", "compare"]
