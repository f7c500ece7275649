# SPDX-License-Identifier: GPL-3.0-or-later
"""The history's image of a result: what stands where, what hides what, and that it never costs a result."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract import Artifact, JobFolder, MeshData, Result
from backend.worker.thumbnail import SIDE, draw, keep_thumbnail

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


Color = tuple[float, ...]


def box(low: tuple[float, ...], high: tuple[float, ...], color: Color) -> tuple[MeshData, Color]:
    made = trimesh.creation.box(bounds=[low, high])
    return MeshData(made.vertices, made.faces), color


def places(image: np.ndarray, channel: int) -> np.ndarray:
    """(rows, columns) where this color is the strongest."""
    others = np.delete(image[..., :3], channel, axis=2).max(axis=2)
    return np.argwhere((image[..., channel] > others.astype(int) + 20) & (image[..., 3] > 128))


def test_up_is_up_and_what_is_in_front_hides_the_rest() -> None:
    image = draw([box((-1, -1, 0), (1, 1, 1), RED), box((-1, -1, 1), (1, 1, 2), GREEN),
                  box((-0.5, 0, 0.2), (0.5, 0.8, 1.8), BLUE)])
    assert image is not None and image.shape == (SIDE, SIDE, 4) and image.dtype == np.uint8
    assert places(image, 1)[:, 0].mean() + 10 < places(image, 0)[:, 0].mean(), "green stands on red"
    assert len(places(image, 2)) < 20, "the blue one is inside"
    assert image[0, 0, 3] == 0 and 0.2 < (image[..., 3] > 0).mean() < 0.95
    front = draw([box((-1, -0.2, 0), (1, -0.1, 2), BLUE), box((-1, 0.1, 0), (1, 0.2, 2), RED)])
    assert front is not None and len(places(front, 2)) > 4 * len(places(front, 0)), "the front is toward -Y"


def test_colors_of_vertices_and_both_sides_of_a_sheet() -> None:
    corners = np.array([(-1, 0, 0), (1, 0, 0), (1, 0, 2), (-1, 0, 2)], np.float32)
    sheet = MeshData(corners, np.array([(0, 1, 2), (0, 2, 3)]),
                     colors=np.tile(np.array((0, 0, 1, 1), np.float32), (4, 1)))
    turned = MeshData(sheet.vertices, sheet.faces[:, ::-1], colors=sheet.colors)
    one, other = draw([(sheet, None)]), draw([(turned, None)])
    assert one is not None and other is not None and len(places(one, 2)) > 1000
    assert np.abs(one.astype(int) - other).mean() < 2


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_any_size_fills_the_image(size: float) -> None:
    image = draw([box((0, 0, 0), (size, size, size), RED)])
    assert image is not None and 0.3 < (image[..., 3] > 0).mean() < 0.9


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    assert draw([]) is None and draw([(MeshData.empty(), None)]) is None
    point = MeshData(np.zeros((3, 3), np.float32), np.array([(0, 1, 2)]))
    assert draw([(point, None)]) is None
    assert draw([(MeshData(np.full((3, 3), np.nan, np.float32), np.array([(0, 1, 2)])), None)]) is None
    folder = JobFolder.create(tmp_path / "job-1")
    for result in (Result(()), Result((Artifact("a", "mesh", "missing.npz", "mesh"),))):
        keep_thumbnail(folder, result)
    (folder.outputs / "torn.npz").write_bytes(b"PK\x03\x04")
    keep_thumbnail(folder, Result((Artifact("a", "mesh", "torn.npz", "mesh"),)))
    assert not folder.thumbnail.exists()


def test_of_variants_the_first_is_shown(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "job-1")
    artifacts = []
    for number, color in enumerate((RED, GREEN)):
        box((0, 0, 0), (1, 1, 1), color)[0].write(folder.outputs / f"{number}.npz")
        artifacts.append(Artifact(f"v{number}", "mesh", f"{number}.npz", "mesh", color=color, group="variant"))
    keep_thumbnail(folder, Result(tuple(artifacts)))
    image = np.asarray(Image.open(folder.thumbnail))
    assert len(places(image, 0)) > 1000 and not len(places(image, 1))
