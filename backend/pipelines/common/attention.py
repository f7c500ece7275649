# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels run scaled-dot-product attention, and how much memory its scores may take where they are kept."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

fastest_attention = sdpa_kernel(
    [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    set_priority=True,
)
"""Decorator and context in which kernels are tried in the order of their speed at these models' shapes; torch's own
order tries cuDNN later. Devices without these kernels take the last."""

MOST_SCORES = 2**28
"""Scores, batch x heads x queries x keys, that are in memory at a time: 0.5 GiB in half precision."""


def attention_within_memory(device: torch.device | str) -> AbstractContextManager[None]:
    """A context in which attention on `device` never keeps more than `MOST_SCORES` scores.

    CUDA's kernels keep none, and the CPU's keep blocks. Apple's keep all: there each call goes through the queries in
    slices, also those of diffusers and transformers. A slice holds one query at least.
    """
    return SlicedAttention() if torch.device(device).type == "mps" else nullcontext()


def queries_at_once(query: Sequence[int], keys: int) -> int:
    """How many queries of the shape `query` [..., Q, D] may meet that many keys at a time."""
    rows = 1
    for size in query[:-2]:
        rows *= size
    return max(MOST_SCORES // (rows * keys), 1)


class SlicedAttention(TorchFunctionMode):
    """Has every call of `scaled_dot_product_attention` in its context go through the queries in slices."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        return _sliced(*args, **(kwargs or {}))


def _sliced(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
            is_causal: bool = False, **options: Any) -> Tensor:
    """As `scaled_dot_product_attention`; the arguments have its names."""
    count, keys = query.shape[-2], key.shape[-2]
    size = queries_at_once(query.shape, keys)
    if size >= count:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **options)
    if is_causal:
        attn_mask = torch.ones(count, keys, dtype=torch.bool, device=query.device).tril()
    mixed = [
        functional.scaled_dot_product_attention(
            query[..., start : start + size, :], key, value, _rows(attn_mask, slice(start, start + size)), dropout_p,
            **options)
        for start in range(0, count, size)
    ]
    return torch.cat(mixed, dim=-2)


def _rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    """The mask's rows for some queries; a mask with one row is for all."""
    return mask if mask is None or mask.shape[-2] == 1 else mask[..., rows, :]
