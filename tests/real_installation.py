# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation for real, and a job with what it installed:

    python -m tests.real_installation FOLDER

Takes what the button takes: uv, every pin from the registry, torch's build for the CPU, the check at the end. The
Python is this machine's instead of one that uv downloads, and no GPU is looked for. Where pip's own configuration names
a folder with torch's build for the CPU, that one is installed: torch's index may be out of reach there. Then the
installed Python turns the example image into parts, with the demo weights. FOLDER is kept, with uv's cache.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import backend

sys.modules.setdefault("blender_addon.backend", backend)  # in the zip it is a folder of the add-on

from blender_addon.setup.accelerator import Accelerator, current_platform, pick_build, read_table  # noqa: E402
from blender_addon.setup.installation import (  # noqa: E402
    Installation,
    InstallationStep,
    installation_steps,
    require_space,
)
from blender_addon.setup.runtime import Plan, make_plan, python_of  # noqa: E402
from blender_addon.setup.uv_binary import find_uv  # noqa: E402

log = logging.getLogger(__name__)
POLL_SECONDS, INSTALL_SECONDS, JOB_SECONDS = 0.5, 1500, 600
REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = REPOSITORY / "backend" / "requirements.txt"


def install(folder: Path) -> Path:
    """Install into the folder; the installed Python. Raises RuntimeError with the last lines when it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = make_plan(pick_build(Accelerator("cpu"), current_platform(), read_table()), REQUIREMENTS)
    require_space(plan, folder)
    steps = [_here(step, plan) for step in installation_steps(plan, folder, find_uv(folder), REQUIREMENTS)]
    installation = Installation(folder, plan, steps)
    words = ""
    while installation.poll() == "running":
        if installation.words != words:
            words = installation.words
            log.info("%4.0f s  %3.0f %%  %s", installation.seconds, 100 * installation.fraction, words)
        if installation.seconds > INSTALL_SECONDS:
            installation.kill()
            raise RuntimeError(f"The installation took more than {INSTALL_SECONDS} s.")
        time.sleep(POLL_SECONDS)
    if installation.state != "done":
        raise RuntimeError("\n".join((str(installation.error), *installation.last_lines)))
    log.info("installed in %.0f s", installation.seconds)
    return python_of(folder)


def _here(step: InstallationStep, plan: Plan) -> InstallationStep:
    """The step with this machine's Python, with the torch that pip's configuration offers, if it does, and with
    `backend` where the repository has it instead of the extension's folder."""
    there = {plan.python: sys.executable, str(REPOSITORY / "blender_addon"): str(REPOSITORY)}
    command = [there.get(word, word) for word in step.command if word != "--managed-python"]
    offered = _folder_of_torch(plan)
    if offered and "--torch-backend" in command:
        at = command.index("--torch-backend")
        command[at:at + 2] = ["--find-links", offered]
        command = [f"{word}+{plan.build}" if word == plan.torch else word for word in command]
    return replace(step, command=tuple(command))


def _folder_of_torch(plan: Plan) -> str:
    """The folder of pip's `find-links` that has torch for the CPU, "" where there is none."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    folders = [word for line in asked.stdout.splitlines() if "find-links" in line
               for word in line.partition("=")[2].strip("'").split()]
    wheel = f"{plan.torch.replace('==', '-')}+{plan.build}-*.whl"
    return next((folder for folder in folders if list(Path(folder).glob(wheel))), "")


def run_job(python: Path) -> Sequence[Path]:
    """Parts of the example image, made by the installed Python. Raises RuntimeError when it makes none."""
    with tempfile.TemporaryDirectory(prefix="meshwright-real-") as out:
        command = [str(python), "-m", "backend", "generate-parts", "examples/chair.png", "--out", out]
        began = time.monotonic()
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=JOB_SECONDS,
                               check=False, env={**os.environ, "PYTHONNOUSERSITE": "1"})
        files = [path.relative_to(out) for path in Path(out).rglob("*") if path.stat().st_size and path.is_file()]
        meshes = [path for path in files if path.suffix in (".glb", ".obj", ".ply", ".stl")]
        if ended.returncode or not meshes:
            raise RuntimeError(f"The job ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        log.info("the job took %.0f s and made %s", time.monotonic() - began, ", ".join(map(str, meshes)))
        return meshes


def main() -> int:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the engine is installed and kept")
    try:
        run_job(install(parser.parse_args().folder.absolute()))
    except RuntimeError as error:
        log.error("FAILED: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
