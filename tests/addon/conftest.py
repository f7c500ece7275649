# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-on tests run inside the `bpy` module, with settings of their own, and import the add-on from the repository.

In the zip the backend is a folder of the add-on; in the repository it stands beside it. Both names are one here.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Before anything imports bpy: tests must not see or change the user's own preferences.
_SCRATCH = tempfile.mkdtemp(prefix="meshwright-blender-")
os.environ.setdefault("BLENDER_USER_RESOURCES", _SCRATCH)
os.environ.setdefault("OMP_NUM_THREADS", "1")

import bpy  # noqa: E402  before torch, as in Blender
import pytest  # noqa: E402

ALIAS = "blender_addon.backend"
PACKAGE = "bl_ext.user_default.meshwright"
REPOSITORY = Path(__file__).parents[2]
WORKER_PYTHON = Path(os.environ.get("MESHWRIGHT_PYTHON") or sys.executable)
"""Has the backend's libraries; this Python may have an older bpy module and no torch."""


@dataclass(frozen=True)
class Extension:
    """The installed extension."""

    package: str

    def module(self, name: str) -> types.ModuleType:
        """One of its modules, by its name inside the zip."""
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def preferences(self) -> bpy.types.AddonPreferences:
        """What the artist set."""
        return bpy.context.preferences.addons[self.package].preferences


class _OneBackend(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `blender_addon.backend.x` the very module `backend.x`, so that every class exists once."""

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: types.ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name != ALIAS and not name.startswith(ALIAS + "."):
            return None
        real = name.removeprefix("blender_addon.")
        return importlib.util.spec_from_loader(name, self) if importlib.util.find_spec(real) else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(spec.name.removeprefix("blender_addon."))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        # The import system has just put the alias's spec on the module: give it its own back.
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.insert(0, _OneBackend())

_status = 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without Python's own tidying up, in which Blender 4.2 crashes and 4.5 hangs.

    All reports, also those of other folders in the same run, are written by now.
    """
    shutil.rmtree(_SCRATCH, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as `build_addon.py` packs and checks it, without the installer's wheels."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, str(REPOSITORY / "build_addon.py"), "--no-wheels", "--out", str(folder)],
                   check=True, capture_output=True)
    return next(folder.glob("*.zip"))


@pytest.fixture(scope="session")
def installed(extension_zip: Path) -> str:
    """The built zip, installed into Blender as on the artist's desk; returns the extension's package."""
    ended = bpy.ops.extensions.package_install_files(filepath=str(extension_zip), repo="user_default",
                                                     enable_on_install=False)
    assert ended == {"FINISHED"}
    return PACKAGE


@pytest.fixture(scope="module")
def extension(installed: str) -> Iterator[Extension]:
    """The installed extension, enabled with the preferences that it comes with; off again after the module."""
    import addon_utils  # found only once bpy is there

    assert addon_utils.enable(installed, default_set=True) is not None
    yield Extension(installed)
    addon_utils.disable(installed, default_set=True)


@pytest.fixture
def scene() -> bpy.types.Scene:
    """An empty scene of an empty file; enabled extensions stay enabled."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.ed.undo_push(message="Empty file")
    return bpy.context.scene
