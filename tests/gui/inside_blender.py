# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the photographed Blender: steps a script from a timer, and gives it eyes and hands.

The script's `drive(window, task)` is a generator: it yields the seconds until its next step, so that Blender lives on.
"""

import json
import os
import runpy
import signal
import subprocess
import time
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

JOB = json.loads(os.environ["MESHWRIGHT_VISIT"])
FOLDER = Path(JOB["folder"])
Steps = Generator[float, None, None]


class Window:
    """Blender's window as a person uses it. Positions are pixels from its top left corner."""

    def __init__(self) -> None:
        self.said: dict[str, object] = {}

    @property
    def viewport(self) -> bpy.types.Area:
        """The largest 3D viewport."""
        areas = [area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D"]
        return max(areas, key=lambda area: area.width * area.height)

    @property
    def sidebar(self) -> bpy.types.Region:
        """The viewport's sidebar."""
        return next(region for region in self.viewport.regions if region.type == "UI")

    def pointed(self) -> Any:
        """A context in which operators take the mouse to be over the viewport."""
        area = self.viewport
        region = next(region for region in area.regions if region.type == "WINDOW")
        return bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area, region=region)

    def empty_scene(self) -> None:
        """Take the default cube, camera and light away."""
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)

    def say(self, key: str, value: object) -> None:
        """Tell the test something."""
        self.said[key] = value

    def photograph(self, name: str) -> None:
        """Save the display: Blender's own screenshot operator writes an all-black image here."""
        self._do("scrot", "--overwrite", str(FOLDER / f"{name}.png"))

    def photograph_held(self, name: str) -> Steps:
        """Save the display while the workers are stopped, so that what they show now is not over before."""
        self.signal_workers(signal.SIGSTOP)
        self.viewport.tag_redraw()
        yield 1.0
        self.photograph(name)
        self.signal_workers(signal.SIGCONT)

    def open_tab(self, tab: str) -> Steps:
        """Show the sidebar at one of its tabs, which exist only after its first draw."""
        self.viewport.spaces.active.show_region_ui = True
        for _ in range(20):
            yield 0.5
            self.viewport.tag_redraw()
            try:
                self.sidebar.active_panel_category = tab
                break
            except TypeError:  # no such tab yet
                continue
        self.viewport.tag_redraw()  # without it the image still shows the tab of before
        yield 1.0
        self.say("tab", self.sidebar.active_panel_category)

    def find_button(self, operator: str, across: float = 0.5,
                    start: int = 0) -> Generator[float, None, tuple[int, int] | None]:
        """Where in the sidebar the operator's button is, None when it is nowhere to be seen.

        `across` is the share of the sidebar's width at which the button lies, `start` how far below the sidebar's top
        to begin. Blender tells no button's position: so
        the mouse goes down the sidebar, and at each stop Blender's own shortcut copies the command of the
        button under it.
        """
        height = bpy.context.window_manager.windows[0].height
        x = self.sidebar.x + int(self.sidebar.width * across)
        top, bottom = height - self.sidebar.y - self.sidebar.height, height - self.sidebar.y
        for y in range(top + 10 + start, bottom, 14):
            bpy.context.window_manager.clipboard = ""
            self._do("xdotool", "mousemove", str(x), str(y))
            yield 0.15
            self._do("xdotool", "key", "ctrl+alt+c")
            yield 0.15
            if bpy.context.window_manager.clipboard.startswith(f"bpy.ops.{operator}("):
                return x, y
        return None

    def scroll_to_the_start(self) -> Steps:
        """Turn the mouse wheel until the start of the sidebar, where the jobs are, is visible."""
        x, height = self.sidebar.x + self.sidebar.width // 2, bpy.context.window_manager.windows[0].height
        self._do("xdotool", "mousemove", str(x), str(height - self.sidebar.y - self.sidebar.height // 2),
                 "click", "--repeat", "40", "--delay", "20", "4")
        yield 1.0

    def drag(self, begin: tuple[int, int], end: tuple[int, int]) -> Steps:
        """The left mouse button, held from one place to the other."""
        self._do("xdotool", "mousemove", *map(str, begin))
        yield 0.5
        self._do("xdotool", "mousedown", "1")
        yield 0.3
        for share in (0.3, 0.6, 1.0):
            x, y = (int(a + (b - a) * share) for a, b in zip(begin, end, strict=True))
            self._do("xdotool", "mousemove", str(x), str(y))
            yield 0.2
        self._do("xdotool", "mouseup", "1")
        yield 0.5

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self._do("xdotool", "key", *keys)

    def point(self, x: int, y: int) -> None:
        """Move the mouse."""
        self._do("xdotool", "mousemove", str(x), str(y))

    def click(self, x: int, y: int) -> None:
        """The left mouse button."""
        self._do("xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", "1")

    def signal_workers(self, number: signal.Signals) -> int:
        """Send a signal to every child of Blender that is a worker, wait for its effect, and return how many they are.

        A stopped worker says nothing more until it is continued: so a script is never too slow to see something.
        """
        workers = [path for path in Path("/proc").glob("[0-9]*") if _is_worker(path)]
        for path in workers:
            os.kill(int(path.name), number)
        states = {signal.SIGSTOP: "T", signal.SIGKILL: "Z"}.get(number, "RSD")
        while any(_fields(path)[0] not in states for path in workers):
            time.sleep(0.01)
        return len(workers)

    def _do(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=30)


def _is_worker(process: Path) -> bool:
    try:
        return _fields(process)[1] == str(os.getpid()) and b"\0worker\0" in (process / "cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return False


def _fields(process: Path) -> list[str]:
    """State and parent of a process."""
    return (process / "stat").read_text().rpartition(")")[2].split()[:2]


def start() -> None:
    """Begin the script one second after Blender's window is there; Blender ends with it."""
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.use_preferences_save = False
    window = Window()
    steps = runpy.run_path(JOB["script"])["drive"](window, JOB["task"])

    def tick() -> float:
        try:
            return next(steps)
        except StopIteration:
            pass
        except Exception:  # noqa: BLE001 - whatever went wrong in the script is the test's to show
            window.say("error", traceback.format_exc())
        (FOLDER / "said.json").write_text(json.dumps(window.said), encoding="utf-8")
        os._exit(0)  # a normal end would ask about unsaved changes

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


start()
