# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sets once: the backend's Python, the folders, the devices."""

import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

from .connection.interface import WorkerSettings

PYTHON_VARIABLE = "MESHWRIGHT_PYTHON"
IN_PROCESS_VARIABLE = "MESHWRIGHT_IN_PROCESS"
_DEVICES = ("auto", "cuda:0", "cuda:1", "mps", "cpu")


def _device_names(_self: object, _context: bpy.types.Context, _text: str) -> Iterator[str]:
    return iter(_DEVICES)


class MESHWRIGHT_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    backend_python: bpy.props.StringProperty(
        name="Backend Python", subtype="FILE_PATH",
        description="A Python 3.11 or newer in which Meshwright's runtime is installed. "
                    "The runtime's installer fills this in",
    )
    runtime_folder: bpy.props.StringProperty(
        name="Runtime", subtype="DIR_PATH",
        description="Where the backend's Python and its packages are installed: several gigabytes. "
                    "Empty: the extension's own folder",
    )
    models_folder: bpy.props.StringProperty(
        name="Models", subtype="DIR_PATH",
        description="Where downloaded weights lie: tens of gigabytes. Empty: the extension's own folder",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs", subtype="DIR_PATH",
        description="Where requests and results are kept. Empty: the extension's own folder",
    )
    device: bpy.props.StringProperty(
        name="Device", default="auto", search=_device_names, search_options={"SUGGESTION"},
        description="auto, cuda:0, mps or cpu",
    )
    second_device: bpy.props.StringProperty(
        name="Second Device", search=_device_names, search_options={"SUGGESTION"},
        description="Another GPU for the decoder, for example cuda:1. Empty: use one device for everything",
    )
    low_memory: bpy.props.BoolProperty(
        name="Low Memory", description="Keep in GPU memory only what computes at the moment: slower, far less memory",
    )
    compile_networks: bpy.props.BoolProperty(
        name="Compile Networks",
        description="The first job takes about 10 s longer, later ones with the published "
                    "weights are a few percent faster. NVIDIA GPUs only",
    )
    run_in: bpy.props.EnumProperty(
        name="Run In", description="Where the backend computes", items=[
            ("PROCESS", "Separate Process", "With the runtime's own Python, while Blender stays usable"),
            ("BLENDER", "Blender's Own Python (for scripts)",
             "Needs torch in Blender's Python. Blender stands still until a job has ended"),
        ])

    def draw(self, context: bpy.types.Context) -> None:
        from .panels.preferences_box import draw_preferences  # the panels import this module
        draw_preferences(self.layout, self)


def own() -> MESHWRIGHT_AP_preferences:
    """The add-on's preferences."""
    return bpy.context.preferences.addons[__package__].preferences


def user_folder(name: str) -> Path:
    """A folder of the extension's own in Blender's user folder, made when it is not there."""
    return Path(bpy.utils.extension_path_user(__package__, path=name, create=True))


def models_folder() -> Path:
    """Where downloaded weights lie."""
    chosen = own().models_folder
    return Path(bpy.path.abspath(chosen)) if chosen else user_folder("models")


def jobs_folder() -> Path:
    """Where job folders lie."""
    chosen = own().jobs_folder
    return Path(bpy.path.abspath(chosen)) if chosen else user_folder("jobs")


def backend_python() -> Path | None:
    """The backend's Python: the environment variable first, then the preference; None when no backend is set up."""
    if path := os.environ.get(PYTHON_VARIABLE) or own().backend_python:
        return Path(bpy.path.abspath(path))
    return None


def runs_in_process() -> bool:
    """Whether jobs run in Blender's own Python: the environment variable set to 1, or the preference."""
    return os.environ.get(IN_PROCESS_VARIABLE) == "1" or own().run_in == "BLENDER"


def backend_complaint() -> str:
    """Why nothing can compute yet, in words, or "". Cheap enough for a poll."""
    if runs_in_process():
        return "" if torch_is_importable() else "Blender's own Python has no torch: let the backend run separately"
    return "" if backend_python() else "Set up the runtime first: see the top of this panel"


@functools.cache
def torch_is_importable() -> bool:
    """Whether this Python has torch. Looks at the disk once a session."""
    return importlib.util.find_spec("torch") is not None


def worker_settings() -> WorkerSettings | None:
    """The worker that the preferences of this moment ask for; None while no backend is set up."""
    chosen = own()
    if backend_complaint():
        return None
    return WorkerSettings(
        python=backend_python() or Path(sys.executable), root=Path(__file__).parent, models=models_folder(),
        device=chosen.device.strip() or "auto", second_device=chosen.second_device.strip(),
        low_memory=chosen.low_memory, compile=chosen.compile_networks,
        statistics=user_folder("statistics") / "stages.json", offline=not bpy.app.online_access,
        in_process=runs_in_process(),
    )


CLASSES = (MESHWRIGHT_AP_preferences,)
