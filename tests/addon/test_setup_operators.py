# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's buttons in headless Blender: when they may be pressed, and one installation pressed through."""

import os
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from backend.contract import MeshwrightError
from blender_addon.setup import operators, tasks
from blender_addon.setup.runtime import Condition, condition, python_of

from .test_setup import PLAN, WAIT, write_uv

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the uv of these tests is a script with a shebang")


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """The add-on's preferences with a runtime folder of the artist's; the buttons are registered, nothing runs."""
    settings = types.SimpleNamespace(runtime_folder=str(tmp_path / "runtime"), backend_python="")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(PLAN.requirements))
    monkeypatch.setattr(operators.preferences, "own", lambda: settings)
    monkeypatch.setattr(operators, "_state", tasks.RuntimeState())
    monkeypatch.setattr(tasks, "make_plan", lambda build: PLAN)
    monkeypatch.setattr(tasks, "REQUIREMENTS", requirements)
    monkeypatch.setattr(tasks, "condition", lambda folder: condition(folder, requirements))
    monkeypatch.setattr(tasks, "find_uv", lambda _: write_uv(tmp_path))
    for cls in operators.CLASSES:
        bpy.utils.register_class(cls)
    before = bpy.context.preferences.system.use_online_access
    yield settings
    bpy.context.preferences.system.use_online_access = before
    operators.stop()
    assert not bpy.app.timers.is_registered(operators.poll_once)
    for cls in reversed(operators.CLASSES):
        bpy.utils.unregister_class(cls)


def finish() -> None:
    """Call the timer's function as Blender's window would."""
    begin = time.monotonic()
    while operators.poll_once() is not None:
        assert time.monotonic() - begin < WAIT
        time.sleep(0.02)


def test_nothing_is_fetched_without_leave(chosen: types.SimpleNamespace) -> None:
    bpy.context.preferences.system.use_online_access = False
    assert not bpy.ops.meshwright.repair_runtime.poll()
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.meshwright.install_runtime()
    assert bpy.ops.meshwright.check_runtime.poll(), "checking and removing need no network"
    assert bpy.ops.meshwright.remove_runtime.poll()
    assert "--offline-mode" in operators.online_complaint(online_access=False, overridden=True)
    assert operators.online_complaint(online_access=True, overridden=False) == ""


def test_install_check_and_remove(chosen: types.SimpleNamespace) -> None:
    bpy.context.preferences.system.use_online_access = True
    folder = Path(chosen.runtime_folder)
    assert bpy.ops.meshwright.install_runtime() == {"FINISHED"}
    assert bpy.app.timers.is_registered(operators.poll_once)
    with pytest.raises(RuntimeError, match="being installed"):
        bpy.ops.meshwright.repair_runtime()
    finish()
    assert operators.runtime_state().condition is Condition.READY
    assert chosen.backend_python == str(python_of(folder)), "the preference is filled in"
    bpy.ops.meshwright.check_runtime()
    finish()
    assert operators.runtime_state().condition is Condition.READY
    bpy.ops.meshwright.remove_runtime()
    finish()
    assert operators.runtime_state().condition is Condition.MISSING
    assert list(folder.iterdir()) == []


def test_cancel(chosen: types.SimpleNamespace) -> None:
    bpy.context.preferences.system.use_online_access = True
    bpy.ops.meshwright.install_runtime()
    operators.poll_once()
    bpy.ops.meshwright.cancel_runtime()
    finish()
    assert operators.runtime_state().condition is Condition.BROKEN
    assert chosen.backend_python == ""


def test_checking_a_python_of_the_artists_leaves_no_runtime_behind(chosen: types.SimpleNamespace) -> None:
    chosen.backend_python = sys.executable
    operators.runtime_state()
    bpy.ops.meshwright.check_runtime()
    finish()
    assert operators.runtime_state().error is None
    assert operators.runtime_state().condition is Condition.MISSING


def test_the_diagnostics_are_copied(chosen: types.SimpleNamespace) -> None:
    assert bpy.ops.meshwright.copy_diagnostics() == {"FINISHED"}


def test_the_worker_ends_before_the_runtime_changes(chosen: types.SimpleNamespace,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.context.preferences.system.use_online_access = True
    ends: list[str] = []

    def refuse() -> None:
        ends.append("refused")
        raise MeshwrightError("The engine is busy.", "A job is running.", "Wait.")

    monkeypatch.setattr(operators, "_end_worker", None)
    operators.register(refuse)
    for name in ("install_runtime", "repair_runtime", "remove_runtime"):
        with pytest.raises(RuntimeError, match="engine is busy"):
            getattr(bpy.ops.meshwright, name)()
    assert len(ends) == 3 and not operators.runtime_state().busy
    operators.register(lambda: ends.append("ended"))
    assert bpy.ops.meshwright.remove_runtime() == {"FINISHED"} and ends[-1] == "ended"
    finish()
