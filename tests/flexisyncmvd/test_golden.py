# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipeline's golden numbers, where the reference folder stands beside this one (16 MB: not in here)."""

from pathlib import Path

import pytest
import torch

from tests.parity.__main__ import compare
from tests.parity.kinds import load_kinds

GOLDEN = Path(__file__).parents[3] / "shared" / "reference" / "flexisyncmvd" / "parity"
CASES = ("attention", "unet_sync_attention", "sync_step_epsilon", "sync_step_v_prediction", "conditioning_cube",
         "e2e_sd15_inputs", "e2e_sd15_outputs", "e2e_sd15_weights_unet", "e2e_sd15_weights_controlnet_vae",
         "e2e_sdxl_outputs")

load_kinds()


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference folder is not beside this one")
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_golden_numbers(case):
    results = list(compare(GOLDEN / f"{case}.safetensors")[1])
    assert results
    assert not [(result.name, result.error) for result in results if not result.passed]
