# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does whose worker was just killed by the system: press Cancel, and press Free Memory."""

import importlib
import os
import signal
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.meshwright"
RIGHT_END, RIGHT_HALF = 0.82, 0.7
Steps = Generator[float, None, None]


def drive(window: Any, task: Mapping[str, Any]) -> Steps:
    """`task` names the image and how many seconds a worker may take to start."""
    window.empty_scene()
    yield from window.open_tab("Meshwright")
    settings = bpy.context.scene.meshwright
    settings.images.image = bpy.data.images.load(task["image"])
    settings.partpacker_generate_parts.steps = 100
    for name, operator, across in (("cancel", "cancel_job", RIGHT_END), ("free memory", "free_memory", RIGHT_HALF)):
        window.say(f"{name} asked", list(bpy.ops.meshwright.partpacker_generate_parts()))
        yield from _press_after_the_death(window, name, f"meshwright.{operator}", across, task["seconds"])


def _press_after_the_death(window: Any, name: str, operator: str, across: float, seconds: float) -> Steps:
    """Kill the worker of the last job in mid-work, and press the button before the queue has looked again."""
    engine = importlib.import_module(f"{EXTENSION}.jobs.engine")
    job, end = engine.jobs()[-1], time.monotonic() + seconds
    while not job.fraction and not job.ended and time.monotonic() < end:
        yield 0.2
    _signal_workers(signal.SIGSTOP)  # still at work when the button is found
    yield from window.scroll_to_the_end()
    window.photograph(f"dead-worker-{name.replace(' ', '-')}-before")
    button = yield from window.find_button(operator, across)
    window.say(f"{name} button", button)
    window.say(f"{name} state before", str(job.state))
    if button is None or job.ended:
        return
    look, engine.poll_once = engine.poll_once, lambda: 0.2
    yield 0.5
    window.say(f"{name} killed", _signal_workers(signal.SIGKILL))
    window.click(*button)
    yield 1.5
    engine.poll_once = look
    yield from window.scroll_to_the_end()
    window.photograph(f"dead-worker-{name.replace(' ', '-')}")
    while not job.ended and time.monotonic() < end:
        yield 0.2
    window.say(f"{name} state after", str(job.state))
    window.say(f"{name} reason", job.error.why if job.error else "")


def _signal_workers(number: signal.Signals) -> int:
    """Send a signal to every child of Blender that is a worker, wait for its effect, and return how many there are."""
    workers = [path for path in Path("/proc").glob("[0-9]*") if _is_worker(path)]
    for path in workers:
        os.kill(int(path.name), number)
    while any(_fields(path)[0] != ("T" if number is signal.SIGSTOP else "Z") for path in workers):
        time.sleep(0.01)
    return len(workers)


def _is_worker(process: Path) -> bool:
    try:
        return _fields(process)[1] == str(os.getpid()) and b"\0worker\0" in (process / "cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return False


def _fields(process: Path) -> list[str]:
    """State and parent of a process."""
    return (process / "stat").read_text().rpartition(")")[2].split()[:2]
