# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of job folders, and what it offers after a crash."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract import Artifact, CancelledEvent, ErrorReport, JobFolder, MeshwrightError, Queued, Result
from blender_addon import history, jobs
from blender_addon.jobs.queue import DELIVERED_NOTE

from .jobs_at_work import HASTY, WAIT, Delivery, fake_worker, new_job


def aged(folder: JobFolder, seconds: float) -> None:
    os.utime(folder.path / "request.json", (seconds, seconds))


def finished(jobs_folder: Path) -> JobFolder:
    _, folder = new_job(jobs_folder)
    folder.write_result(Result((Artifact("part", "mesh", "part.npz", "mesh"),)))
    return folder


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    delivery = Delivery()
    jobs.register(delivery.deliver, delivery.blocked, fake_worker, HASTY)
    yield delivery
    jobs.unregister()


def test_every_end_is_told_newest_first(tmp_path: Path) -> None:
    assert history.entries(tmp_path / "not there yet") == []
    failed, cancelled, waiting, broken = [new_job(tmp_path)[1] for _ in range(4)]
    failed.write_error(ErrorReport("It failed.", "So.", "Again."))
    cancelled.append_event(Queued("x"))
    cancelled.append_event(CancelledEvent("x"))
    waiting.append_event(Queued("x"))
    (broken.path / "request.json").write_text('{"version": 99}')
    good = finished(tmp_path)
    (tmp_path / "no job").mkdir()
    (tmp_path / "a file").touch()
    for age, folder in enumerate((good, broken, waiting, cancelled, failed)):
        aged(folder, 1000.0 - age)
    listed = history.entries(tmp_path)
    assert [entry.state for entry in listed] == ["finished", "unreadable", "unfinished", "cancelled", "failed"]
    assert [entry.started_at for entry in listed] == [1000, 999, 998, 997, 996]
    assert listed[0].request.subject == "chair" and listed[1].request is None
    assert listed[4].error().what == "It failed."
    assert len(history.entries(tmp_path, limit=2)) == 2


def test_only_as_many_folders_are_read_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        aged(new_job(tmp_path)[1], float(number))
    reads: list[str] = []
    real = JobFolder.read_request
    monkeypatch.setattr(JobFolder, "read_request", lambda self: reads.append(self.path.name) or real(self))
    assert [entry.started_at for entry in history.entries(tmp_path, 3)] == [19, 18, 17]
    assert len(reads) == 3


def test_after_a_crash_finished_work_is_offered_and_delivered(tmp_path: Path, delivery: Delivery) -> None:
    lost, seen, empty, torn = finished(tmp_path), finished(tmp_path), new_job(tmp_path)[1], new_job(tmp_path)[1]
    seen.write_note(DELIVERED_NOTE, {"at": 1.0})
    empty.write_result(Result(()))
    (torn.path / "result.json").write_text('{"artifacts": [')
    offered = history.undelivered(tmp_path)
    assert [entry.folder.path for entry in offered] == [lost.path]
    job = jobs.restore(offered[0].folder)
    assert jobs.wait(job.request.job, WAIT).delivered
    assert delivery.delivered == [lost.path.name]
    assert history.undelivered(tmp_path) == []
    assert jobs.wait(jobs.restore(lost).id, WAIT) is job, "once more is the same job in the list"
    assert delivery.delivered == [lost.path.name] * 2
    assert jobs.device() == "", "no worker was needed"


def test_an_unfinished_job_cannot_be_delivered(tmp_path: Path, delivery: Delivery) -> None:
    with pytest.raises(MeshwrightError, match="did not finish"):
        jobs.restore(new_job(tmp_path)[1])


def test_deleting_takes_job_folders_only(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    (folder.outputs / "part.npz").write_bytes(b"x" * 5000)
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert before > 5000
    (tmp_path / "keep").mkdir()
    for name in ("keep", "..", ".", "nothing", str(folder.path / "outputs")):
        with pytest.raises(MeshwrightError, match="not a job's folder"):
            history.delete(tmp_path, name)
    history.delete(tmp_path, folder.path.name)
    assert not folder.path.exists() and not list(tmp_path.rglob("*.npz"))
