# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory modes: where a pipeline's networks lie, and what brings them to the device when they run.

"full" keeps all of them on the device; "balanced" brings one component at a time, whole; "low" brings one block at a
time, and the next one while it runs. Only CUDA devices have a memory of their own; elsewhere all modes are the same.
"""

import logging
from typing import cast

import torch
from diffusers import DiffusionPipeline

from ...contract import Progress, Resources
from .block_streaming import stream_blocks

logger = logging.getLogger(__name__)


def offloads(resources: Resources) -> bool:
    """Whether networks wait on the CPU until they run."""
    return resources.memory_mode != "full" and resources.device.startswith("cuda")


def resting_device(resources: Resources) -> str:
    """Where networks lie while they do not run."""
    return "cpu" if offloads(resources) else resources.device


def warn_without_effect(resources: Resources, progress: Progress) -> None:
    """Say so where a mode was asked for that saves nothing here."""
    if resources.memory_mode != "full" and not offloads(resources):
        progress.warn("Memory modes save GPU memory. No GPU is used here, so this one has no effect.")


def begin_offload(pipeline: DiffusionPipeline, resources: Resources) -> None:
    """Have the networks of a pipeline that lies on the CPU come to the device as the memory mode says; "full" does
    nothing. The pipeline names their order in `model_cpu_offload_seq`; what a block is, `stream_blocks` says."""
    if not offloads(resources):
        return
    if resources.memory_mode == "balanced":
        pipeline.enable_model_cpu_offload(device=resources.device)
        return
    for network in pipeline.components.values():
        if isinstance(network, torch.nn.Module):
            stream_blocks(network, resources.device)


def running_device(pipeline: DiffusionPipeline, network: torch.nn.Module) -> torch.device:
    """Where a network of the pipeline runs: where its offload hooks bring it, else where it lies."""
    at = pipeline._execution_device if hasattr(network, "_hf_hook") else network.device
    return cast(torch.device, at)  # every network of diffusers and transformers has a device


def available_device(wanted: torch.device | str | None, fallback: torch.device | str) -> torch.device:
    """`wanted` if this machine has it, else `fallback`."""
    device = torch.device(wanted or fallback)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count() and wanted is not None:
        logger.warning("there is no %s: what should run there runs on %s too", device, fallback)
        return torch.device(fallback)
    return device
