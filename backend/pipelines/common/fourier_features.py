# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier features of positions, for networks that are given points (Mildenhall et al. 2020, section 5.1)."""

import torch
from torch import Tensor


def fourier_features(
    positions: Tensor, frequencies: int, *, include_pi: bool = False, by_axis: bool = False
) -> Tensor:
    """`[..., 3]` -> float32 `[..., 3 + 6 * frequencies]`: the coordinates, all sines, all cosines, axis-major each.

    Float32 throughout: in half precision neighboring points of a fine grid collapse.

    Args:
        positions: of any float type.
        frequencies: how many, from 1, each twice the one before.
        include_pi: whether frequencies are multiples of pi.
        by_axis: another order: for every axis its sines and then its cosines, and the coordinates last.
    """
    positions = positions.float()
    scale = torch.pi if include_pi else 1.0
    angles = positions.unsqueeze(-1) * (scale * 2.0 ** torch.arange(frequencies, device=positions.device))
    if by_axis:
        return torch.cat([torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2), positions], dim=-1)
    angles = angles.flatten(-2)
    return torch.cat([positions, angles.sin(), angles.cos()], dim=-1)
