# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of running jobs in the list: brought up to date now and then, and released when the job ends."""

import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest

from .conftest import Extension
from .synthetic_jobs import finished_job
from .test_panels import drawn


def write_sheet(path: Path, color: tuple[float, ...], size: tuple[int, int] = (96, 48)) -> None:
    """A plain PNG."""
    image = bpy.data.images.new("sheet", *size, alpha=True)
    image.pixels.foreach_set(np.tile(np.array(color, np.float32), size[0] * size[1]))
    image.file_format, image.filepath_raw = "PNG", str(path)
    image.save()
    bpy.data.images.remove(image)


class Bench:
    """A job in the list whose images the test tells; the clock is the test's."""

    def __init__(self, extension: Extension, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        contract = extension.module("backend.contract")
        self.images, self.jobs, self._event = (extension.module("job_images"), extension.module("jobs"),
                                                 contract.Preview)
        made = contract.JobFolder(finished_job(folder).path)
        self.job = self.jobs.submit(made.read_request(), made)
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def tell(self, color: tuple[float, ...] | None, file: str = "views.png") -> None:
        if color is not None:
            write_sheet(self.job.folder.outputs / file, color)
        self.job.take(self._event(self.job.id, file))
        self.images.show([self.job])

    @property
    def color(self) -> np.ndarray | None:
        """The icon's mean color."""
        if self.images.icon_of(self.job) is None:
            return None
        icon = self.images._icons[self.job.id]
        values = np.empty(len(icon.image_pixels_float), np.float32)
        icon.image_pixels_float.foreach_get(values)
        return values.reshape(-1, 4).mean(axis=0)


@pytest.fixture
def bench(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
          monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(extension, tmp_path / "job-1", monkeypatch)
    yield bench
    bench.images.show([])
    bench.job.end_cancelled()
    bench.jobs.remove(bench.job.id)


RED, GREEN, BLUE = (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)


def test_the_panel_shows_the_newest_at_most_three_times_a_second(bench: Bench, extension: Extension) -> None:
    assert bench.color is None and "icon" not in drawn(extension, "jobs")
    bench.tell(RED)
    assert bench.color == pytest.approx(RED)
    assert "icon" in drawn(extension, "jobs")
    bench.now += 0.1
    bench.tell(GREEN)
    assert bench.color == pytest.approx(RED), "too soon"
    bench.now += 0.3
    bench.images.show([bench.job])
    assert bench.color == pytest.approx(GREEN)
    assert not bpy.data.images, "nothing of it is in the file"


@pytest.mark.parametrize("end", ["cancelling", "ended", "gone"])
def test_it_is_released_when_the_job_ends(bench: Bench, extension: Extension, end: str) -> None:
    bench.tell(RED)
    if end == "cancelling":
        bench.job.cancelling = True
    elif end == "ended":
        bench.job.end_cancelled()
    bench.images.show([] if end == "gone" else [bench.job])
    assert bench.color is None and not bench.images._icons and "icon" not in drawn(extension, "jobs")


def test_damaged_images_and_meshes_are_passed_over(bench: Bench) -> None:
    (bench.job.folder.outputs / "bad.png").write_bytes(b"no image")
    for file in ("bad.png", "missing.png", "mesh.npz"):
        bench.now += 1
        bench.tell(None, file)
        assert bench.color is None and not bpy.data.images
    bench.now += 1
    bench.tell(BLUE)
    assert bench.color == pytest.approx(BLUE)


def test_a_large_sheet_takes_little_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sheet(bench.job.folder.outputs / "views.png", GREEN, (1024, 768))
    begin = time.process_time()
    bench.tell(None)
    assert time.process_time() - begin < 0.5
    icon = bench.images._icons[bench.job.id]
    assert tuple(icon.image_size) == (512, 384)
