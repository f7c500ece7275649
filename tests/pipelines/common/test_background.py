# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting the object out of an opaque image, by its background's color and by a network."""

import os
import subprocess
import sys

import numpy as np
import pytest

from backend.contract import BadInput
from backend.pipelines.common.background import remove_background, remove_plain_background
from backend.pipelines.common.image_preparation import check_image

from .images import gradient


def test_plain_ground_is_cut_away():
    image = np.full((100, 120, 4), 255, np.uint8)
    rng = np.random.default_rng(0)
    image[..., :3] = 240 + rng.integers(-6, 7, (100, 120, 3))
    image[30:70, 40:90, :3] = (180, 40, 40)
    image[45:55, 60:70, :3] = 240  # of the ground's color, but inside the object
    cut = remove_background(image, None)
    expected = np.zeros((100, 120), bool)
    expected[30:70, 40:90] = True
    assert np.array_equal(cut[..., 3] > 0, expected)
    check_image(cut)


def test_a_photo_without_background_remover_says_what_to_do():
    image = np.asarray(gradient().convert("RGBA"))
    with pytest.raises(BadInput, match="background"):
        remove_plain_background(image)


def test_an_empty_sheet_says_that_nothing_is_on_it():
    image = np.full((50, 50, 4), 255, np.uint8)
    image[20:30, 20:30, :3] = 245
    with pytest.raises(BadInput, match="No object"):
        remove_plain_background(image)


def protobuf(field: int, value: bytes | int) -> bytes:
    """One short field of a protocol-buffer message."""
    if isinstance(value, int):
        assert value < 128
        return bytes([*varint(field << 3), value])
    return bytes([*varint(field << 3 | 2), *varint(len(value))]) + value


def varint(number: int) -> list[int]:
    return [number] if number < 128 else [number & 127 | 128, *varint(number >> 7)]


def write_darkness_network(path) -> None:
    """An ONNX file of one node: what is dark in the red channel is the object."""
    dimensions = b"".join(
        protobuf(1, bytes([8, *varint(n)])) for n in (1, 3, 320, 320)
    )
    tensor = protobuf(2, protobuf(1, protobuf(1, 1) + protobuf(2, dimensions)))
    node = protobuf(1, b"x") + protobuf(2, b"y") + protobuf(4, b"Neg")
    graph = protobuf(1, node) + protobuf(2, b"g")
    graph += protobuf(11, protobuf(1, b"x") + tensor) + protobuf(12, protobuf(1, b"y") + tensor)
    path.write_bytes(protobuf(1, 8) + protobuf(7, graph) + protobuf(8, protobuf(2, 13)))


def test_background_removal_by_a_network_in_our_own_folder(tmp_path):
    image = np.asarray(gradient(200, 100).convert("RGBA")).copy()
    write_darkness_network(tmp_path / "u2net.onnx")
    cut = remove_background(image, tmp_path / "u2net.onnx")
    assert cut.shape == image.shape
    assert cut[:, :5, 3].min() > 245
    assert cut[:, -5:, 3].max() < 10
    assert np.abs(cut[50, 100].astype(int) - [64, 64, 64, 127]).max() <= 4  # colors are multiplied by the mask


def test_background_removal_leaves_the_threads_of_torch_alone_and_compiles_nothing(tmp_path):
    """Other threads would change the bytes of every later result; compiling would delay the first one by a minute."""
    write_darkness_network(tmp_path / "u2net.onnx")
    code = ("import sys, numpy, torch; from pathlib import Path\n"
            "from backend.pipelines.common.background import remove_background\n"
            "torch.set_num_threads(1)\n"
            "ramp = numpy.tile(numpy.arange(0, 240, 4, numpy.uint8)[None, :, None], (60, 1, 4))\n"
            "ramp[..., 3] = 255\n"
            "remove_background(ramp, Path(sys.argv[1]))\n"
            "print(torch.get_num_threads())")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "u2net.onnx")], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "compiled")})
    assert done.stdout.split() == ["1"], done.stderr
    assert not (tmp_path / "compiled").exists()


def test_a_damaged_background_remover_says_what_to_do(tmp_path):
    (tmp_path / "u2net.onnx").write_bytes(b"not a network" * 20)
    with pytest.raises(BadInput, match=r"u2net\.onnx is damaged") as caught:
        remove_background(np.asarray(gradient().convert("RGBA")), tmp_path / "u2net.onnx")
    assert caught.value.report.remedy == "download"
