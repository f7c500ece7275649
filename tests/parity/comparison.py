# SPDX-License-Identifier: GPL-3.0-or-later
"""One compared value of a golden case."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

FLOAT32_TOLERANCE = 2e-5
"""Absolute tolerance of float32 networks; a second implementation from the specification alone stayed within 5e-6."""


@dataclass(frozen=True)
class Comparison:
    """`actual` against `expected`: arrays or tensors by largest absolute difference, anything else by equality."""

    name: str
    actual: Any
    expected: Any
    tolerance: float = FLOAT32_TOLERANCE

    def renamed(self, name: str) -> "Comparison":
        return Comparison(name, self.actual, self.expected, self.tolerance)

    @property
    def error(self) -> float:
        """Largest absolute difference; infinite where shapes, a NaN or plain values differ."""
        if not _is_array(self.expected):
            return 0.0 if self.actual == self.expected else math.inf
        actual, expected = _as_array(self.actual), _as_array(self.expected)
        if actual.shape != expected.shape or not np.array_equal(np.isnan(actual), np.isnan(expected)):
            return math.inf
        same = np.isnan(expected) | (actual == expected)
        return float(np.abs(actual[~same] - expected[~same]).max(initial=0.0))

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, torch.Tensor))


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)
