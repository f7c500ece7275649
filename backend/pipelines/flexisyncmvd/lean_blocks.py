# SPDX-License-Identifier: GPL-3.0-or-later
"""diffusers' blocks with fewer passes over memory, for half precision on CUDA without a compiler. Weights stay theirs.

At these sizes a third of the time would go into turning pictures between memory layouts, dividing by one, and
products of strided halves.
"""

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from .group_norm import group_norm


class LeanResnetBlock(ResnetBlock2D):
    """Norm, shift by time and activation in one; the sum in place."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *_: object, **__: object) -> Tensor:
        hidden = self.conv1(group_norm(input_tensor, self.norm1, activate=True))
        shift = None if temb is None else self.time_emb_proj(functional.silu(temb))
        hidden = self.conv2(group_norm(hidden, self.norm2, shift, activate=True))
        return hidden.add_(input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


class LeanTransformer(Transformer2DModel):
    """Channels stay together on the way in and out."""

    def _operate_on_continuous_inputs(self, hidden_states: Tensor) -> tuple[Tensor, int]:
        hidden = group_norm(hidden_states, self.norm)
        if not self.use_linear_projection:
            hidden = self.proj_in(hidden)
        hidden = hidden.permute(0, 2, 3, 1).flatten(1, 2)
        width = hidden.shape[-1]
        return (self.proj_in(hidden) if self.use_linear_projection else hidden), width

    def _get_output_for_continuous_inputs(
        self, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
    ) -> Tensor:
        hidden = self.proj_out(hidden_states) if self.use_linear_projection else hidden_states
        hidden = hidden.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return (hidden if self.use_linear_projection else self.proj_out(hidden)).add_(residual)


class LeanGEGLU(GEGLU):
    """The two halves as two products, so that each is contiguous; their product in place."""

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        (weight, gate_weight), (bias, gate_bias) = self.proj.weight.chunk(2), self.proj.bias.chunk(2)
        gate = torch.ops.aten.gelu_(functional.linear(hidden_states, gate_weight, gate_bias))
        return functional.linear(hidden_states, weight, bias).mul_(gate)


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
    """As in Stable Diffusion: no change of size, the time as a shift, SiLU, an unscaled sum."""
    return (block.upsample is None and block.downsample is None and block.time_embedding_norm == "default"
            and isinstance(block.nonlinearity, nn.SiLU) and not block.skip_time_act and block.output_scale_factor == 1)
