# SPDX-License-Identifier: GPL-3.0-or-later
"""The object of an opaque image, cut out: by the artist's mask, a network, the background's color, or a graph cut."""

from .cut_out import CutOut, cut_out
from .job_input import cut_out_input

__all__ = ["CutOut", "cut_out", "cut_out_input"]
