# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks lie and in what form: on the device or waiting on the CPU, laid out and shortened for it."""

import torch

from ...contract import Resources
from ...geometry.library_devices import warp_runs_on
from ..common.memory import begin_offload, offloads
from .lean_blocks import make_lean
from .pipeline import FlexiSyncMVDPipeline


def place(pipeline: FlexiSyncMVDPipeline, resources: Resources) -> FlexiSyncMVDPipeline:
    """Bring the pipeline to its device. Where memory is short each network comes only while it runs.

    Nothing is compiled: torch's compiler gains nothing over the lean blocks, and takes a minute.
    """
    pipeline.set_progress_bar_config(disable=True)
    if resources.device == "cpu":
        return pipeline
    if resources.device.startswith("cuda"):
        order_for_tensor_cores(pipeline)
        if warp_runs_on(resources.device):
            make_blocks_lean(pipeline)
    if not offloads(resources):
        return pipeline.to(resources.device)
    begin_offload(pipeline, resources)
    return pipeline


def make_blocks_lean(pipeline: FlexiSyncMVDPipeline) -> None:
    """Save passes over memory in networks of half precision, with kernels of warp."""
    for network in (pipeline.unet, pipeline.controlnet, pipeline.vae):
        if network is not None and network.dtype == torch.float16:
            make_lean(network)


def order_for_tensor_cores(pipeline: FlexiSyncMVDPipeline) -> None:
    """Keep channels together in memory, as a GPU's convolutions want them."""
    for network in (pipeline.unet, pipeline.controlnet, pipeline.vae):
        if network is not None:
            network.to(memory_format=torch.channels_last)
