# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real Blender of setup_blender.sh in a window under a virtual display, on a machine that has none.

One call installs an extension zip, opens Blender and lets a script of `drive.py`'s form click in it. Needs root.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SIZE = (1600, 1200)  # high enough for all of the tab's panels
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Inside a mount namespace of its own, so that no mount is seen or left behind outside: the host's files appear
# under /host, and the session's folder has the same path in Blender, in the host and in the worker.
ENTER = """
mkdir -p "$1/host" "$1$2" "$1/proc" "$1/dev/shm" "$1/tmp"
mount --rbind / "$1/host"
mount --rbind "$2" "$1$2"
mount --rbind /proc "$1/proc"
mount --rbind /dev/shm "$1/dev/shm"
root=$1; shift 2
exec chroot "$root" /usr/bin/env -i "$@"
"""
# chroot changes to the root folder, but a worker is started in the folder that contains `backend`.
HOST_PYTHON = '#!/bin/sh\nexec chroot /host /usr/bin/env --chdir="$PWD" "{python}" "$@"\n'


@dataclass(frozen=True)
class Outcome:
    """What one visit to the window left: `said` by the script, images by name, Blender's log."""

    said: Mapping[str, object]
    photos: Mapping[str, Path]
    log: str

    def keep(self) -> None:
        """Copy images and log to the folder that MESHWRIGHT_GUI_PHOTOS names, for a person to look at."""
        if folder := os.environ.get("MESHWRIGHT_GUI_PHOTOS"):
            for name, path in self.photos.items():
                shutil.copy(path, Path(folder) / f"{name}.png")
            (Path(folder) / "blender.log").write_text(self.log, encoding="utf-8")


class Session:
    """A user of that Blender: settings, extensions and images live in the empty `folder`.

    `python` is the host's interpreter that the extension may start its backend with.
    """

    def __init__(self, root: Path, folder: Path, python: Path) -> None:
        self._root, self.folder = root, folder
        launcher = folder / "host-python"
        launcher.write_text(HOST_PYTHON.format(python=python), encoding="utf-8")
        launcher.chmod(0o755)
        (folder / "user").mkdir()
        self._environment = {
            "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": str(folder), "LIBGL_ALWAYS_SOFTWARE": "1",
            "BLENDER_USER_RESOURCES": str(folder / "user"), "MESHWRIGHT_PYTHON": str(launcher),
            "OMP_NUM_THREADS": "1",
        }

    def install(self, archive: Path, seconds: float = 120.0) -> str:
        """Install and enable an extension zip as `blender --command extension install-file` does; returns the log."""
        shutil.copy(archive, self.folder / "extension.zip")
        return self._run(["blender", "--command", "extension", "install-file", "--repo", "user_default", "--enable",
                          str(self.folder / "extension.zip")], {}, seconds)

    def example(self) -> Path:
        """The example image of the repository, among what this user has."""
        image = self.folder / "input" / "chair.png"
        image.parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "examples" / image.name, image)
        return image

    def visit(self, script: Path, task: Mapping[str, object], seconds: float,
              size: tuple[int, int] = SIZE) -> Outcome:
        """Open a window of that size in pixels and run the script's `drive(window, task)` in it. Raises TimeoutError
        when it hangs."""
        for source in (HERE / "inside_blender.py", script):
            shutil.copy(source, self.folder / source.name)
        job = {"folder": str(self.folder), "script": str(self.folder / script.name), "task": dict(task)}
        geometry = "x".join(map(str, size))
        log = self._run(["xvfb-run", "-a", "-s", f"-screen 0 {geometry}x24 -dpi 96 -nolisten tcp", "blender",
                         "--window-geometry", "0", "0", *map(str, size), "--python",
                         str(self.folder / "inside_blender.py")], {"MESHWRIGHT_VISIT": json.dumps(job)}, seconds)
        answer = self.folder / "said.json"
        if not answer.is_file():
            raise TimeoutError(f"Blender ended before its script did:\n{log[-3000:]}")
        photos = {path.stem: path for path in sorted(self.folder.glob("*.png"))}
        outcome = Outcome(json.loads(answer.read_text(encoding="utf-8")), photos, log)
        outcome.keep()
        return outcome

    def _run(self, command: list[str], environment: Mapping[str, str], seconds: float) -> str:
        words = [f"{name}={value}" for name, value in {**self._environment, **environment}.items()]
        begin = time.monotonic()
        done = subprocess.run(
            ["timeout", "--kill-after=5", str(seconds), "unshare", "--mount", "--propagation", "private", "sh", "-ec",
             ENTER, "sh", str(self._root), str(self.folder), *words, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "PATH": SYSTEM_PATH})
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"Blender was stopped after {seconds:.0f} s:\n{done.stdout[-3000:]}")
        return done.stdout
