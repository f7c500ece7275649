# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a grid of samples fits into memory, asked before the minutes that lead up to it."""

import psutil
import torch

from ...contract import MeshwrightError, Remedy

BYTES_PER_SAMPLE = {False: 16, True: 40}
"""Memory that a sample takes at most: grids, masks and their copies; where all are evaluated, places and points too."""


def check_grid_memory(resolution: int, device: torch.device, *, dense: bool = False) -> None:
    """Raise MeshwrightError where a grid of `resolution` cells per axis does not fit into the device's free memory."""
    needed = (resolution + 1) ** 3 * BYTES_PER_SAMPLE[dense]
    free = _free_bytes(device)
    if needed > free:
        raise MeshwrightError(
            f"A resolution of {resolution} needs too much memory.",
            f"It takes about {needed / 2**30:.1f} GiB, and {max(free, 0) / 2**30:.1f} GiB are free on {device}.",
            "Choose a lower resolution, or close other programs that use the memory.", Remedy.LOWER_RESOLUTION,
        )


def _free_bytes(device: torch.device) -> int:
    if device.type != "cuda":  # Apple's GPUs share the computer's memory
        return psutil.virtual_memory().available
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept
