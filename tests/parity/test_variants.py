# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of known kinds with other options run without a change of code, and one wrong number in them is found."""

import pytest
import torch

from tests.parity.__main__ import main
from tests.parity.variants import VARIANTS, perturbed


@pytest.mark.parametrize("make", VARIANTS, ids=lambda make: make.__name__)
@torch.no_grad()
def test_variant_is_taken_and_each_wrong_value_found(make, tmp_path, capsys):
    variant = make()
    assert main([str(variant.write(tmp_path))]) == 0, capsys.readouterr()
    for name, wrong in perturbed(variant):
        assert main([str(wrong.write(tmp_path))]) == 1, name
