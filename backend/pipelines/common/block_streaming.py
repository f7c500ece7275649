# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks larger than a GPU's memory: their blocks come to it one after the other, each while another runs."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor, nn


def stream_blocks(network: nn.Module, device: torch.device | str) -> None:
    """Put the network on `device`, except its lists of blocks, which wait in the computer's memory for their turn.

    A list's blocks are expected to run in their order, over and over; another order is right too, but slower. A block
    comes when it is called, or when a method with diffusers' `apply_forward_hook` is.
    """
    device = torch.device(device)
    lists = list(_block_lists(network))
    for blocks in lists:
        BlockStream(list(blocks), device)
    streamed = {id(parameter) for blocks in lists for parameter in blocks.parameters()}
    for parameter in network.parameters():
        if id(parameter) not in streamed:
            parameter.data = parameter.data.to(device)
    for name, buffer in list(network.named_buffers()):
        owner, _, key = name.rpartition(".")
        network.get_submodule(owner)._buffers[key] = buffer.to(device)


def _block_lists(module: nn.Module) -> Iterator[nn.ModuleList]:
    """The outermost lists of several modules."""
    for child in module.children():
        if isinstance(child, nn.ModuleList) and len(child) > 1:
            yield child
        else:
            yield from _block_lists(child)


class BlockStream:
    """Brings each block of a list to the device just before it runs, and begins with the next while it does.

    So two blocks are there at a time. On a CUDA device the next one is copied on a stream of its own, from pinned
    memory.
    """

    def __init__(self, blocks: list[nn.Module], device: torch.device) -> None:
        self.device, self.blocks = device, blocks
        cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if cuda else None
        self.home = [[_pinned(parameter.data) if cuda else parameter.data for parameter in block.parameters()]
                     for block in blocks]
        self.there: dict[int, tuple[list[Tensor], torch.cuda.Event | None]] = {}
        """Tensors of the blocks that are on the device or on their way, and when they will have arrived."""
        for number, block in enumerate(blocks):
            self._place(number, self.home[number])
            add_hook_to_module(block, _ArriveHook(self, number))

    def arrive(self, number: int) -> None:
        """Have a block on the device and the next one on its way; the others leave."""
        following = (number + 1) % len(self.blocks)
        for other in [other for other in self.there if other not in (number, following)]:
            del self.there[other]
            self._place(other, self.home[other])
        self._fetch(number)
        tensors, arrived = self.there[number]
        if arrived is not None:
            torch.cuda.current_stream(self.device).wait_event(arrived)
            for tensor in tensors:
                tensor.record_stream(torch.cuda.current_stream(self.device))
        self._place(number, tensors)
        self._fetch(following)

    def _fetch(self, number: int) -> None:
        if number in self.there:
            return
        with torch.cuda.stream(self.stream) if self.stream else nullcontext():
            tensors = [tensor.to(self.device, non_blocking=True, copy=True) for tensor in self.home[number]]
            arrived = self.stream.record_event() if self.stream else None
        self.there[number] = (tensors, arrived)

    def _place(self, number: int, tensors: list[Tensor]) -> None:
        for parameter, tensor in zip(self.blocks[number].parameters(), tensors, strict=True):
            parameter.data = tensor


class _ArriveHook(ModelHook):
    def __init__(self, stream: BlockStream, number: int) -> None:
        self.stream, self.number = stream, number

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple, dict]:
        self.stream.arrive(self.number)
        return args, kwargs


def _pinned(tensor: Tensor) -> Tensor:
    return tensor.cpu().contiguous().pin_memory()
