# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks lie and in what form: on the device, waiting on the CPU, compiled."""

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D

from ...contract import Resources
from .lean_blocks import make_lean
from .pipeline import FlexiSyncMVDPipeline

SHAPES_OF_A_BLOCK = 64
"""How many forms of one kind of block may be compiled: a UNet has about a dozen widths and sizes."""


def place(pipeline: FlexiSyncMVDPipeline, resources: Resources) -> FlexiSyncMVDPipeline:
    """Bring the pipeline to its device. With low memory each network comes only while it computes."""
    pipeline.set_progress_bar_config(disable=True)
    if resources.device == "cpu":
        return pipeline
    order_for_tensor_cores(pipeline)
    on_cuda = resources.device.startswith("cuda")
    compiled = resources.compile and on_cuda and not resources.low_memory
    if compiled:
        compile_blocks(pipeline)
    elif on_cuda:
        make_blocks_lean(pipeline)
    if resources.low_memory:
        pipeline.enable_model_cpu_offload(device=resources.device)
        return pipeline
    return pipeline.to(resources.device)


def make_blocks_lean(pipeline: FlexiSyncMVDPipeline) -> None:
    """Save passes over memory in networks of half precision; a compiler does it by itself."""
    for network in (pipeline.unet, pipeline.controlnet, pipeline.vae):
        if network is not None and network.dtype == torch.float16:
            make_lean(network)


def order_for_tensor_cores(pipeline: FlexiSyncMVDPipeline) -> None:
    """Keep channels together in memory, as a GPU's convolutions want them."""
    for network in (pipeline.unet, pipeline.controlnet, pipeline.vae):
        if network is not None:
            network.to(memory_format=torch.channels_last)


def compile_blocks(pipeline: FlexiSyncMVDPipeline) -> None:
    """Have each kind of block compiled at its first use; one that cannot be runs as it is, with a warning.

    That may be for want of a compiler: Triton is not part of torch on Windows.
    """
    torch._dynamo.config.suppress_errors = True
    torch._dynamo.config.recompile_limit = SHAPES_OF_A_BLOCK
    for network in (pipeline.unet, pipeline.controlnet, pipeline.vae):
        for block in network.modules() if network is not None else ():
            if isinstance(block, (BasicTransformerBlock, ResnetBlock2D)):
                block.compile(dynamic=False)
