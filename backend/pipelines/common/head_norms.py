# SPDX-License-Identifier: GPL-3.0-or-later
"""Norms of queries and keys inside attention's heads, for inference on a GPU.

torch's fused norms take a block of threads for each row. A head is a row of 64 or 128 numbers, so most of the threads
wait: for the queries of a field they took a quarter of the time. Reductions and products of whole tensors do not.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class HeadRMSNorm(nn.RMSNorm):
    """RMS norm over the last dimension, as `nn.RMSNorm`."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps or 0.0) if _by_parts(x) else super().forward(x)


class HeadLayerNorm(nn.LayerNorm):
    """Layer norm over the last dimension, as `nn.LayerNorm`."""

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight, self.bias, self.eps) if _by_parts(x) else super().forward(x)


def head_rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`functional.rms_norm` over the last dimension."""
    return rms_norm(x, weight, eps) if _by_parts(x) else functional.rms_norm(x, weight.shape, weight, eps)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The same by a reduction and two products; sums are float32."""
    return (x * _inverse_root(_mean_square(x), eps, x.dtype)).mul_(weight)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """The same by two reductions and two products; sums are float32."""
    mean = x.mean(dim=-1, keepdim=True, dtype=torch.float32)
    scale = _inverse_root((_mean_square(x) - mean.square()).clamp(min=0), eps, torch.float32)
    centered = torch.addcmul((-mean * scale).to(x.dtype), x, scale.to(x.dtype))
    return torch.addcmul(bias, centered, weight)


def _mean_square(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square() / x.shape[-1]


def _inverse_root(variance: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
    return (variance + eps).rsqrt().to(dtype)


def _by_parts(x: Tensor) -> bool:
    return x.is_cuda and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
