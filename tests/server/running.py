# SPDX-License-Identifier: GPL-3.0-or-later
"""A server as `python -m backend serve` starts it, with the foreign pipeline, and a client for it."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

REPOSITORY = Path(__file__).parents[2]
TOKEN = "a-token-for-tests-0123456789"


class Server:
    """A child process, whose port the system chose; it can be killed and started again at the same port."""

    def __init__(self, data: Path, *words: str, command: str = "serve", **variables: str) -> None:
        self.data, self.port, self._command = data, 0, command
        self._words, self._variables = words, variables
        self.start()

    def start(self) -> None:
        """Start, and wait until it serves."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MESHWRIGHT_TOKEN": TOKEN,
                       "MESHWRIGHT_PIPELINES": str(REPOSITORY / "tests" / "foreign_pipelines"), **self._variables}
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = self.data / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend", self._command, "--data", str(self.data), "--port", str(self.port),
                 "--device", "cpu", "--models", str(self.data / "models"), "--statistics",
                 str(self.data / "statistics.json"), *self._words],
                cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Meshwright serves"), self.log.read_text()
        self.url = line.split()[-1].rstrip("/")
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as a service manager would."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Client(httpx2.Client):
    """Speaks to a server with its token."""

    def __init__(self, url: str, token: str = TOKEN, **options: Any) -> None:
        super().__init__(base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"} if token else {},
                         **options)

    def create(self, pipeline: str, task: str, files: dict[str, dict[str, bytes]] | None = None, job: str = "",
               **fields: Any) -> str:
        """A new job with its inputs uploaded; returns its id."""
        job = job or uuid.uuid4().hex
        body = {"pipeline": pipeline, "task": task, **fields,
                "inputs": {slot: list(named) for slot, named in (files or {}).items()}}
        answer = self.put(f"/v1/jobs/{job}", json=body)
        assert answer.status_code == 200, answer.text
        for named in (files or {}).values():
            for name, content in named.items():
                answer = self.put(f"/v1/jobs/{job}/inputs/{name}", content=content)
                assert answer.status_code == 204, answer.text
        return job

    def submit(self, *given: Any, **fields: Any) -> str:
        """A new job that was accepted; returns its id."""
        job = self.create(*given, **fields)
        answer = self.post(f"/v1/jobs/{job}/submit")
        assert answer.status_code == 202, answer.text
        return job

    def events(self, job: str, last: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """Its events with their numbers, up to the end of the stream."""
        with self.stream("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(last)}) as answer:
            assert answer.status_code == 200
            number = 0
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    yield number, json.loads(value)

    def finish(self, job: str) -> dict[str, Any]:
        """Its terminal event."""
        return list(self.events(job))[-1][1]

    def until(self, job: str, *states: str, seconds: float = 60) -> str:
        """Its state, once it is one of these."""
        end = time.monotonic() + seconds
        while (state := self.get(f"/v1/jobs/{job}").json()["state"]) not in states:
            assert time.monotonic() < end, state
            time.sleep(0.05)
        return state
