# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished job folders without a backend: boxes where a pipeline would have made parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.contract import Artifact, JobFolder, MeshData, Request, Result

Vector = tuple[float, float, float]
SEED = 7
BOX_FACES = np.array([(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
                      (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)], np.int32)
# A stool in a frame of its own, as a pipeline gives it: seat, then two legs; largest first.
STOOL: tuple[tuple[Vector, Vector], ...] = (
    ((-0.8, -0.4, 0.4), (0.8, 0.4, 0.6)), ((-0.7, -0.1, -0.6), (-0.5, 0.1, 0.4)), ((0.5, -0.1, -0.6), (0.7, 0.1, 0.4)))
COLORS = ((1.0, 0.5, 0.0), (0.2, 0.4, 0.6), (0.0, 0.0, 1.0))


def box(low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """Corners [8, 3] of a box."""
    corners = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    return np.array(low, np.float32) + corners * (np.array(high, np.float32) - np.array(low, np.float32))


def finished_job(path: Path, task: str = "generate_parts", subject: str = "stool",
                 boxes: Sequence[tuple[Vector, Vector]] = STOOL, note: dict[str, Any] | None = None) -> JobFolder:
    """A job folder with a result: one box a part, in turns in two groups."""
    folder = JobFolder.create(path)
    folder.write_request(Request(path.name, task, "partpacker", "starter", subject, SEED, {"steps": 24}))
    artifacts = []
    for number, (low, high) in enumerate(boxes):
        file = f"part.{number:02d}.npz"
        MeshData(box(low, high), BOX_FACES).write(folder.outputs / file)
        artifacts.append(Artifact(f"{subject}.{number}", "mesh", file, "mesh", color=COLORS[number % 3],
                                  group=f"volume.{number % 2}"))
    folder.write_result(Result(tuple(artifacts), {"sample": 1.0}, ("a remark",)))
    if note is not None:
        folder.write_note("delivery.json", note)
    return folder
