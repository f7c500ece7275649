# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels compute scaled-dot-product attention."""

from torch.nn.attention import SDPBackend, sdpa_kernel

fastest_attention = sdpa_kernel(
    [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    set_priority=True,
)
"""Decorator and context in which kernels are tried in the order of their speed at these models' shapes; torch's own
order tries cuDNN later. Devices without these kernels take the last."""
