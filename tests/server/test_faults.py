# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to accepted jobs when the worker or the server dies."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from backend.server.jobs import TAKEN_UP
from tests.server.running import Client, Server

SLOW = {"prompt": "x", "sides": 40, "pace": 0.1}


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("mortal"))
    yield started
    started.stop()


def kill_worker(server: Server) -> None:
    (worker,) = [child for child in psutil.Process(server.process.pid).children(recursive=True)
                 if "worker" in child.cmdline()]
    os.kill(worker.pid, signal.SIGKILL)


def ends(client: Client, job: str) -> Counter:
    return Counter(data["event"] for _, data in client.events(job) if data["event"] in ("done", "failed", "cancelled"))


def test_a_job_whose_worker_dies_is_taken_up_once_and_says_so(mortal: Server) -> None:
    with Client(mortal.url) as client:
        job = client.submit("pottery", "throw", parameters=SLOW)
        client.until(job, "running")
        kill_worker(mortal)
        events = [data for _, data in client.events(job)]
        assert events[-1]["event"] == "done"
        assert [data["text"] for data in events if data["event"] == "log"].count(TAKEN_UP) == 1
        assert client.get(f"/v1/jobs/{job}").json()["attempt"] == 2


def test_a_job_that_kills_every_worker_fails_in_words(mortal: Server) -> None:
    with Client(mortal.url) as client:
        job = client.submit("pottery", "throw", parameters=SLOW)
        for attempt in (1, 2, 3):
            while client.get(f"/v1/jobs/{job}").json()["attempt"] < attempt:
                pass
            client.until(job, "running")
            kill_worker(mortal)
        end = client.finish(job)
        assert end["event"] == "failed" and "SIGKILL" in end["error"]["why"]
        assert client.finish(client.submit("pottery", "throw", parameters={"prompt": "x"}))["event"] == "done"


def test_a_server_that_is_killed_and_restarted_loses_and_doubles_no_job(mortal: Server) -> None:
    with Client(mortal.url) as client:
        jobs = [client.submit("pottery", "throw", parameters={**SLOW, "sides": 10}) for _ in range(4)]
        client.until(jobs[0], "running")
        first = next(client.events(jobs[0]))
        mortal.kill()
    mortal.start()
    with Client(mortal.url) as client:
        rest = list(client.events(jobs[0], last=first[0]))
        assert rest[0][0] == first[0] + 1 and rest[-1][1]["event"] == "done"
        assert [ends(client, job) for job in jobs] == [Counter(done=1)] * 4
        assert [client.get(f"/v1/jobs/{job}").json()["attempt"] for job in jobs] == [2, 1, 1, 1]


def test_errors_reach_clients_without_a_traceback(mortal: Server) -> None:
    with Client(mortal.url) as client:
        job = client.submit("pottery", "throw", {"front": {"front.png": one_pixel()}}, parameters={"prompt": "x"},
                            weights="glazed")
        end = client.finish(job)
        assert end["event"] == "failed" and end["error"]["needs"] == {"pipeline": "pottery", "weights": "glazed"}
        assert end["error"]["details"] == "" and "Traceback" not in str(client.get(f"/v1/jobs/{job}").json())


def one_pixel() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()
