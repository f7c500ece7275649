# SPDX-License-Identifier: GPL-3.0-or-later
"""Which library can use which device. Whoever is about to run warp's kernels asks here, before a job begins its work.

torch runs on every device that it names. warp knows CUDA only: no "mps", no ROCm, no driver older than the CUDA toolkit
that it was built with, and no GPU older than the oldest that this toolkit compiles for. There its kernels run on the
CPU, where they are the same code and give the same results; only what they return travels.
"""

import functools
import logging

import torch

logger = logging.getLogger(__name__)


def warp_device(wanted: torch.device | str) -> torch.device:
    """Where warp's kernels run for networks on `wanted`: there if warp can, else on the CPU."""
    device = torch.device(wanted)
    usable = device.type == "cuda" and _warp_runs_on(device.index or 0)
    return device if usable else torch.device("cpu")


def warp_runs_on(device: torch.device | str) -> bool:
    """Whether warp's kernels can run on that very device."""
    return warp_device(device).type == torch.device(device).type


@functools.cache
def _warp_runs_on(index: int) -> bool:
    """Asked once for each GPU: what is missing is logged, in words."""
    reason = _why_not(index)
    if reason:
        logger.warning("Rendering, baking and surfaces run on the CPU: %s", reason)
    return not reason


def _why_not(index: int) -> str:
    if torch.version.hip:
        return "warp does not support AMD GPUs"
    try:
        import warp as wp  # slow to load, so only where there is a GPU to ask about
    except ImportError as error:
        return f"warp cannot be imported ({error})"
    wp.init()
    if not wp.is_cuda_available() or index >= wp.get_cuda_device_count():
        major, minor = wp.get_cuda_toolkit_version()
        return f"warp needs a driver for CUDA {major}.{minor}, and found none for this GPU"
    capability, oldest = wp.get_device(f"cuda:{index}").arch, min(wp.get_cuda_supported_archs())
    if capability < oldest:
        return f"warp needs compute capability {oldest / 10:.1f} or newer, and this GPU has {capability / 10:.1f}"
    return ""
