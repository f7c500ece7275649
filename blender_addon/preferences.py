# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences mean: the backend's Python, the folders, the worker to start.

The preferences themselves, as Blender keeps and draws them, are in `panels.preferences_box`.
"""

import functools
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import bpy
import numpy as np

from . import data_folders
from .backend.pipelines import registry
from .connection import WorkerSettings
from .server_access.token_file import token_file

ADDON: str = __package__
PYTHON_VARIABLE = "MESHWRIGHT_PYTHON"
SETTINGS_VARIABLE = "BLENDER_USER_RESOURCES"
IN_PROCESS_VARIABLE = "MESHWRIGHT_IN_PROCESS"
OLDEST_NUMPY = (1, 25)
"""What scipy and scikit-image are built for. Blender 4.2 has 1.24, newer ones 1.26."""


def own() -> bpy.types.AddonPreferences:
    """The add-on's preferences."""
    return bpy.context.preferences.addons[ADDON].preferences


def user_folder(name: str) -> Path:
    """A folder of the extension's own in Blender's user folder, made when it is missing."""
    return Path(bpy.utils.extension_path_user(ADDON, path=name, create=True))


def shared_folder(name: str) -> Path:
    """A folder that all versions of Blender share, and that stays when the extension is uninstalled."""
    own_folder = Path(bpy.utils.extension_path_user(ADDON, path=name))
    return data_folders.default_folder(name, _shared_root(), own_folder)


def runtime_folder() -> Path:
    """Where the AI engine lies unless the artist chose a folder. One of before, which cannot be moved, stays in use."""
    own = Path(bpy.utils.extension_path_user(ADDON, path="runtime"))
    return own if (own / "runtime.json").is_file() else _shared_root() / "engine"


@functools.cache
def _shared_root() -> Path:
    """With Blender's own settings where these are in a place of their own: a portable Blender, a test."""
    settings = Path(bpy.utils.resource_path("USER"))
    portable = bpy.app.binary_path and settings.is_relative_to(Path(bpy.app.binary_path).parent)
    if portable or SETTINGS_VARIABLE in os.environ:
        return settings / data_folders.NAME
    return Path(data_folders.shared_root())


def models_folder() -> Path:
    """Where downloaded weights lie."""
    chosen = own().models_folder
    return Path(bpy.path.abspath(chosen)) if chosen else shared_folder("models")


def jobs_folder() -> Path:
    """Where job folders lie."""
    chosen = own().jobs_folder
    return Path(bpy.path.abspath(chosen)) if chosen else shared_folder("jobs")


@dataclass(frozen=True)
class JobsLimits:
    """How much of the jobs is kept: bytes and days; 0 means no limit."""

    bytes: float
    days: float


def jobs_limits() -> JobsLimits:
    """How much of the jobs the artist wants to keep."""
    return JobsLimits(own().jobs_gigabytes * 1e9, own().jobs_days)


def hub_address() -> str:
    """The model hub's address, "" for the public one. An address without a scheme is taken as https."""
    address = own().hub_address.strip().rstrip("/")
    return address if not address or "://" in address else f"https://{address}"


def pipelines_folder() -> Path | None:
    """Where further pipelines are: the environment variable first, then the preference; None while none may run."""
    chosen = own()
    allowed = chosen.pipelines_folder if chosen.run_pipelines else ""
    path = os.environ.get(registry.VARIABLE) or allowed
    return Path(bpy.path.abspath(path)) if path else None


def workflows_folder() -> Path:
    """Where the artist's own workflows are: the environment variable first."""
    path = os.environ.get(registry.WORKFLOWS_VARIABLE)
    return Path(path) if path else user_folder("workflows")


def background_model() -> str:
    """The artist's own ONNX file that removes backgrounds, "" for the installed models."""
    chosen = own().background_model
    return bpy.path.abspath(chosen) if chosen else ""


