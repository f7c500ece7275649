# SPDX-License-Identifier: GPL-3.0-or-later
"""The check before the start, and memory that is given back: idle, and before Cycles."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from .conftest import Extension
from .jobs_at_work import until
from .test_panels import drawn

GPUS, PROGRAMS = "0, 6144, 12288\n", "4711, 2048\n815, 1024\n"


@pytest.fixture
def module(extension: Extension) -> Iterator[object]:
    """The module as it knows no GPU."""
    found = extension.module("gpu_memory")
    found.unregister()
    yield found
    found.unregister()


def test_what_the_engine_holds_counts_as_free(module: object) -> None:
    assert module.parsed(GPUS, PROGRAMS, 0) == {0: module.GpuMemory(6.0, 12.0)}
    assert module.parsed(GPUS, PROGRAMS, 4711) == {0: module.GpuMemory(8.0, 12.0)}
    several = module.parsed(GPUS + "1, 20480, 24576\n", PROGRAMS, 4711)
    assert several == {0: module.GpuMemory(6.0, 12.0), 1: module.GpuMemory(20.0, 24.0)}
    assert module.parsed("NVIDIA-SMI has failed\n", "[N/A], [N/A]\n", 1) == {}


def test_the_driver_is_asked_without_waiting(module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[Callable[[], float | None]] = []
    monkeypatch.setattr(bpy.app.timers, "register", lambda function, **_: timers.append(function))
    monkeypatch.setattr(bpy.app.timers, "is_registered", lambda _: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    module.look()
    assert not timers and module.memory() is None, "no driver"
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ncase "$1" in *gpu*) echo "0, 6144, 12288";; *) echo "4711, 2048";; esac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    module.look()
    module.look()
    assert len(timers) == 1, "one question at a time"
    until(lambda: timers[0]() is None, seconds=10)
    assert module.memory() == module.GpuMemory(6.0, 12.0)


def test_the_panel_says_what_fits_before_the_start(extension: Extension, module: object,
                                                   scene: bpy.types.Scene) -> None:
    task, group = "hunyuan3d_shape_generate_shape", scene.meshwright.hunyuan3d_shape_generate_shape
    group.weights = next(item.identifier for item in group.bl_rna.properties["weights"].enum_items
                         if item.name == "Hunyuan3D 2.1")

    def words(free: float) -> str:
        module._found[0] = module.GpuMemory(free, 12.0)
        return " ".join(drawn(extension, task))

    assert "Fits: 8.5 of 10.0 GiB of free GPU memory." in words(10.0)
    assert "Fits in the slower Balanced mode: 6.9 of 7.0 GiB" in words(7.0)
    assert "Needs 2.5 GiB of GPU memory, 1.0 of 12 GiB are free." in words(1.0)
    extension.preferences.memory_mode = "full"
    assert "Needs 8.5 GiB" in words(7.0), "the artist's own choice of mode is not overruled"
    extension.preferences.property_unset("memory_mode")
    group.property_unset("weights")
    assert "GPU memory" not in words(10.0) and "Needs 0.5 GiB" in words(0.2), "a demo model fits, mostly"
    extension.preferences.device = "cpu"
    assert module.memory() is None
    extension.preferences.property_unset("device")


def test_idle_models_are_unloaded_once(extension: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    release, freed = extension.module("memory_release"), []
    monkeypatch.setattr(release.jobs, "free_memory", lambda: freed.append(True))
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(release, "time", SimpleNamespace(monotonic=lambda: clock.now))
    running, ended = [SimpleNamespace(ended=False)], [SimpleNamespace(ended=True)]
    release.follow(running)
    release.follow(ended)
    for minutes, expected in ((9, 0), (2, 1), (30, 1)):
        clock.now += 60 * minutes
        release.follow(ended)
        assert len(freed) == expected
    extension.preferences.idle_minutes = 0
    release.follow(running)
    release.follow(ended)
    clock.now += 60 * 60
    release.follow(ended)
    assert len(freed) == 1, "never"
    extension.preferences.property_unset("idle_minutes")


def test_cycles_on_the_gpu_gets_the_memory(extension: Extension, scene: bpy.types.Scene,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    release, freed = extension.module("memory_release"), []
    monkeypatch.setattr(release.jobs, "free_memory", lambda: freed.append(True))
    assert release._before_render in bpy.app.handlers.render_init
    for engine, device, expected in (("BLENDER_WORKBENCH", "GPU", 0), ("CYCLES", "CPU", 0), ("CYCLES", "GPU", 1)):
        scene.render.engine, scene.cycles.device = engine, device
        for handler in bpy.app.handlers.render_init:
            if handler is release._before_render:
                handler(scene)
        assert len(freed) == expected
    extension.preferences.free_for_cycles = False
    release._before_render(scene)
    assert len(freed) == 1
    extension.preferences.property_unset("free_for_cycles")
