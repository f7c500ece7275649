# SPDX-License-Identifier: GPL-3.0-or-later
"""Several textures in a strip."""

import torch

from backend.painting.uv_strip import UVStrip


def test_textures_in_a_strip():
    strip = UVStrip(((64, 128), (32, 32), (100, 50)), 64)
    assert strip.widths == (128, 64, 32)
    assert strip.texture_size == (64, 224)
    texture = torch.tensor([0, 1, 2, 2])
    uvs = torch.tensor([[1.0, 0.3], [0.5, 0.0], [0.0, 1.0], [1.0, 0.5]])
    expected = torch.tensor([[128.0, 0.3], [160.0, 0.0], [192.0, 1.0], [224.0, 0.5]])
    placed_uvs = strip.to_strip(uvs, texture)
    torch.testing.assert_close(placed_uvs * torch.tensor([224.0, 1.0]), expected)


def test_images_keep_their_place_in_a_strip():
    strip = UVStrip(((64, 128), (32, 32)), 64)
    images = [torch.full((3, 64, 128), 0.2), torch.full((3, 32, 32), 0.7)]
    joined_images = strip.join(images)
    assert joined_images.shape == (3, 64, 192)
    first, second = strip.split(joined_images)
    torch.testing.assert_close(first, images[0])
    torch.testing.assert_close(second, torch.full((3, 64, 64), 0.7))


def test_coordinates_keep_to_the_texels_that_split_cuts():
    strip = UVStrip(((7, 3), (7, 3), (7, 5)), 512)
    assert strip.widths == (219, 219, 365), "none of these widths comes out even"
    borders = torch.tensor([0.0, 219.0, 438.0, 803.0])
    start, end = (strip.to_strip(torch.tensor([[u, 0.5]] * 3), torch.arange(3))[:, 0] * 803 for u in (0.0, 1.0))
    torch.testing.assert_close(start, borders[:-1])
    torch.testing.assert_close(end, borders[1:])
