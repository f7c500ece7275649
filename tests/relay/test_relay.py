# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay as the worker's command: the same events, the same files, whatever happens to the wire."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.contract import (
    Cancel,
    CancelledEvent,
    Done,
    Failed,
    JobFolder,
    LogLine,
    Preview,
    Queued,
    Remedy,
    StageProgress,
)
from backend.relay.relayed_job import LOST
from tests.relay.conftest import Child, Wire
from tests.server.running import REPOSITORY, TOKEN, Client, Server

Start = Callable[..., Child]
Make = Callable[..., JobFolder]
SLOW = {"prompt": "x", "sides": 30, "pace": 0.1}


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server.port)
    yield made
    made.close()


def latest(client: Client) -> str:
    return client.get("/v1/jobs?limit=1").json()["jobs"][0]["id"]


def outputs(folder: JobFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.outputs.iterdir()}


def test_results_are_those_of_a_worker_here_byte_for_byte(server: Server, start: Start, make_job: Make) -> None:
    ends, files = [], []
    for child in (start(), start(server.url)):
        folder = make_job("throw", prompt="a jug", sides=9, seed=4)
        child.submit(folder)
        events = child.until()
        ends.append((events[-1].result.artifacts, folder.read_result().artifacts, type(events[0])))
        files.append(outputs(folder))
        kinds = [json.loads(line)["event"] for line in (folder.path / "events.jsonl").read_text().splitlines()]
        assert kinds[0] == "queued" and kinds[-1] == "done" and kinds.count("done") == 1
    assert ends[0] == ends[1] and files[0] == files[1] and files[0]
    assert ends[0][2] is Queued


def test_previews_and_progress_come_while_the_job_runs(server: Server, start: Start, make_job: Make) -> None:
    child, folder = start(server.url), make_job("throw", prompt="x", sides=16, pace=0.02)
    assert "127.0.0.1" in child.ready.device
    child.submit(folder)
    seen = child.until()
    assert any(isinstance(event, StageProgress) for event in seen) and isinstance(seen[-1], Done)
    for preview in [event for event in seen if isinstance(event, Preview)]:
        assert (folder.outputs / preview.file).is_file()
    assert all(event.job == "job-1" for event in seen)


def test_a_cut_wire_is_waited_for_and_nothing_is_lost(server: Server, wire: Wire, start: Start,
                                                      make_job: Make) -> None:
    child, folder = start(wire.url), make_job("throw", **SLOW)
    child.submit(folder)
    child.until(StageProgress)
    wire.cut()
    (lost,) = [event for event in child.until(LogLine) if isinstance(event, LogLine)]
    assert (lost.text, lost.level) == (LOST, "warning")
    wire.join()
    rest = child.until()
    assert isinstance(rest[-1], Done) and outputs(folder)
    with Client(server.url) as client:
        there = [data for _, data in client.events(latest(client)) if data["event"] == "stage"]
    here = [event for event in folder.events() if isinstance(event, StageProgress)]
    assert [(event.stage, event.step) for event in here] == [(data["stage"], data["step"]) for data in there]


def test_a_server_that_is_killed_and_started_again_goes_on(tmp_path: Path, start: Start, make_job: Make) -> None:
    mortal = Server(tmp_path / "mortal")
    try:
        child, folder = start(mortal.url), make_job("throw", **SLOW)
        child.submit(folder)
        child.until(StageProgress)
        mortal.kill()
        time.sleep(0.5)
        mortal.start()
        assert isinstance(child.until()[-1], Done) and outputs(folder)
    finally:
        mortal.stop()


def test_cancelling_answers_at_once_and_stops_the_server(server: Server, start: Start, make_job: Make) -> None:
    child = start(server.url)
    job = child.submit(make_job("throw", prompt="x", sides=64, pace=1.0))
    child.until(StageProgress)
    begin = time.monotonic()
    child.send(Cancel(job))
    assert isinstance(child.until(seconds=5)[-1], CancelledEvent) and time.monotonic() - begin < 2.0
    with Client(server.url) as client:
        assert client.until(latest(client), "cancelled", "done") == "cancelled"


def test_cancelling_answers_also_without_a_server(server: Server, wire: Wire, start: Start,
                                                  make_job: Make) -> None:
    child = start(wire.url)
    job = child.submit(make_job("throw", prompt="x", sides=64, pace=1.0))
    child.until(StageProgress)
    wire.cut()
    begin = time.monotonic()
    child.send(Cancel(job))
    assert isinstance(child.until(CancelledEvent, Failed, seconds=5)[-1], CancelledEvent)
    assert time.monotonic() - begin < 2.5
    wire.join()
    with Client(server.url) as client:
        assert client.until(latest(client), "cancelled", "done") == "cancelled", "it hears of it later"


def test_the_end_of_the_pipe_stops_the_job_there_too(server: Server, start: Start, make_job: Make) -> None:
    child = start(server.url)
    child.submit(make_job("throw", prompt="x", sides=64, pace=1.0))
    child.until(StageProgress)
    child.end()
    with Client(server.url) as client:
        assert client.until(latest(client), "cancelled", "done") == "cancelled"


def test_only_what_the_request_names_is_uploaded(wire: Wire, start: Start, make_job: Make, image: bytes) -> None:
    child = start(wire.url)
    folder = make_job("throw", {"front": {"front.png": image}}, prompt="x")
    (folder.inputs / "unused.npz").write_bytes(bytes(3_000_000))
    child.submit(folder)
    assert isinstance(child.until()[-1], Done) and wire.carried < 100_000


def test_errors_are_in_the_servers_words(server: Server, start: Start, make_job: Make, image: bytes) -> None:
    child = start(server.url)
    folder = make_job("throw", {"front": {"front.png": image}}, weights="glazed")
    child.submit(folder)
    end = child.until()[-1]
    assert isinstance(end, Failed) and end.error.needs["weights"] == "glazed"
    assert folder.read_error() == end.error


def test_a_wrong_token_is_an_error_in_words(server: Server, start: Start, make_job: Make) -> None:
    child = start(server.url, token="wrong-" + TOKEN)
    child.submit(make_job("throw", prompt="x"))
    end = child.until()[-1]
    assert isinstance(end, Failed) and end.error.what == "The token is missing or wrong."
    assert end.error.remedy is Remedy.OPEN_PREFERENCES


@pytest.mark.parametrize(("address", "code", "words"), [
    ("", 0, "Connected: "), ("http://127.0.0.1:9", 1, "The server does not answer."), ("ftp://x", 1, "cannot be used"),
])
def test_a_connection_can_be_tried(server: Server, address: str, code: int, words: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "backend", "relay", "--test", "--url", address or server.url,
                            "--token", TOKEN], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == code and words in ended.stdout + ended.stderr and "Traceback" not in ended.stderr


def test_the_relay_runs_on_what_blenders_python_has() -> None:
    question = ("import sys, backend.relay.command as c; from backend.pipelines import registry; registry.specs(); "
                "print({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - "
                "{'numpy', 'backend', '__main__', 'cython_runtime', '_cython_3_0_8'})")
    answer = subprocess.run([sys.executable, "-S", "-c",
                             f"import sys; sys.path += [{str(REPOSITORY)!r}, {_site()!r}]; {question}"],
                            capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def _site() -> str:
    import numpy

    return str(Path(numpy.__file__).parents[1])
