# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runtime is doing and how it stands: the state that operators change and the panel draws. No bpy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..backend.contract import ErrorReport, MeshwrightError, Remedy, unwritable_folder
from .accelerator import Accelerator, current_platform, detect, pick_build, read_table
from .installation import Installation, check_steps, installation_steps, require_space
from .removal import Removal
from .runtime import REQUIREMENTS, Condition, Plan, condition, make_plan, python_of, read_requirements
from .runtime_lock import RuntimeLock
from .system_check import require_system
from .uv_binary import find_uv


@dataclass
class RuntimeState:
    """The runtime in one folder. `installation` is also a check; both it and `removal` are None while nothing runs."""

    folder: Path | None = None
    condition: Condition = Condition.MISSING
    words: str = ""
    accelerator: Accelerator | None = None
    note: str = ""
    error: ErrorReport | None = None
    last_lines: tuple[str, ...] = ()
    installation: Installation | None = None
    removal: Removal | None = None
    lock: RuntimeLock | None = None

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self.installation is not None or self.removal is not None

    def look(self, folder: Path) -> None:
        """Read how the runtime in this folder stands. Cheap: for when a panel opens or the folder changes."""
        self.folder = folder
        self.condition, self.words = condition(folder)

    def plan(self) -> Plan:
        """What would be installed here. Looks at the system and the GPU: up to five seconds. Raises MeshwrightError."""
        require_system()
        self.accelerator = detect()
        plan = make_plan(pick_build(self.accelerator, current_platform(), read_table()))
        self.note = plan.note
        return plan

    def install(self, folder: Path) -> None:
        """Begin to install or repair. Raises MeshwrightError before anything is changed."""
        plan = self.plan()
        try:
            require_space(plan, folder)
            steps = installation_steps(plan, folder, find_uv(folder), REQUIREMENTS)
            self.lock = RuntimeLock(folder)
        except OSError as error:
            raise MeshwrightError(f"The folder {folder} cannot be written.", error.strerror or str(error),
                                  "Choose another folder for the engine.", Remedy.CHOOSE_FOLDER) from error
        self._begin(Installation(folder, plan, steps), folder)

    def check(self, folder: Path, python: Path | None = None) -> None:
        """Begin to import everything once: with the folder's own Python, or with one that the artist chose.

        Raises MeshwrightError where the system lacks what it needs.
        """
        require_system()
        plan = Plan(read_requirements(REQUIREMENTS), "", 0)
        steps = check_steps(plan, python or python_of(folder))
        self._begin(Installation(folder, plan, steps, stamped=python is None), folder)

    def remove(self, folder: Path) -> None:
        """Begin to delete what an installation made in the folder. Raises MeshwrightError while another Blender changes
        it."""
        self.look(folder)
        try:
            self.lock = RuntimeLock(folder)
        except OSError as error:
            raise unwritable_folder(folder, error) from error
        self.error, self.removal = None, Removal(folder)

    def cancel(self) -> None:
        """Stop an installation or a check."""
        if self.installation is not None:
            self.installation.cancel()

    def poll(self, installed: Callable[[Path], None]) -> bool:
        """One look; True while something runs. `installed` is told the Python of a runtime that has become ready."""
        if self.installation is not None:
            self._poll_installation(self.installation, installed)
        elif self.removal is not None:
            self._poll_removal(self.removal)
        if not self.busy:
            self.unlock()
        return self.busy

    def unlock(self) -> None:
        """Let other Blenders change the runtime."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def _begin(self, installation: Installation, folder: Path) -> None:
        self.folder, self.error, self.last_lines, self.installation = folder, None, (), installation

    def _poll_installation(self, installation: Installation, installed: Callable[[Path], None]) -> None:
        if installation.poll() == "running" or self.folder is None:
            return
        self.installation, self.error = None, installation.error
        self.last_lines = tuple(installation.last_lines)
        self.look(self.folder)
        if installation.state == "done" and installation.installs:
            installed(python_of(self.folder))

    def _poll_removal(self, removal: Removal) -> None:
        try:
            if not removal.poll():
                return
        except OSError as error:
            self.error = ErrorReport("The engine was not removed completely.", f"{error.filename}: {error.strerror}.",
                                     "Wait until running jobs have finished, and remove it again.", Remedy.RETRY)
        self.removal = None
        if self.folder is not None:
            self.look(self.folder)
