# SPDX-License-Identifier: GPL-3.0-or-later
"""How a worker is started as a child process, the same for the add-on and for the server. Free of torch and bpy."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from ..pipelines import registry

# -I keeps the artist's own Python settings and the current folder out; the add-on's folder comes last in the path, so
# that none of its modules can hide an installed one.
_BOOT = ("import runpy, sys; sys.path.append(sys.argv.pop(1)); "
         "runpy.run_module('backend', run_name='__main__', alter_sys=True)")
_FOREIGN = ("PYTHON", "PIP_", "CONDA_", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "_CE_CONDA")


@dataclass(frozen=True)
class WorkerSettings:
    """From the preferences: which worker, where and on which device. Another value means another worker.

    `root` is the folder that contains `backend`; `models` the folder of the published weights; `devices` as torch names
    them, or "auto"; `memory_mode` a `MemoryMode`, or "auto" for one that fits the free memory; `statistics` the file
    with the run times of this machine; `pipelines` the folder of further pipelines that the artist allows to run;
    `workflows` the folder of the artist's own workflows.
    `offline` forbids the worker the network. `hub` is the model hub's address, "" for the public one, and `token` the
    access token for it. `in_process` asks for the worker inside Blender's own Python; `python` is
    not used then. `server` is the address of a Meshwright server that does the work instead of this machine; its token
    is read from `token_file`, and `certificate` is the file of the authority that signed its certificate, if no public
    one did.
    """

    python: Path
    root: Path
    models: Path
    device: str = "auto"
    second_device: str = ""
    memory_mode: str = "auto"
    compile: bool = False
    statistics: Path | None = None
    offline: bool = False
    in_process: bool = False
    pipelines: Path | None = None
    workflows: Path | None = None
    hub: str = ""
    token: str = field(default="", repr=False)
    server: str = ""
    token_file: Path | None = None
    certificate: Path | None = None
    background_model: str = ""

    @property
    def hub_environment(self) -> dict[str, str]:
        """The environment variables by which huggingface_hub knows address and token; none for what is not set."""
        given = {"HF_ENDPOINT": self.hub, "HF_TOKEN": self.token}
        return {name: value for name, value in given.items() if value}


def command_line(settings: WorkerSettings) -> list[str]:
    """The child's whole command: an isolated, unbuffered Python that runs `backend worker`, or `backend relay`."""
    python = [str(settings.python), "-I", "-u", "-X", "utf8", "-c", _BOOT, str(settings.root)]
    return [*python, *(_relay(settings) if settings.server else _worker(settings))]


def _relay(settings: WorkerSettings) -> list[str]:
    command = ["relay", "--url", settings.server]
    if settings.token_file is not None:
        command += ["--token-file", str(settings.token_file)]
    if settings.certificate is not None:
        command += ["--certificate", str(settings.certificate)]
    return command


def _worker(settings: WorkerSettings) -> list[str]:
    command = ["worker", "--models", str(settings.models), "--device", settings.device, "--memory-mode",
               settings.memory_mode]
    if settings.second_device:
        command += ["--second-device", settings.second_device]
    if settings.compile:
        command.append("--compile")
    if settings.background_model:
        command += ["--background-model", settings.background_model]
    if settings.statistics is not None:
        command += ["--statistics", str(settings.statistics)]
    return command


def environment(settings: WorkerSettings) -> dict[str, str]:
    """Blender's environment without what belongs to another Python: it would reach the child's own children."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    kept["PYTHONNOUSERSITE"] = "1"
    kept["HF_HUB_DISABLE_TELEMETRY"] = "1"
    kept |= settings.hub_environment
    if settings.offline:
        kept["HF_HUB_OFFLINE"] = "1"
    if settings.pipelines is not None:
        kept[registry.VARIABLE] = str(settings.pipelines)
    if settings.workflows is not None:
        kept[registry.WORKFLOWS_VARIABLE] = str(settings.workflows)
    return kept


def ending(code: int) -> str:
    """How a child ended, in words, from its exit status."""
    if code >= 0:
        return f"The engine ended with exit code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        return "The engine was stopped by the system (SIGKILL), probably for lack of memory."
    return f"The engine was ended by {name}."