def backend_python() -> Path | None:
    """The backend's Python: the environment variable first, then the preference; None when no backend is set up."""
    if path := os.environ.get(PYTHON_VARIABLE) or own().backend_python:
        return Path(bpy.path.abspath(path))
    return None


def runs_in_process() -> bool:
    """Whether jobs run in Blender's own Python: the environment variable set to 1, or the preference."""
    return os.environ.get(IN_PROCESS_VARIABLE) == "1" or own().run_in == "BLENDER"


def runs_on_server() -> bool:
    """Whether jobs run on another machine."""
    return not runs_in_process() and own().run_in == "SERVER"


def server_folder() -> Path:
    """Where the server's token lies."""
    return user_folder("server")


def server_is_open(address: str) -> bool:
    """Whether this address of another machine is spoken to without encryption."""
    parts = urlsplit(address if "//" in address else f"http://{address}")
    return parts.scheme == "http" and parts.hostname not in (None, "", "localhost", "127.0.0.1", "::1")


def server_complaint() -> str:
    """Why the server cannot be asked, or ""."""
    if not own().server.strip():
        return "Enter the server's address in the preferences first"
    if not bpy.app.online_access:
        return "Turn on Allow Online Access (Preferences › System › Network) to use a server"
    return ""


def server_settings() -> WorkerSettings:
    """The child that speaks to the server. Blender's own Python is enough for it, so no engine must be installed."""
    chosen, certificate = own(), own().server_certificate
    return WorkerSettings(
        python=Path(sys.executable), root=Path(__file__).parent, models=models_folder(), server=chosen.server.strip(),
        token_file=token_file(server_folder()), pipelines=pipelines_folder(),
        certificate=Path(bpy.path.abspath(certificate)) if certificate else None)


def backend_complaint() -> str:
    """Why nothing can run yet, in words, or "". Cheap enough for a poll."""
    if runs_on_server():
        return server_complaint()
    if runs_in_process():
        return in_process_complaint()
    return "" if backend_python() else "Install the AI engine first: see the top of this tab"


@functools.cache
def in_process_complaint() -> str:
    """Why jobs cannot run in this Python, or "". Looks at the disk once a session."""
    if numpy_version() < OLDEST_NUMPY:
        needed = ".".join(map(str, OLDEST_NUMPY))
        return (f"Blender {bpy.app.version_string} brings a numpy before {needed}, which the engine needs: "
                "run jobs in a separate process")
    if importlib.util.find_spec("torch") is None:
        return "Blender's own Python has no torch: run jobs in a separate process"
    return ""


def numpy_version() -> tuple[int, int]:
    """Major and minor of this Python's numpy."""
    major, minor = np.__version__.split(".")[:2]
    return int(major), int(minor)


def download_complaint() -> str:
    """Why nothing can be downloaded, in words, or ""."""
    if reason := backend_complaint():
        return reason
    if bpy.app.online_access:
        return ""
    return ("Blender was started offline" if bpy.app.online_access_override
            else "Turn on Allow Online Access in Preferences › System first")


def statistics_file() -> Path:
    """Where workers keep what their jobs took."""
    return user_folder("statistics") / "stages.json"


def worker_settings() -> WorkerSettings | None:
    """The worker that the preferences of this moment ask for; None while no backend is set up."""
    chosen = own()
    if backend_complaint():
        return None
    if runs_on_server():
        return server_settings()
    return WorkerSettings(
        python=backend_python() or Path(sys.executable), root=Path(__file__).parent, models=models_folder(),
        device=chosen.device.strip() or "auto", second_device=chosen.second_device.strip(),
        memory_mode=chosen.memory_mode, compile=chosen.compile_networks,
        background_model=background_model(), statistics=statistics_file(),
        offline=not bpy.app.online_access, in_process=runs_in_process(), pipelines=pipelines_folder(),
        workflows=workflows_folder(),
        hub=hub_address(), token=chosen.hub_token.strip(),
    )
