# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runtime is planned for known machines, and what the zip carries to build it."""

import dataclasses
import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from backend.contract import MeshwrightError, Remedy
from blender_addon.setup import accelerator, runtime
from blender_addon.setup.accelerator import Accelerator, Gpu, parse_nvidia_smi, pick_build, read_table
from blender_addon.setup.estimate import estimate_words, fitting_words
from blender_addon.setup.installation import require_space

from .test_setup import H200, PLAN, write_program

REPOSITORY = Path(__file__).parents[2]
ANCIENT = "NVIDIA GeForce GTX 1080, 535.183.01, 6.1, 8192\n"
NEW_CARD_OLD_DRIVER = "NVIDIA GeForce RTX 5090, 570.86.10, 12.0, 32607\n"
TOO_OLD = "Tesla K80, 470.256.02, 3.7, 11441\n"


@pytest.mark.parametrize(("smi", "platform", "build", "words"), [
    (H200, "linux-x64", "cu130", ""),
    (H200.replace("580.95.05", "560.94"), "windows-x64", "cu126", "on the CPU: update the driver to 580"),
    (ANCIENT, "linux-x64", "cu126", "need compute capability 7.5"),
    (ANCIENT.replace("535.183.01", "581.15"), "windows-x64", "cu126", "need compute capability 7.5"),
    ("NVIDIA GeForce RTX 3060, 566.36, 8.6, 12288\n", "windows-x64", "cu126", "update the driver to 580"),
    ("NVIDIA GeForce RTX 5070, 572.16, 12.0, 12227\n", "windows-x64", "cpu", "update it to 580"),
    ("NVIDIA GB10, 580.95.05, 12.1, [N/A]\n", "linux-x64", "cu130", ""),
    ("NVIDIA GeForce GTX 970, 391.35, [N/A], 4096\n", "windows-x64", "cpu", "does not say what it can do"),
    (NEW_CARD_OLD_DRIVER, "linux-x64", "cpu", "update it to 580"),
    (NEW_CARD_OLD_DRIVER.replace("570.86.10", "581.15"), "windows-x64", "cu130", ""),
    (TOO_OLD, "linux-x64", "cpu", "compute capability 3.7"),
    (H200 + ANCIENT.replace("535.183.01", "580.95.05"), "linux-x64", "cu126", "on the CPU for NVIDIA GeForce GTX 1080"),
    (H200 + TOO_OLD.replace("470.256.02", "580.95.05"), "linux-x64", "cu130", "Not used: Tesla K80"),
])
def test_the_driver_and_the_gpu_pick_the_build(smi: str, platform: str, build: str, words: str) -> None:
    picked = pick_build(Accelerator("nvidia", parse_nvidia_smi(smi)), platform, read_table())
    assert picked.name == build
    assert words in picked.note
    assert bool(picked.note) == bool(words)


@pytest.mark.parametrize(("kind", "platform", "build"), [
    ("apple", "macos-arm64", "cpu"), ("amd", "linux-x64", "rocm7.2"), ("cpu", "windows-x64", "cpu"),
])
def test_other_machines(kind: accelerator.Kind, platform: str, build: str) -> None:
    picked = pick_build(Accelerator(kind), platform, read_table())
    assert (picked.name, picked.note) == (build, "")


def test_machines_that_torch_has_left() -> None:
    with pytest.raises(MeshwrightError, match="macos-x64"):
        pick_build(Accelerator("cpu"), "macos-x64", read_table())
    assert "CPU" in pick_build(Accelerator("amd"), "windows-x64", read_table()).note


@pytest.mark.parametrize(("adapters", "kind", "note"), [
    (["AMD Radeon RX 7900 XTX"], "amd", "no build for AMD Radeon RX 7900 XTX here"),
    (["Intel(R) Arc(TM) A770 Graphics"], "cpu", "no build for Intel(R) Arc(TM) A770"),
    (["Intel(R) UHD Graphics", "NVIDIA GeForce RTX 4070"], "nvidia", "RTX 4070 was found, but its driver"),
    ([], "cpu", ""),
])
def test_gpus_that_are_not_used_are_named(adapters: list[str], kind: str, note: str) -> None:
    found = accelerator._without_nvidia(adapters)
    picked = pick_build(found, "windows-x64", read_table())
    assert (found.kind, picked.name) == (kind, "cpu") and note in picked.note and bool(note) == bool(picked.note)


