# SPDX-License-Identifier: GPL-3.0-or-later
"""The transfer function of sRGB (IEC 61966-2-1), on values in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """From encoded values to light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """From light to encoded values."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
