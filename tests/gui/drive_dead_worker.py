# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does whose worker was just killed by the system: press Cancel, and press Free Memory."""

import importlib
import signal
import time
from collections.abc import Generator, Mapping
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
    window.signal_workers(signal.SIGSTOP)  # still at work when the button is found
    yield from window.scroll_to_the_start()
    window.photograph(f"dead-worker-{name.replace(' ', '-')}-before")
    button = yield from window.find_button(operator, across)
    window.say(f"{name} button", button)
    window.say(f"{name} state before", str(job.state))
    if button is None or job.ended:
        return
    look, engine.poll_once = engine.poll_once, lambda: 0.2
    yield 0.5
    window.say(f"{name} killed", window.signal_workers(signal.SIGKILL))
    window.click(*button)
    yield 1.5
    engine.poll_once = look
    yield from window.scroll_to_the_start()
    window.photograph(f"dead-worker-{name.replace(' ', '-')}")
    while not job.ended and time.monotonic() < end:
        yield 0.2
    window.say(f"{name} state after", str(job.state))
    window.say(f"{name} reason", job.error.why if job.error else "")