def test_the_table_says_what_the_pinned_warp_can_do() -> None:
    """Every GPU of every row is one that warp has code for, or one that the note names."""
    import warp as wp

    table, major = read_table(), wp.get_cuda_toolkit_version()[0]
    assert round(table.warp["compute"] * 10) == min(wp.get_cuda_supported_archs())
    assert (major, table.warp["driver"]) == (13, "580"), "the oldest driver of CUDA 13"
    for row in table.builds:
        if row["accelerator"] != "nvidia":
            continue
        for compute in sorted({*row["compute"], table.warp["compute"]}):
            for driver in (row["driver"], table.warp["driver"]):
                gpu = Gpu("GPU", max(driver, row["driver"], key=accelerator._numbers), compute, 8192)
                note = " ".join(accelerator._why_not_warp((gpu,), row, table.warp))
                runs = compute * 10 >= min(wp.get_cuda_supported_archs()) and (
                    accelerator._numbers(gpu.driver) >= accelerator._numbers(table.warp["driver"]))
                assert runs == (not note), (gpu, note)


def test_nvidia_smi_is_read_and_its_complaints_are_not() -> None:
    assert parse_nvidia_smi(H200) == (Gpu("NVIDIA H200", "580.95.05", 9.0, 143771),)
    for complaint in ("", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
                      "No devices were found\n", "A, B, [N/A], [N/A]\n", "A, [N/A], 9.0, 1\n"):
        assert parse_nvidia_smi(complaint) == ()


def test_nvidia_smi_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "nvidia-smi", f"import sys\nsys.stdout.write({H200!r})\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(accelerator, "current_platform", lambda: "linux-x64")
    assert accelerator.detect().gpus[0].name == "NVIDIA H200"
    monkeypatch.setenv("PATH", "")
    assert accelerator.detect().kind in ("cpu", "amd")


def test_the_table_and_the_requirements_agree() -> None:
    pinned = runtime.read_requirements(REPOSITORY / "backend" / "requirements.txt")
    assert all("==" in line for line in pinned)
    version = next(line for line in pinned if line.startswith("torch==")).partition("==")[2]
    assert f"torch {'.'.join(version.split('.')[:2])} " in json.loads(accelerator.TABLE.read_text())["about"]


def test_the_plan_changes_with_what_matters() -> None:
    others = (dataclasses.replace(PLAN, python="3.12"), dataclasses.replace(PLAN, build="cu130"),
              dataclasses.replace(PLAN, requirements=("torch==2.13.0", "pillow==13.0.1")))
    assert len({PLAN.digest, *(plan.digest for plan in others)}) == 4
    assert dataclasses.replace(PLAN, disk_bytes=1, note="x").digest == PLAN.digest


def test_room_on_the_disk(tmp_path: Path) -> None:
    require_space(PLAN, tmp_path / "not" / "yet")
    with pytest.raises(MeshwrightError, match="not enough disk space") as caught:
        require_space(dataclasses.replace(PLAN, disk_bytes=10**17), tmp_path / "not" / "yet")
    assert caught.value.report.remedy is Remedy.CHOOSE_FOLDER


def test_the_wheels_in_the_zip_serve_every_python() -> None:
    wheels = tomllib.loads((REPOSITORY / "wheels" / "wheels.lock").read_text(encoding="utf-8"))["wheel"]
    served = [platform for wheel in wheels for platform in wheel["platforms"]]
    assert sorted(served) == ["linux-x64", "macos-arm64", "windows-x64"]
    for wheel in wheels:
        name, version, python, abi, _ = wheel["file"].removesuffix(".whl").split("-")
        assert (name, version, python, abi) == (wheel["name"], wheel["version"], "py3", "none")
        assert re.fullmatch(r"[0-9a-f]{64}", wheel["sha256"])


def test_an_estimate_comes_before_the_installation() -> None:
    rtx = Accelerator("nvidia", (Gpu("RTX 3060", "580.10", 8.6, 12288),))
    assert estimate_words(rtx, "linux-x64") == "3.5 GB download, 9 GB on disk, about 8 minutes at 100 Mbit/s"
    assert estimate_words(Accelerator("cpu"), "windows-x64") == (
        "1 GB download, 3.5 GB on disk, about 3 minutes at 100 Mbit/s")
    assert estimate_words(None, "linux-x64") == (
        "1 to 6 GB download, 3.5 to 20 GB on disk, about 3 to 15 minutes at 100 Mbit/s")
    assert estimate_words(None, "macos-x64") == "", "there is no engine for it"
    assert "PartPacker" in fitting_words(rtx) and fitting_words(Accelerator("cpu")) == ""
    assert fitting_words(Accelerator("nvidia", (Gpu("GT 710", "580.10", 8.6, 100),))) == ""
