# SPDX-License-Identifier: GPL-3.0-or-later
"""A server, relays to it as Blender starts them, and a wire that can be cut."""

import io
import itertools
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.contract import (
    TERMINAL_EVENTS,
    Event,
    JobFolder,
    Message,
    Request,
    Submit,
    event_from_json,
    message_from_json,
    message_to_json,
)
from backend.pipelines import registry
from backend.worker_client import WorkerSettings, command_line, environment
from tests.server.running import REPOSITORY, TOKEN, Server

FOREIGN = REPOSITORY / "tests" / "foreign_pipelines"


class Child:
    """A relay, or with no `server` a worker, as the add-on starts it."""

    def __init__(self, folder: Path, server: str = "", token: str = TOKEN) -> None:
        secret = folder / "token"
        secret.write_text(token)
        settings = WorkerSettings(Path(sys.executable), REPOSITORY, folder / "models", "cpu", pipelines=FOREIGN,
                                  statistics=folder / "statistics.json", server=server, token_file=secret)
        self.process = subprocess.Popen(command_line(settings), env=environment(settings), cwd=folder,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._lines: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = message_from_json(self._lines.get(timeout=15))

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(json.loads(line))

    def send(self, message: Message) -> None:
        self.process.stdin.write(json.dumps(message_to_json(message)).encode() + b"\n")
        self.process.stdin.flush()

    def submit(self, folder: JobFolder) -> str:
        job = folder.read_request().job
        self.send(Submit(job, str(folder.path)))
        return job

    def next(self, seconds: float = 20) -> Event:
        return event_from_json(self._lines.get(timeout=seconds))

    def until(self, *kinds: type, seconds: float = 20) -> list[Event]:
        seen = [self.next(seconds)]
        while not isinstance(seen[-1], kinds or TERMINAL_EVENTS):
            seen.append(self.next(seconds))
        return seen

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)


class Wire:
    """A way to the server that can be cut and joined: a plain TCP proxy."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._sockets: list[socket.socket] = []
        self._connected = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.carried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse others."""
        self._connected = False
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def join(self) -> None:
        self._connected = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            if not self._connected:
                inner.close()
                continue
            try:
                outer = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                inner.close()
                continue
            self._sockets += [inner, outer]
            for source, target, up in ((inner, outer, True), (outer, inner, False)):
                threading.Thread(target=self._pump, args=(source, target, up), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        try:
            while data := source.recv(65536):
                if up:
                    self.carried += len(data)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture(autouse=True)
def pottery() -> Iterator[None]:
    registry.use_folder(FOREIGN)
    yield
    registry.use_folder(None)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("served"))
    yield started
    started.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def begin(*given: Any, **named: Any) -> Child:
        children.append(Child(tmp_path, *given, **named))
        return children[-1]

    yield begin
    for child in children:
        child.end()


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., JobFolder]:
    numbers = itertools.count(1)

    def make(task: str, inputs: dict[str, dict[str, bytes]] | None = None, weights: str = "plain", seed: int = 0,
             **parameters: Any) -> JobFolder:
        job = f"job-{next(numbers)}"
        folder = JobFolder.create(tmp_path / "jobs" / job)
        for named in (inputs or {}).values():
            for name, content in named.items():
                (folder.inputs / name).write_bytes(content)
        folder.write_request(Request(job, task, "pottery", weights, "thing", seed, parameters, {
            slot: tuple(named) for slot, named in (inputs or {}).items()}))
        return folder

    return make


@pytest.fixture(scope="session")
def image() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 40, 90)).save(file, "PNG")
    return file.getvalue()
