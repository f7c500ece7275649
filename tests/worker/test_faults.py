# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong: one terminal event, clear words, and the next job runs."""

import json
from types import SimpleNamespace

import pytest

from backend.contract import TERMINAL_EVENTS, CancelledEvent, Done, Failed, JobFolder, Loading, Remedy
from tests.worker.conftest import events_of


def outcome(events):
    ended = events_of(events, TERMINAL_EVENTS)
    assert len(ended) == 1, "exactly one terminal event"
    assert ended[0] is events[-1]
    return ended[0]


def test_memory_is_freed_and_the_job_tried_once_in_smaller_chunks(local, make_job):
    local.run(make_job())
    events = local.run(make_job(fault="memory"))
    result = outcome(events).result
    assert result.artifacts[0].properties["scale"] == 0.25
    assert events_of(events, Loading), "everything was unloaded before the second try"


def test_hopeless_memory_is_told_with_advice(local, make_job):
    folder = make_job(fault="hopeless")
    error = outcome(local.run(folder)).error
    assert error.remedy is Remedy.LOWER_RESOLUTION
    assert "lower resolution" in error.advice
    assert folder.read_error() == error
    assert isinstance(outcome(local.run(make_job())), Done)


def test_an_unforeseen_exception_keeps_its_traceback_out_of_the_words(local, make_job):
    folder = make_job(fault="mistake")
    error = outcome(local.run(folder)).error
    assert error.remedy is Remedy.OPEN_LOG
    assert "a mistake in a library" in error.why
    assert "Traceback" in error.details
    assert "Traceback" not in str(error)
    assert "Traceback" in folder.log.read_text()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # numpy's file closes itself twice
@pytest.mark.parametrize("draft", ["outputs/.mesh.full.draft.npz", ".result.full.draft.json"])
def test_a_full_disk(local, make_job, monkeypatch, draft):
    monkeypatch.setattr("backend.contract.whole_file.uuid.uuid4", lambda: SimpleNamespace(hex="full"))
    folder = make_job()
    (folder.path / draft).symlink_to("/dev/full")
    error = outcome(local.run(folder)).error
    assert error.remedy is Remedy.CHOOSE_FOLDER
    assert "No space left" in error.why or "disk is full" in error.what


def test_a_folder_that_takes_nothing(local, make_job):
    folder = make_job()
    folder.log.mkdir()
    (folder.path / "events.jsonl").mkdir()
    (folder.path / "error.json").mkdir()
    assert isinstance(outcome(local.run(folder)), Failed)


def rewrite(folder: JobFolder, **changes) -> JobFolder:
    path = folder.path / "request.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(("changes", "words"), [
    ({"version": 99}, "another version"),
    ({"pipeline": "nobody"}, "no pipeline 'nobody'"),
    ({"task": "fly"}, "no task 'fly'"),
    ({"weights": "heavy"}, "no weights 'heavy'"),
    ({"seed": -1}, "seed cannot be -1"),
    ({"seed": 2**31}, "seed cannot be 2147483648"),
    ({"parameters": {"steps": 0}}, "Steps cannot be 0"),
    ({"parameters": {"wings": 2}}, "no option 'wings'"),
    ({"surprise": 1}, "unknown field"),
    ({"job": "another"}, "another job's"),
])
def test_bad_requests(local, make_job, changes, words):
    folder = rewrite(make_job(), **changes)
    local.worker.submit("job-1", folder.path)
    while local.worker.run_next():
        pass
    event = outcome(local.events)
    assert isinstance(event, Failed)
    assert words in str(event.error)
    assert event.error.advice


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\x01"])
def test_an_unreadable_request(local, make_job, content):
    folder = make_job()
    (folder.path / "request.json").write_text(content)
    local.worker.submit("job-1", folder.path)
    local.worker.run_next()
    assert isinstance(outcome(local.events), Failed)


def test_a_name_that_is_taken_is_not_run_twice(local, make_job):
    folder = make_job()
    local.worker.submit("job-1", folder.path)
    assert len(events_of(local.run(folder), TERMINAL_EVENTS)) == 1


def test_a_cancel_from_inside_an_event(local, make_job):
    folder = make_job(steps=1000)
    local.on_event = lambda event: local.worker.cancel(event.job) if getattr(event, "step", 0) == 1 else None
    assert isinstance(outcome(local.run(folder)), CancelledEvent)


def test_a_device_that_is_absent(make_job, tmp_path, local):
    from backend.worker import Settings
    from tests.worker.conftest import Local

    absent = Local(Settings(tmp_path, "cuda:7"))
    assert absent.worker.ready().device == "cuda:7 · not found"
    error = outcome(absent.run(make_job())).error
    assert error.remedy is Remedy.OPEN_PREFERENCES
    second = Local(Settings(tmp_path, "cpu", "cuda:7"))
    assert isinstance(outcome(second.run(make_job())), Done)


def test_published_weights_that_are_not_there(local, make_job, tmp_path):
    (tmp_path / "mesh.npz").write_bytes(b"")
    folder = make_job("reconstruct", "partpacker", "published", inputs={"mesh": tmp_path / "mesh.npz"})
    assert outcome(local.run(folder)).error.remedy is Remedy.ACCEPT_LICENSE


def test_a_download_without_an_accepted_license(local, make_job):
    error = outcome(local.run(make_job("download_weights", "partpacker", "published"))).error
    assert error.remedy is Remedy.ACCEPT_LICENSE
