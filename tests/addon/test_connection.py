# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a worker: pipes that never wait, a clean environment, and the same worker inside Blender's Python."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import Done, Event, JobFolder, MeshwrightError, Message, Ready, Remedy, StageProgress, Submit
from backend.pipelines import registry
from blender_addon.connection import Connection, WorkerSettings, connect
from blender_addon.connection.in_process import InProcessConnection
from blender_addon.connection.pipe_reading import MAXIMUM_LINE_BYTES, LineReader
from blender_addon.connection.subprocess_connection import (
    BUDGET_SECONDS,
    SubprocessConnection,
    command_line,
    environment,
    survive_broken_pipes,
)

from .jobs_at_work import REPOSITORY, fake_worker, new_job, practice_pipeline_here, real_worker, until


@pytest.fixture
def pipe() -> Iterator[tuple[LineReader, int]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        yield LineReader(stream), writing


def listen(connection: Connection, kind: type) -> list[Event | Message]:
    """Everything up to the first item of that kind."""
    heard: list[Event | Message] = []
    until(lambda: any(isinstance(item, kind) for item in heard), lambda: heard.extend(connection.poll()))
    return heard


# ----------------------------------------------------------------------------------------------------------- pipes

def test_lines_are_whole_however_they_come(pipe: tuple[LineReader, int]) -> None:
    reader, end = pipe
    assert reader.next_line() is None and not reader.has_line()
    os.write(end, b"one\ntw")
    assert reader.next_line() == "one"
    assert reader.next_line() is None
    os.write(end, "o \N{GREEK SMALL LETTER PI}".encode() + b"\r\n\n\n10%\r20%\rlast")
    assert [reader.next_line() for _ in range(3)] == ["two \N{GREEK SMALL LETTER PI}", "10%", "20%"]
    assert reader.next_line() is None, "the last line has no end yet"
    os.close(end)
    assert reader.next_line() == "last"
    assert reader.next_line() is None and not reader.has_line()


def test_a_letter_cut_in_two_and_bytes_that_are_no_text(pipe: tuple[LineReader, int]) -> None:
    reader, end = pipe
    os.write(end, b"\xcf")
    assert reader.next_line() is None
    os.write(end, b"\x80\n\xff\n")
    assert [reader.next_line(), reader.next_line()] == ["\N{GREEK SMALL LETTER PI}", "\N{REPLACEMENT CHARACTER}"]
    os.close(end)


def test_endless_noise_without_a_line_end_takes_no_memory(pipe: tuple[LineReader, int]) -> None:
    reader, end = pipe
    for _ in range(2 * MAXIMUM_LINE_BYTES // 65536):
        os.write(end, b"x" * 65536)
        assert reader.next_line() is None
        assert len(reader._partial) <= MAXIMUM_LINE_BYTES
    os.write(end, b"\nhello\n")
    assert list(iter(reader.next_line, None)) == ["x" * 200 + "…", "hello"], "its beginning, for the log"
    os.close(end)


# ----------------------------------------------------------------------------------------------------- the command

def test_the_child_gets_neither_another_pythons_settings_nor_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "PIP_INDEX_URL", "CONDA_PREFIX", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    clean = environment(fake_worker())
    assert not [name for name, value in clean.items() if value == "/elsewhere"]
    assert clean["CUDA_VISIBLE_DEVICES"] == "1"
    assert "HF_HUB_OFFLINE" not in clean
    assert environment(replace(fake_worker(), offline=True))["HF_HUB_OFFLINE"] == "1"
    assert registry.VARIABLE not in environment(fake_worker())
    assert environment(replace(fake_worker(), pipelines=Path("further")))[registry.VARIABLE] == "further"


def test_the_hubs_address_and_token_reach_the_child_and_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://from-the-shell")
    assert environment(fake_worker())["HF_ENDPOINT"] == "https://from-the-shell"
    mirrored = replace(fake_worker(), hub="https://mirror", token="hf_secret")
    assert environment(mirrored)["HF_ENDPOINT"] == "https://mirror"
    assert environment(mirrored)["HF_TOKEN"] == "hf_secret"
    assert "hf_secret" not in repr(mirrored) + " ".join(command_line(mirrored))
    assert mirrored != replace(mirrored, token="hf_other"), "another token means another worker"


def test_a_module_beside_the_backend_hides_no_library(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "__init__.py").touch()
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    (tmp_path / "backend" / "__main__.py").write_text("import json, sys; sys.stdout.write(' '.join(sys.argv[1:]))")
    settings = replace(fake_worker("cuda:0"), root=tmp_path, second_device="cuda:1", memory_mode="low", compile=True,
                       statistics=tmp_path / "times.json")
    ran = subprocess.run(command_line(settings), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == ("worker --models models --device cuda:0 --memory-mode low --second-device cuda:1 "
                          f"--compile --statistics {tmp_path / 'times.json'}")


def test_a_python_that_is_not_there_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(MeshwrightError, match="No such file") as caught:
        connect(replace(fake_worker(), python=tmp_path / "python")).start()
    assert caught.value.report.remedy is Remedy.OPEN_PREFERENCES


# ----------------------------------------------------------------------------------------------------- subprocess

@pytest.fixture
def child() -> Iterator[SubprocessConnection]:
    connection = SubprocessConnection(fake_worker())
    connection.start()
    yield connection
    connection.kill()
    assert not connection.alive()


def test_a_job_goes_there_and_comes_back(child: SubprocessConnection, tmp_path: Path) -> None:
    request, folder = new_job(tmp_path)
    assert isinstance(listen(child, Ready)[0], Ready)
    child.send(Submit(request.job, str(folder.path)))
    heard = listen(child, Done)
    assert [type(item) for item in heard] == [StageProgress, Done]
    child.close()
    assert until(lambda: not child.alive(), child.poll) < 2
    assert f"at work on {request.job}" in child.last_log_lines()


def test_noise_on_stdout_is_logged_and_nothing_is_lost(child: SubprocessConnection, tmp_path: Path) -> None:
    request, folder = new_job(tmp_path, "noise")
    listen(child, Ready)
    child.send(Submit(request.job, str(folder.path)))
    assert [type(item) for item in listen(child, Done)] == [StageProgress, Done]
    noise = "\n".join(child.last_log_lines())
    assert "not text" in noise and "half a line" in noise and "nonsense" in noise


def test_one_poll_takes_a_few_milliseconds_however_much_came(child: SubprocessConnection, tmp_path: Path) -> None:
    request, folder = new_job(tmp_path, "flood")
    listen(child, Ready)
    child.send(Submit(request.job, str(folder.path)))
    count, slowest, polls = 0, 0.0, 0
    while True:
        begin = time.thread_time()
        heard = child.poll()
        slowest, polls, count = max(slowest, time.thread_time() - begin), polls + 1, count + len(heard)
        if any(isinstance(item, Done) for item in heard):
            break
    assert count == 5002, "not one event is lost"
    assert polls > 10, "the flood was taken in small portions"
    assert slowest < 25 * BUDGET_SECONDS, "in this thread: other programs may hold the processor longer"


def test_talking_to_a_child_that_never_reads_does_not_wait() -> None:
    connection = SubprocessConnection(fake_worker("silent"))
    connection.start()
    begin = time.perf_counter()
    for _ in range(3000):  # 240 kB, several pipes full
        connection.send(Submit("a-name-that-is-rather-long", "/a/folder/that/has/a/long/name/too"))
    assert time.perf_counter() - begin < 1
    assert connection.poll() == []
    connection.kill()


def test_a_dead_child_takes_messages_in_silence_and_says_how_it_ended(child: SubprocessConnection) -> None:
    listen(child, Ready)
    os.kill(child.process_id, 9)
    until(lambda: not child.alive(), child.poll, 5)
    child.send(Submit("name", "folder"))
    assert child.exit_status() == -signal.SIGKILL


def test_what_a_child_said_before_it_died_is_heard(tmp_path: Path) -> None:
    connection = SubprocessConnection(fake_worker())
    connection.start()
    listen(connection, Ready)
    request, folder = new_job(tmp_path)
    connection.send(Submit(request.job, str(folder.path)))
    connection.close()
    connection._process.wait()
    assert connection.alive(), "it is dead, but not all is read"
    assert [type(item) for item in listen(connection, Done)] == [StageProgress, Done]
    until(lambda: not connection.alive(), connection.poll, 5)
    connection.kill()


_EMBEDDED = """
import os, signal, sys, time
from dataclasses import replace
from pathlib import Path

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
from zipped.backend.contract import Submit
from zipped.connection import WorkerSettings, connect

def started(python):
    connection = connect(WorkerSettings(Path(python), Path(sys.argv[1]), Path("models"), "silent"))
    connection.start()
    return connection

def wait(connection):
    while connection.alive():
        connection.poll()
        time.sleep(0.01)

first = started(sys.executable)
os.kill(first.process_id, signal.SIGKILL)
wait(first)
first.send(Submit("name", "folder"))
second = started(sys.argv[2])
wait(second)
second.kill()
print(first.exit_status(), *second.last_log_lines())
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads the child's signals from /proc")
def test_a_dead_child_ends_no_program_in_which_broken_pipes_are_deadly(tmp_path: Path) -> None:
    """As in Blender 4.2 and 4.3, whose Python leaves SIGPIPE at its default. The bpy module ignores it."""
    package = tmp_path / "zipped"
    package.mkdir()
    for name in ("connection", "process_tree.py", "bound_child.py", "backend"):
        (package / name).symlink_to(REPOSITORY / ("" if name == "backend" else "blender_addon") / name)
    child = tmp_path / "child.sh"  # no Python, which would set the signal itself
    child.write_text("#!/bin/sh\ngrep SigIgn /proc/self/status >&2\n")
    child.chmod(0o755)
    ran = subprocess.run([sys.executable, "-c", _EMBEDDED, str(fake_worker().root), str(child)], cwd=tmp_path,
                         capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, f"ended by {ran.returncode}: {ran.stderr}"
    ending, _, ignored = ran.stdout.strip().partition(" ")
    assert ending == "-9"
    assert not int(ignored.split()[1], 16) >> (signal.SIGPIPE - 1) & 1, "the child must keep the signal's default"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_handler_of_somebody_else_stays() -> None:
    def handler(number: int, frame: object) -> None:
        """Somebody else's."""

    before = signal.signal(signal.SIGPIPE, handler)
    try:
        survive_broken_pipes()
        assert signal.getsignal(signal.SIGPIPE) is handler
    finally:
        signal.signal(signal.SIGPIPE, before)


# ----------------------------------------------------------------------------------------------------- in process

def ran(settings: WorkerSettings, jobs_folder: Path) -> JobFolder:
    """The folder of a job that this worker has done."""
    request, folder = new_job(jobs_folder, steps=4)
    connection = connect(settings)
    connection.start()
    assert isinstance(listen(connection, Ready)[0], Ready)
    connection.send(Submit(request.job, str(folder.path)))
    assert isinstance(listen(connection, Done)[-1], Done)
    connection.close()
    until(lambda: not connection.alive(), connection.poll)
    connection.kill()
    return folder


def test_in_process_gives_the_same_bytes_as_the_child(tmp_path: Path) -> None:
    outside = ran(real_worker(), tmp_path)
    with practice_pipeline_here():
        inside = ran(replace(real_worker(), in_process=True), tmp_path)
    assert (inside.outputs / "mesh.npz").read_bytes() == (outside.outputs / "mesh.npz").read_bytes()
    assert inside.read_result().artifacts == outside.read_result().artifacts


def test_in_process_without_the_libraries_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    connection = InProcessConnection(replace(real_worker(), in_process=True))
    with pytest.raises(MeshwrightError, match="torch") as caught:
        connection.start()
    assert caught.value.report.remedy is Remedy.OPEN_PREFERENCES
