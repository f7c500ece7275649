# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for the tests that leave it in order, and image and mesh files to send."""

import io
from collections.abc import Iterator

import pytest
import trimesh
from PIL import Image

from tests.server.running import Client, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("served"), "--queue", "6", "--max-upload", "2")
    yield started
    started.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as made:
        yield made


@pytest.fixture(scope="session")
def image() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 40, 90)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def crates() -> bytes:
    """A GLB of two boxes of other heights."""
    scene = trimesh.Scene()
    for name, height in (("Tall", 3.0), ("Flat", 0.2)):
        scene.add_geometry(trimesh.creation.box((1, height, 1)), node_name=name, geom_name=name)
    return scene.export(file_type="glb")
