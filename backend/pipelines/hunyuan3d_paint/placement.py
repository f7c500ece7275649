# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks lie while they run and wait, by memory mode."""

import torch

from ...contract import Resources
from .pipeline import Hunyuan3DPaintPipeline


def place(pipeline: Hunyuan3DPaintPipeline, resources: Resources) -> Hunyuan3DPaintPipeline:
    """Bring the pipeline to its device: whole, one network at a time, or each layer when it runs."""
    pipeline.set_progress_bar_config(disable=True)
    if resources.device == "cpu":
        return pipeline
    for network in (pipeline.unet, pipeline.reference_unet, pipeline.vae, pipeline.upscaler):
        if network is not None:
            network.to(memory_format=torch.channels_last)  # as a GPU's convolutions want them
    if resources.memory_mode == "low":
        pipeline.enable_sequential_cpu_offload(device=resources.device)
        return pipeline
    if resources.memory_mode == "balanced":
        pipeline.enable_model_cpu_offload(device=resources.device)
        return pipeline
    return pipeline.to(resources.device)
