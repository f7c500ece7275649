# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipeline's golden numbers, where the reference folder is next to this one (16 MB: not in here)."""

from pathlib import Path

import pytest
import torch

from tests.parity.__main__ import compare
from tests.parity.kinds import load_kinds

GOLDEN = Path(__file__).parents[3] / "shared" / "reference" / "flexisyncmvd" / "parity"
FILES = sorted([*GOLDEN.glob("*.safetensors"), *GOLDEN.glob("*.json")])

load_kinds()


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference folder is not next to this one")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@torch.no_grad()
def test_golden_numbers(path):
    results = list(compare(path)[1])
    assert results
    assert not [(result.name, result.error) for result in results if not result.passed]
