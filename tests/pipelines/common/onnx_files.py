# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files of one node, written by hand as protocol buffers."""

from pathlib import Path


def protobuf(field: int, value: bytes | int) -> bytes:
    """One short field of a protocol-buffer message."""
    if isinstance(value, int):
        assert value < 128
        return bytes([*varint(field << 3), value])
    return bytes([*varint(field << 3 | 2), *varint(len(value))]) + value


def varint(number: int) -> list[int]:
    return [number] if number < 128 else [number & 127 | 128, *varint(number >> 7)]


def write_network(path: Path, side: int | None = 320, channels: int = 3, outputs: int = 1) -> Path:
    """What is dark in the red channel is the object. `side` None leaves height and width open."""
    sizes = [protobuf(1, bytes([8, *varint(size)])) for size in (1, channels, side, side) if size is not None]
    sizes += [protobuf(1, protobuf(2, name)) for name in (b"h", b"w") if side is None]
    tensor = protobuf(2, protobuf(1, protobuf(1, 1) + protobuf(2, b"".join(sizes))))
    names = [b"y%d" % number for number in range(outputs)]
    graph = b"".join(protobuf(1, protobuf(1, b"x") + protobuf(2, name) + protobuf(4, b"Neg")) for name in names)
    graph += protobuf(2, b"g") + protobuf(11, protobuf(1, b"x") + tensor)
    graph += b"".join(protobuf(12, protobuf(1, name) + tensor) for name in names)
    path.write_bytes(protobuf(1, 8) + protobuf(7, graph) + protobuf(8, protobuf(2, 13)))
    return path
