# SPDX-License-Identifier: GPL-3.0-or-later
"""diffusers' blocks with fewer passes over memory, for half precision on CUDA without a compiler. Weights stay theirs.

At these sizes a third of the time would go into turning images between memory layouts, adding biases, dividing by
one, and products of strided halves.
"""

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from .group_norm import add_to, group_norm


class LeanResnetBlock(ResnetBlock2D):
    """Norm, activation, and what is added per channel in one pass; the last bias and the sum in another."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *_: object, **__: object) -> Tensor:
        shift = self.conv1.bias
        if temb is not None:
            shift = shift + self.time_emb_proj(functional.silu(temb))
        hidden = _without_bias(self.conv1, group_norm(input_tensor, self.norm1, activate=True))
        hidden = _without_bias(self.conv2, group_norm(hidden, self.norm2, shift, activate=True))
        if self.conv_shortcut is not None:
            input_tensor = _of_each_pixel(self.conv_shortcut, input_tensor.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return add_to(hidden, self.conv2.bias, input_tensor)


class LeanTransformer(Transformer2DModel):
    """Channels stay together on the way in and out."""

    def _operate_on_continuous_inputs(self, hidden_states: Tensor) -> tuple[Tensor, int]:
        hidden = group_norm(hidden_states, self.norm).permute(0, 2, 3, 1).flatten(1, 2)
        hidden = _of_each_pixel(self.proj_in, hidden)
        return hidden, hidden.shape[-1]

    def _get_output_for_continuous_inputs(
        self, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
    ) -> Tensor:
        hidden = _of_each_pixel(self.proj_out, hidden_states).unflatten(1, (height, width))
        return hidden.permute(0, 3, 1, 2).add_(residual)


class LeanGEGLU(GEGLU):
    """The two halves as two products, so that each is contiguous; their product in place."""

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        (weight, gate_weight), (bias, gate_bias) = self.proj.weight.chunk(2), self.proj.bias.chunk(2)
        gate = torch.ops.aten.gelu_(functional.linear(hidden_states, gate_weight, gate_bias))
        return functional.linear(hidden_states, weight, bias).mul_(gate)


def _without_bias(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution alone: adding its bias would be a pass of its own."""
    return layer._conv_forward(x, layer.weight, None)


def _of_each_pixel(layer: nn.Conv2d | nn.Linear, pixels: Tensor) -> Tensor:
    """A layer that looks at single pixels, as one product; pixels [..., C] to [..., D]."""
    return functional.linear(pixels, layer.weight.flatten(1), layer.bias)


def make_lean(network: nn.Module) -> None:
    """Give a network's blocks these forms, in place. Blocks of other kinds stay as they are."""
    for block in network.modules():
        if type(block) is ResnetBlock2D and _is_plain(block):
            block.__class__ = LeanResnetBlock
        elif type(block) is Transformer2DModel and block.is_input_continuous:
            block.__class__ = LeanTransformer
        elif type(block) is GEGLU and type(block.proj) is nn.Linear:
            block.__class__ = LeanGEGLU


def _is_plain(block: ResnetBlock2D) -> bool:
    """As in Stable Diffusion: no change of size, the time as a shift if at all, SiLU, an unscaled sum."""
    return (block.upsample is None and block.downsample is None and isinstance(block.nonlinearity, nn.SiLU)
            and (block.time_emb_proj is None or (block.time_embedding_norm == "default" and not block.skip_time_act))
            and block.output_scale_factor == 1)
