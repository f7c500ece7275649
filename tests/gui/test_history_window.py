# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of a thousand jobs in a real window, where timers fire: read in small steps, with images, compared."""

import os
import shutil
import statistics
from pathlib import Path

import pytest
import trimesh

from backend.contract import Artifact, JobFolder, MeshData, Request, Result
from backend.worker.thumbnail import keep_thumbnail

from .photograph import Outcome, Session

JOBS, DRAWN, VISIT_SECONDS = 1000, 8, 420
pytestmark = [pytest.mark.gui, pytest.mark.timeout(900)]


def _request(name: str, number: int) -> Request:
    return Request(name, "generate_parts", "partpacker", "starter", f"crate {number}", number)


def _job(path: Path, number: int) -> JobFolder:
    """A finished job of a box that becomes higher from one to the next, seen by the artist."""
    folder = JobFolder.create(path)
    folder.write_request(_request(path.name, number))
    made = trimesh.creation.box(extents=(1.0, 0.6, 0.3 + 0.2 * number))
    MeshData(made.vertices, made.faces).write(folder.outputs / "part.npz")
    color = (0.9 - 0.1 * number, 0.4, 0.1 + 0.1 * number)
    result = Result((Artifact("crate", "mesh", "part.npz", "mesh", color=color),))
    keep_thumbnail(folder, result)
    folder.write_result(result)
    folder.write_note("delivered.json", {"at": 1.0})
    return folder


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    """One visit serves all tests."""
    jobs = session.folder / "jobs"
    for number in range(JOBS):
        path = jobs / f"job-{number:04d}"
        if number < DRAWN:
            _job(path, number)
        else:
            shutil.copytree(jobs / f"job-{number % DRAWN:04d}", path, copy_function=os.link)
    for number in range(DRAWN):  # links share their times: the drawn ones are the newest
        (jobs / f"job-{number:04d}" / "request.json").unlink()
        folder = JobFolder(jobs / f"job-{number:04d}")
        folder.write_request(_request(folder.path.name, number))
    return session.visit(Path(__file__).with_name("drive_history.py"), {
        "jobs": str(jobs), "count": JOBS, "compared": ["job-0000", "job-0003"], "seconds": 180}, VISIT_SECONDS)


def test_a_thousand_jobs_are_read_while_blender_lives_on(outcome: Outcome) -> None:
    assert "error" not in outcome.said, outcome.said["error"]
    assert outcome.said["read"] == JOBS
    seconds = outcome.said["step seconds"]
    assert isinstance(seconds, list) and len(seconds) >= JOBS // 64
    assert statistics.quantiles(seconds, n=20)[-1] < 0.005
    assert "Traceback" not in outcome.log, outcome.log[outcome.log.index("Traceback"):][:3000]


def test_results_are_seen(outcome: Outcome) -> None:
    assert {"history", "models"} <= set(outcome.photos)
    images = outcome.said["images"]
    assert isinstance(images, list) and len(images) >= 6
    assert all(width > 0 and height > 0 for width, height in images), "Blender has read every image"
