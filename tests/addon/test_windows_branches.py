# SPDX-License-Identifier: GPL-3.0-or-later
"""The branches that only Windows takes, with its functions replaced by ones that record their calls."""

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from .conftest import Extension

ADDON = Path(__file__).parents[2] / "blender_addon"


class Kernel:
    """kernel32: `waiting` is what a pipe holds, None for one whose other end is closed."""

    def __init__(self, *_: object, **__: object) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.waiting: int | None = 0
        self.refuses: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any) -> int:
            self.calls.append((name, arguments))
            if name == "PeekNamedPipe":
                if self.waiting is None:
                    return 0
                arguments[4]._obj.value = self.waiting
            return 0 if name in self.refuses else 77

        holder = SimpleNamespace(restype=None, argtypes=None)
        made = type("Function", (), {"__call__": staticmethod(function), **vars(holder)})()
        object.__setattr__(self, name, made)
        return made

    def named(self, name: str) -> list[Any]:
        return [arguments for called, arguments in self.calls if called == name]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: made, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 5, raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(get_osfhandle=lambda descriptor: 1000 + descriptor))
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x8000000, raising=False)
    yield made


def loaded(path: str, package: str = "") -> ModuleType:
    """The module as Windows would have it, as one of `package` where it has relative imports."""
    name = f"{package}.windows_{Path(path).stem}".lstrip(".")
    specification = importlib.util.spec_from_file_location(name, ADDON / path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_pipe_is_asked_before_it_is_read(extension: Extension, kernel: Kernel) -> None:
    package = extension.module("connection").__name__
    read_available = loaded("connection/pipe_reading.py", package).read_available
    reading, writing = os.pipe()
    try:
        assert read_available(reading) is None, "a read would wait"
        os.write(writing, b"a line\nhalf")
        kernel.waiting = 11
        assert read_available(reading) == b"a line\nhalf"
        os.write(writing, b"x" * 10)
        kernel.waiting = 4
        assert read_available(reading) == b"xxxx", "no more than what lies there"
        kernel.waiting = None
        assert read_available(reading) == b"", "the other end is closed"
        assert {arguments[0] for arguments in kernel.named("PeekNamedPipe")} == {1000 + reading}
    finally:
        os.close(reading)
        os.close(writing)


class Started:
    """A process that `Popen` was asked for."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.command, self.options, self.pid, self._handle, self.status = command, options, 12, 34, None
        self.terminated = False

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.terminated = True


def test_a_job_object_holds_a_child_and_ends_it(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Started)
    tree = loaded("process_tree.py").ProcessTree(["uv", "venv"], cwd="C:/engine")
    assert tree.process.command == ["uv", "venv"], "no process in between"
    assert tree.process.options == {"cwd": "C:/engine", "creationflags": 0x8000200}
    (job, kind, limits, size), = kernel.named("SetInformationJobObject")
    assert (job, kind) == (77, 9) and limits._obj.basic.flags == 0x2000, "the system ends it with the job's handle"
    assert size == (144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112), "as winnt.h has the structure"
    assert kernel.named("AssignProcessToJobObject") == [(77, 34)]
    tree.end(force=False)
    assert kernel.named("TerminateJobObject") == [(77, 1)] and not tree.process.terminated
    tree.process.status = 0
    tree.end(force=True)
    assert len(kernel.named("TerminateJobObject")) == 1


def test_where_the_system_refuses_a_job_object_the_child_alone_is_ended(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Started)
    kernel.refuses.add("AssignProcessToJobObject")
    tree = loaded("process_tree.py").ProcessTree(["uv"])
    tree.end(force=True)
    assert tree.process.terminated and not kernel.named("TerminateJobObject")
