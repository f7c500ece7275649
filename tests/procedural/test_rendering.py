# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: silhouettes against analytic ones, framing, colors, alpha."""

import numpy as np
import pytest
import torch

from backend.procedural import shapes
from backend.procedural.assembly import assemble, stack
from backend.procedural.cameras import ObjectCameras, frame, place_cameras, random_cameras
from backend.procedural.dataset import Split, object_at
from backend.procedural.primitives import ObjectBatch
from backend.procedural.rendering import on_white, render
from backend.procedural.shapes import Sketch


def _ball() -> ObjectBatch:
    sketch = Sketch()
    sketch.add("ball", (0.8, 0.1, 0.1), shapes.sphere((0, 0, 0), 1.0))
    return ObjectBatch.from_arrays(stack([assemble(sketch, 0)]))


def _front(distance: float = 6.0) -> tuple[torch.Tensor, torch.Tensor]:
    return place_cameras(torch.zeros(1), torch.zeros(1), torch.full((1,), distance))


def test_a_ball_is_a_disc_of_the_right_size() -> None:
    eye, axes = _front()
    cameras = ObjectCameras(eye, axes, torch.tensor([[0.0, 0.0, 0.2]]))
    alpha = render(_ball(), cameras, 96)[0, ..., 3].float() / 255
    radius = 0.95 / (6.0**2 - 0.95**2) ** 0.5 / 0.2 * 48  # of the tangent cone, in pixels
    assert alpha.sum().item() == pytest.approx(np.pi * radius**2, rel=0.03)
    assert alpha[48, 48] == 1
    assert alpha[2, 2] == 0


def test_right_of_the_image_is_plus_y_and_up_is_plus_z() -> None:
    sketch = Sketch()
    sketch.add("corner", (0.1, 0.1, 0.1), shapes.sphere((0, 0, 0), 0.2))
    sketch.add("right", (0.9, 0.0, 0.0), shapes.sphere((0, 1, 0), 0.2), touches=["corner"])
    sketch.add("top", (0.0, 0.9, 0.0), shapes.sphere((0, 0, 1), 0.2), touches=["corner"])
    batch = ObjectBatch.from_arrays(stack([assemble(sketch, 0)]))
    eye, axes = _front()
    image = render(batch, frame(batch, eye, axes, torch.Generator().manual_seed(0)), 64)[0].float()
    rows, columns = np.nonzero((image[..., 0] > image[..., 1] + 60).numpy())
    green_rows, green_columns = np.nonzero((image[..., 1] > image[..., 0] + 60).numpy())
    assert columns.mean() > green_columns.mean()
    assert rows.mean() > green_rows.mean()


def test_every_object_fills_nine_tenths_of_its_image() -> None:
    batch = ObjectBatch.from_arrays(stack([object_at(Split.HELD_OUT, number) for number in range(9)]))
    images = render(batch, random_cameras(batch, torch.Generator().manual_seed(0)), 80)
    for image in images:
        rows, columns = np.nonzero((image[..., 3] > 127).numpy())
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert 0.84 <= extent / 80 <= 0.95
        assert abs(rows.max() + rows.min() - 79) <= 4
        assert abs(columns.max() + columns.min() - 79) <= 4


def test_supersampling_agrees_with_the_plain_image() -> None:
    batch = _ball()
    cameras = frame(batch, *_front(), torch.Generator().manual_seed(0))
    plain, fine = (render(batch, cameras, 48, supersampling)[0].float() for supersampling in (1, 2))
    assert (plain - fine).abs().mean() < 6


def test_white_ground_and_dark_rim() -> None:
    image = torch.tensor([[[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]]], dtype=torch.uint8)
    plain = on_white(image)[0, :, 0].T.tolist()
    assert plain == [[200, 100, 0], [255, 255, 255], [244, 224, 204]]
    assert on_white(image, dark_rim=True)[0, :, 0, 2].tolist() == [212, 208, 204]


def test_images_repeat_by_seed() -> None:
    batch = _ball()
    first, again = (random_cameras(batch, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(render(batch, first, 40), render(batch, again, 40))
