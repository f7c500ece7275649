# SPDX-License-Identifier: GPL-3.0-or-later
"""The lean blocks compute what diffusers' own do; float16 against float32, with the kernels on the CPU."""

import copy

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from backend.pipelines.flexisyncmvd.group_norm import group_norm
from backend.pipelines.flexisyncmvd.lean_blocks import LeanGEGLU, LeanResnetBlock, LeanTransformer, make_lean
from tests.flexisyncmvd.checkpoint_forms import TINY_UNET, randomized, tiny_vae


@pytest.mark.parametrize("activate", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(3, 5), (9, 16)])
def test_group_norm(size, shifted, activate):
    torch.manual_seed(0)
    x = (torch.randn(2, 24, *size) * 3 + 5).half()
    norm = nn.GroupNorm(4, 24)
    norm.weight.data, norm.bias.data = torch.randn(24), torch.randn(24)
    shift = torch.randn(2, 24).half() if shifted else None
    norm.half()
    expected = copy.deepcopy(norm).float()(x.float() + (shift[..., None, None].float() if shifted else 0))
    expected = nn.functional.silu(expected) if activate else expected
    for given in (x, x.to(memory_format=torch.channels_last)):
        result = group_norm(given, norm, shift, activate)
        assert result.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(result.float(), expected.detach(), atol=4e-3, rtol=2e-3)


@torch.no_grad()
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_networks(family):
    torch.manual_seed(0)
    unet = randomized(UNet2DConditionModel.from_config(TINY_UNET[family]), 0)
    width = unet.config.cross_attention_dim
    added = {"text_embeds": torch.randn(2, 16), "time_ids": torch.rand(2, 6)} if family == "sdxl" else None
    given = torch.randn(2, 4, 16, 16), 500, torch.randn(2, 3, width)
    expected = unet(*given, added_cond_kwargs=added).sample
    names = list(unet.state_dict())
    error = {}
    for kind, network in {"stock": unet, "lean": copy.deepcopy(unet)}.items():
        network.half().to(memory_format=torch.channels_last)
        if kind == "lean":
            make_lean(network)
            kinds = {type(block) for block in network.modules()}
            assert {LeanResnetBlock, LeanTransformer, LeanGEGLU} <= kinds
            assert list(network.state_dict()) == names
        half = {name: value.half() for name, value in added.items()} if added else None
        result = network(given[0].half(), given[1], given[2].half(), added_cond_kwargs=half).sample
        error[kind] = (result.float() - expected).abs().mean().item()
    assert error["lean"] < 1.5 * error["stock"]


@torch.no_grad()
def test_controlnet_and_vae():
    config = {name: value for name, value in TINY_UNET["sd15"].items()
              if name not in ("out_channels", "up_block_types", "sample_size")}
    control = randomized(ControlNetModel.from_config({**config, "conditioning_embedding_out_channels": (4, 8)}), 1)
    given = torch.randn(2, 4, 16, 16), 500, torch.randn(2, 3, 16), torch.rand(2, 3, 32, 32)
    expected = control(*given, return_dict=False)
    make_lean(control.half().to(memory_format=torch.channels_last))
    result = control(given[0].half(), 500, given[2].half(), given[3].half(), return_dict=False)
    for ours, stock in zip([*result[0], result[1]], [*expected[0], expected[1]], strict=True):
        torch.testing.assert_close(ours.float(), stock, atol=0.03 * stock.abs().max().item(), rtol=0)
    vae = randomized(tiny_vae(0.18215), 2)
    latents = torch.randn(1, 4, 4, 4)
    expected = vae.decode(latents).sample
    make_lean(vae.half().to(memory_format=torch.channels_last))
    assert all(type(block) is not ResnetBlock2D for block in vae.modules())
    result = vae.decode(latents.half()).sample.float()
    torch.testing.assert_close(result, expected, atol=0.03 * expected.abs().max().item(), rtol=0)
