# SPDX-License-Identifier: GPL-3.0-or-later
"""Files appear whole or not at all, and what cannot be read or written is said in words."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.contract import (
    VERSION,
    Artifact,
    CancelledEvent,
    Done,
    ErrorReport,
    Failed,
    JobFolder,
    Loading,
    MeshwrightError,
    Queued,
    Remedy,
    Request,
    Result,
)

REQUEST = Request("job", "make", "model", "small", "Stühlchen 椅子", 3, {"steps": 2}, {"image": ("a.png",)})


@pytest.fixture
def folder(tmp_path):
    return JobFolder.create(tmp_path / "deep" / "job")


def test_a_new_folder_is_empty_but_has_its_places(folder):
    assert sorted(path.name for path in folder.path.iterdir()) == ["inputs", "outputs"]
    assert folder.read_result() is None
    assert folder.read_error() is None
    assert folder.read_note("delivery.json") == {}
    assert list(folder.events()) == []


def test_what_was_written_is_read_again(folder):
    result = Result((Artifact(
        "a", "mesh", "a.npz", "mesh", "mesh.001.npz", (0.1, 0.2, 0.3), "volume.0", {"faces": 3}),),
        {"go": 1.5}, ("hm",))
    report = ErrorReport("What.", "Why.", "Do.", Remedy.RETRY, "details")
    folder.write_request(REQUEST)
    folder.write_result(result)
    folder.write_error(report)
    folder.write_note("delivery.json", {"size": 2.0, "scene": {"name": "Szene"}})
    again = JobFolder(folder.path)
    assert again.read_request() == REQUEST
    assert again.read_result() == result
    assert again.read_error() == report
    assert again.read_note("delivery.json") == {"size": 2.0, "scene": {"name": "Szene"}}
    assert not list(folder.path.glob(".*.draft*"))


def test_events_are_kept_in_order_and_a_cut_off_line_is_left_out(folder):
    events = [Queued("job", 1), Loading("job", "Gewichte"), CancelledEvent("job")]
    for event in events:
        folder.append_event(event)
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"event": "done", "jo')
    assert list(folder.events()) == events


def test_a_line_that_was_cut_off_takes_no_other_with_it(folder):
    kept = b'{"event": "loading", "job": "job", "what": "a"}\n'
    (folder.path / "events.jsonl").write_bytes(kept + b'[[[\n{"event": "done", "j')
    folder.append_event(CancelledEvent("job"))
    assert list(folder.events()) == [Loading("job", "a"), CancelledEvent("job")]


def test_a_job_ends_once(folder):
    events = [Queued("job"), Done("job", Result(())), Failed("job", ErrorReport("a", "b", "c")), CancelledEvent("job")]
    for event in events:
        folder.append_event(event)
    assert list(folder.events()) == events[:2]
    folder.begin()
    folder.append_event(events[2])
    assert list(folder.events()) == events[2:3], "another run has an end of its own"


def test_a_failed_write_leaves_the_old_file_whole(folder, monkeypatch):
    folder.write_result(Result(()))

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MeshwrightError) as error:
        folder.write_result(Result((), {"go": 1.0}))
    assert error.value.report.remedy is Remedy.CHOOSE_FOLDER
    assert "No space left" in error.value.report.why
    assert folder.read_result() == Result(()) and not list(folder.path.glob(".*.draft*"))


def test_a_killed_writer_leaves_a_whole_file_or_none(folder, tmp_path):
    script = f"""
from pathlib import Path
from backend.contract import JobFolder, Result, MeshData
folder = JobFolder(Path({str(folder.path)!r}))
number = 0
print("go", flush=True)
while True:
    folder.write_result(Result((), {{"go": float(number)}}, tuple("word" * 50 for _ in range(200))))
    number += 1
"""
    root = Path(__file__).parents[2]
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE)
        process.stdout.readline()
        for _ in range(200):
            if folder.read_result() is not None:
                break
            os.sched_yield()
        process.kill()
        process.wait()
        result = folder.read_result()
        assert result is None or len(result.notes) == 200


def test_a_place_that_is_taken_or_forbidden(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MeshwrightError, match="cannot be written") as error:
        JobFolder.create(tmp_path / "file" / "job")
    assert error.value.report.remedy is Remedy.CHOOSE_FOLDER
    JobFolder.create(tmp_path / "job")
    with pytest.raises(MeshwrightError, match="cannot be written"):
        JobFolder.create(tmp_path / "job")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[1, 2"])
def test_a_request_that_cannot_be_read(folder, content):
    if content is not None:
        (folder.path / "request.json").write_bytes(content)
    with pytest.raises(MeshwrightError) as error:
        folder.read_request()
    assert "request.json" in error.value.report.what
    assert error.value.report.remedy is Remedy.RETRY


def test_a_request_of_another_version(folder):
    (folder.path / "request.json").write_text(json.dumps(REQUEST.to_json() | {"version": 7}))
    with pytest.raises(MeshwrightError, match=f"version 7, this one reads {VERSION}"):
        folder.read_request()
