# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of Mesh Silksong's tokens and the limits of what they can say (docs/algorithms/silksong.md, section 4).

A sequence lists components; a component lists layers of vertices. Every vertex is a coarse cell (block), a fine cell
(offset), one code for its links inside the layer, then long-range links inside the layer, then links to the previous
layer. The single vertex of layer 0 is only block and offset.
"""

import numpy as np

RESOLUTION = 128
"""Cells per axis of the grid that vertices lie on."""

COMPONENT = 0
"""C: a component begins."""
NEXT_LAYER = 1
"""U: the layer is complete, another follows."""
END_COMPONENT = 2
"""E: the layer is complete and was the component's last."""

MAX_LAYER_VERTICES = 200
"""Most vertices in one layer."""
MAX_LAYERS = 200
"""Most layers of one component, layer 0 counted."""
MIN_COMPONENT_FACES = 3
"""Components with fewer faces are dropped."""

SAME_LAYER_WINDOW = 8
"""Following positions of its own layer that a vertex's window code covers."""
PREVIOUS_LAYER_WINDOW = 5
"""Positions of the previous layer that follow the one a link token names, and that its pattern covers."""

LONG_RANGE = 3
"""First long-range link; token LONG_RANGE + d links to the position d + 1 further on in the same layer (cyclic)."""
LONG_RANGE_COUNT = MAX_LAYER_VERTICES
SAME_LAYER = LONG_RANGE + LONG_RANGE_COUNT
"""First window code; bit o - 1 of token - SAME_LAYER links to the position o further on in the same layer (cyclic)."""
SAME_LAYER_COUNT = 2**SAME_LAYER_WINDOW
PREVIOUS_LAYER = SAME_LAYER + SAME_LAYER_COUNT
"""First link to the previous layer: token PREVIOUS_LAYER + 26 p + w links to position p, then by `WINDOW_PATTERNS[w]`
to the five positions after it (not cyclic)."""

# fmt: off
_PATTERNS = (
    "11111", "00000", "10000", "11000", "11100", "11110", "10111",
    "10011", "10001", "11011", "11001", "11101", "10100", "10110",
    "10010", "11010", "01111", "00111", "00011", "00001", "01000",
    "01100", "01110", "00100", "00110", "00010",
)
# fmt: on
WINDOW_PATTERNS = np.array([[int(bit) for bit in pattern] for pattern in _PATTERNS], dtype=bool)
"""Link patterns bool [26, 5]; the six other patterns of five bits have no token."""
WINDOW_PATTERN_COUNT = len(WINDOW_PATTERNS)
PREVIOUS_LAYER_COUNT = MAX_LAYER_VERTICES * WINDOW_PATTERN_COUNT

BLOCKS_PER_AXIS = 8
CELLS_PER_BLOCK = RESOLUTION // BLOCKS_PER_AXIS
BLOCK = PREVIOUS_LAYER + PREVIOUS_LAYER_COUNT
"""First coarse cell: 64 (x div 16) + 8 (y div 16) + (z div 16)."""
BLOCK_COUNT = BLOCKS_PER_AXIS**3
OFFSET = BLOCK + BLOCK_COUNT
"""First fine cell: 256 (x mod 16) + 16 (y mod 16) + (z mod 16)."""
OFFSET_COUNT = CELLS_PER_BLOCK**3

END = OFFSET + OFFSET_COUNT
"""End of the sequence; added by training, never in a tokenizer's output."""
PADDING = END + 1
"""Row of the embedding table for padding; never in a tokenizer's output."""
VOCABULARY_SIZE = PADDING + 1
"""10269: every token, the end and the padding row."""
MAX_TOKENS = 10240
"""Longest sequence of the published model."""
