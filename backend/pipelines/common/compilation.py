# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks compiled block by block, where that is asked for and can gain something."""

import torch
from diffusers.models.modeling_utils import ModelMixin

from ...contract import Resources
from .memory import offloads


def compile_blocks(resources: Resources, *networks: ModelMixin) -> None:
    """Have each kind of repeated block compiled at its first use; a block that cannot be runs as it is, with a warning.

    That may be for want of a compiler: Triton is not part of torch on Windows. Networks that wait on the CPU are left
    as they are, and so are all on other devices than CUDA's.
    """
    if not resources.compile or offloads(resources) or not resources.device.startswith("cuda"):
        return
    torch._dynamo.config.suppress_errors = True
    for network in networks:
        network.compile_repeated_blocks(dynamic=False)
