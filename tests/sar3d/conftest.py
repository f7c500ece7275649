# SPDX-License-Identifier: GPL-3.0-or-later
"""One tiny pipeline for all tests that do not change it."""

import pytest

from .tiny_networks import tiny_pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    return tiny_pipeline(tmp_path_factory.mktemp("sar3d"))
