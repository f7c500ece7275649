# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons of the runtime. Thin: what they do is in `tasks`, which tests call too."""

from collections.abc import Callable
from pathlib import Path

import bpy

from .. import preferences
from ..backend.contract import MeshwrightError
from ..translations import translated
from .accelerator import current_platform, detect
from .diagnostics import report
from .estimate import estimate_words, fitting_words
from .removal import Measurement
from .runtime import Condition
from .tasks import RuntimeState

_INTERVAL = 0.2  # seconds between two polls while something runs
SECONDS_TO_MEASURE = 0.5
_state = RuntimeState()
_end_worker: Callable[[], None] | None = None


def runtime_state() -> RuntimeState:
    """The state for `draw_runtime`, of the folder that the preferences name now."""
    folder = runtime_folder()
    if not _state.busy and _state.folder != folder:
        _state.look(folder)
    return _state


def runtime_folder() -> Path:
    """Where the runtime is: the artist's choice, or the folder that all versions of Blender share."""
    chosen = preferences.own().runtime_folder
    return Path(bpy.path.abspath(chosen)) if chosen else preferences.runtime_folder()


def poll_once() -> float | None:
    """The timer's function: one look, the seconds until the next, None when nothing runs any more."""
    running = _state.poll(_use)
    _redraw()
    return _INTERVAL if running else None


def _use(python: Path) -> None:
    preferences.own().backend_python = str(python)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("PREFERENCES", "VIEW_3D"):  # the sidebar shows progress at the first run
                area.tag_redraw()


def _watch() -> None:
    if not bpy.app.timers.is_registered(poll_once):
        bpy.app.timers.register(poll_once, persistent=True)


def online_complaint(online_access: bool, overridden: bool) -> str:
    """Why nothing may be downloaded, or an empty text. `overridden`: the command line decided."""
    if online_access:
        return ""
    if overridden:
        return "Blender was started offline. Start it without --offline-mode to download the engine"
    return "Turn on Allow Online Access (Preferences › System › Network) to download the engine"


class _RuntimeOperator(bpy.types.Operator):
    """Not while something runs, and not without the artist's leave to go online."""

    needs_network = False
    changes_files = True

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        complaint = "The engine is being installed, checked or removed" if _state.busy else ""
        if cls.needs_network and not complaint:
            complaint = online_complaint(bpy.app.online_access, bpy.app.online_access_override)
        if complaint:
            cls.poll_message_set(translated(complaint))
        return not complaint

    def run(self) -> None:
        """What the button begins."""
        raise NotImplementedError

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            if self.changes_files and _end_worker is not None:
                _end_worker()
            self.run()
        except MeshwrightError as error:
            _state.error = error.report
            self.report({"ERROR"}, translated(str(error)))
            return {"CANCELLED"}
        _watch()
        return {"FINISHED"}


class MESHWRIGHT_OT_install_runtime(_RuntimeOperator):
    """Install the AI engine: a Python of its own with PyTorch. Blender's Python is not changed"""

    bl_idname = "meshwright.install_runtime"
    bl_label = "Install AI Engine"
    needs_network = True
    plan_words: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        try:
            plan = _state.plan()
        except MeshwrightError as error:
            self.report({"ERROR"}, translated(str(error)))
            return {"CANCELLED"}
        assert _state.accelerator is not None, "a plan has looked at the GPU"
        lines = (f"GPU: {_state.accelerator}", fitting_words(_state.accelerator), f"torch for {plan.build}",
                 estimate_words(_state.accelerator, current_platform()), f"Folder: {runtime_folder()}", plan.note)
        self.plan_words = "\n".join(filter(None, lines))
        return context.window_manager.invoke_props_dialog(self, width=520, confirm_text=self.bl_label)

    def draw(self, _context: bpy.types.Context) -> None:
        for line in self.plan_words.splitlines():
            self.layout.label(text=line)

    def run(self) -> None:
        _state.install(runtime_folder())


class MESHWRIGHT_OT_repair_runtime(_RuntimeOperator):
    """Install the engine again. Downloaded packages are kept, so this is quick unless they have changed"""

    bl_idname = "meshwright.repair_runtime"
    bl_label = "Repair Engine"
    needs_network = True

    def run(self) -> None:
        _state.install(runtime_folder())


class MESHWRIGHT_OT_check_runtime(_RuntimeOperator):
    """Test every package and the GPU, and show versions"""

    bl_idname = "meshwright.check_runtime"
    bl_label = "Check Engine"
    changes_files = False

    def run(self) -> None:
        folder = runtime_folder()
        chosen = preferences.own().backend_python
        foreign = chosen and _state.condition is Condition.MISSING
        _state.check(folder, Path(bpy.path.abspath(chosen)) if foreign else None)


class MESHWRIGHT_OT_remove_runtime(_RuntimeOperator):
    """Delete the engine. Models, jobs and other files in the folder are kept"""

    bl_idname = "meshwright.remove_runtime"
    bl_label = "Remove Engine"
    size_words: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        folder = runtime_folder()
        size = Measurement(folder)
        whole = size.poll(SECONDS_TO_MEASURE)
        self.size_words = f"This frees {'' if whole else 'more than '}{size.bytes / 1e9:.2f} GB in {folder}"
        return context.window_manager.invoke_props_dialog(self, width=520, confirm_text=self.bl_label)

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.label(text=self.size_words)

    def run(self) -> None:
        _state.remove(runtime_folder())


class MESHWRIGHT_OT_cancel_runtime(bpy.types.Operator):
    """Stop. Downloaded files are kept"""

    bl_idname = "meshwright.cancel_runtime"
    bl_label = "Cancel"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        _state.cancel()
        return {"FINISHED"}


class MESHWRIGHT_OT_copy_diagnostics(bpy.types.Operator):
    """Copy a report for a bug report: system, GPU, memory, disk and versions, without user names"""

    bl_idname = "meshwright.copy_diagnostics"
    bl_label = "Copy Diagnostics"

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = report(runtime_folder(), _state.accelerator or detect(),
                                                  {"Blender": bpy.app.version_string},
                                                  (*([str(_state.error)] if _state.error else ()), *_state.last_lines))
        self.report({"INFO"}, translated("Diagnostics copied"))
        return {"FINISHED"}


CLASSES = (
    MESHWRIGHT_OT_install_runtime, MESHWRIGHT_OT_repair_runtime, MESHWRIGHT_OT_check_runtime,
    MESHWRIGHT_OT_remove_runtime, MESHWRIGHT_OT_cancel_runtime, MESHWRIGHT_OT_copy_diagnostics,
)


def register(end_worker: Callable[[], None]) -> None:
    """`end_worker` frees the runtime's files, which Windows locks while a worker uses them.

    It raises MeshwrightError while that cannot be.
    """
    global _end_worker
    _end_worker = end_worker


def stop() -> None:
    """For `unregister` and Blender's end: no child and no timer is left."""
    if bpy.app.timers.is_registered(poll_once):
        bpy.app.timers.unregister(poll_once)
    if _state.installation is not None:
        _state.installation.kill()
        _state.installation = None
    _state.removal = None
    _state.unlock()
