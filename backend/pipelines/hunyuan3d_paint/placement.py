# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks lie while they run and wait, by memory mode."""

import torch

from ...contract import Resources
from ..common.memory import begin_offload, resting_device
from .pipeline import Hunyuan3DPaintPipeline


def place(pipeline: Hunyuan3DPaintPipeline, resources: Resources) -> Hunyuan3DPaintPipeline:
    """Have the pipeline, which lies on the CPU, run on its device as the memory mode says."""
    pipeline.set_progress_bar_config(disable=True)
    if resources.device.startswith("cuda"):
        for network in (pipeline.unet, pipeline.reference_unet, pipeline.vae, pipeline.upscaler):
            if network is not None:
                network.to(memory_format=torch.channels_last)  # as a GPU's convolutions want them
    pipeline.to(resting_device(resources))
    begin_offload(pipeline, resources)
    return pipeline
