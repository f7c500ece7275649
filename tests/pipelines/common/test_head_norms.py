# SPDX-License-Identifier: GPL-3.0-or-later
"""Norms by parts are torch's norms."""

import pytest
import torch
from torch.nn import functional

from backend.pipelines.common import head_norms
from backend.pipelines.common.head_norms import HeadLayerNorm, HeadRMSNorm, layer_norm, rms_norm

TOLERANCE = {torch.float32: 2e-6, torch.float16: 4e-3}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", [8, 64, 128])
def test_parts_give_the_same_on_strided_heads(dtype, width):
    torch.manual_seed(0)
    packed = (2 * torch.randn(2, 5, 3, 3 * width) + 0.5).to(dtype)
    x = packed[..., width : 2 * width]
    weight, bias = torch.randn(2, width).to(dtype)
    expected = functional.layer_norm(x.float(), (width,), weight.float(), bias.float(), 1e-6)
    found = layer_norm(x, weight, bias, 1e-6)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected, atol=4 * TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    expected = functional.rms_norm(x.float(), (width,), weight.float(), 1e-6)
    assert torch.allclose(rms_norm(x, weight, 1e-6).float(), expected, atol=4 * TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_zeros_stay_finite(dtype):
    zeros, ones = torch.zeros(2, 3, 8, dtype=dtype), torch.ones(8, dtype=dtype)
    assert (rms_norm(zeros, ones, 1e-6) == 0).all()
    assert torch.allclose(layer_norm(zeros + 3, ones, ones, 1e-6), ones.expand(2, 3, 8), atol=0.1)


def test_modules_choose_the_parts(monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 16)
    for module in (HeadLayerNorm(16, eps=1e-6), HeadRMSNorm(16, eps=1e-6)):
        torch.nn.init.normal_(module.weight)
        plain = module(x)
        monkeypatch.setattr(head_norms, "_by_parts", lambda x: True)
        torch.testing.assert_close(module(x), plain, atol=1e-5, rtol=1e-5)
        monkeypatch.undo()
