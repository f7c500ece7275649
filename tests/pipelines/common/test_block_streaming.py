# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that come to the device for their turn give the same answers, and leave it again."""

import gc
import weakref

import pytest
import torch
from torch import nn

from backend.pipelines.common.block_streaming import BlockStream, stream_blocks


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        self.register_buffer("offset", torch.ones(4))

    def forward(self, x, order=range(4)):
        x = self.first(x) + self.offset
        for number in order:
            x = self.blocks[number](x)
        return x


@pytest.mark.parametrize("order", [range(4), (2, 0, 0, 3), (3, 2, 1, 0)])
def test_any_order_gives_the_same(order):
    torch.manual_seed(0)
    stack, x = Stack(), torch.randn(2, 4)
    expected = stack(x, order)
    stream_blocks(stack, "cpu")
    for _ in range(3):
        assert torch.equal(stack(x, order), expected)


def test_two_blocks_are_there_at_a_time():
    blocks = list(Stack().blocks)
    stream = BlockStream(blocks, torch.device("cpu"))
    for number in (0, 1, 2, 3, 0, 2):
        stream.arrive(number)
        assert set(stream.there) == {number, (number + 1) % 4}
        homes = [home[0].data_ptr() for home in stream.home]
        at_home = [block.weight.data_ptr() == home for block, home in zip(blocks, homes, strict=True)]
        assert not at_home[number]
        assert sum(at_home) >= 2


def test_nothing_is_left_when_the_network_goes():
    stack = Stack()
    stream_blocks(stack, "cpu")
    stack(torch.randn(1, 4))
    weights = weakref.ref(stack.blocks[0].weight)
    del stack
    gc.collect()
    assert weights() is None
