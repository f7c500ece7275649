# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the shared parts of pipelines use."""

import numpy as np
import pytest

from .images import shaded_disc


@pytest.fixture
def cut_out() -> np.ndarray:
    return shaded_disc()
