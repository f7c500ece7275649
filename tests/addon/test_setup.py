# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's installer: its stamp, whole runs through a uv written here, and what they stand on."""

import dataclasses
import importlib.machinery
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract import MeshwrightError, Remedy
from blender_addon.setup import installation, tasks, uv_binary
from blender_addon.setup.accelerator import Accelerator, parse_nvidia_smi
from blender_addon.setup.child_process import clean_environment
from blender_addon.setup.diagnostics import memory_bytes, report
from blender_addon.setup.installation import Installation, check_steps, installation_steps
from blender_addon.setup.panel import draw_runtime
from blender_addon.setup.removal import Measurement, Removal
from blender_addon.setup.runtime import Condition, Plan, Stamp, condition, python_of, read_stamp, write_stamp
from blender_addon.setup.runtime_lock import RuntimeLock

H200 = "NVIDIA H200, 580.95.05, 9.0, 143771\n"
PLAN = Plan(("torch==2.13.0", "pillow==13.0.0"), "cpu", 1000)
WAIT = 60.0


def measured(folder: Path) -> int:
    measurement = Measurement(folder)
    assert measurement.poll(WAIT)
    return measurement.bytes


# ------------------------------------------------------------------------------------------------------------- stamp

@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("# comment\ntorch==2.13.0  # networks\npillow==13.0.0\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runtime").mkdir()
    return tmp_path / "runtime"


def test_conditions_follow_the_stamp(folder: Path, requirements: Path) -> None:
    def now() -> Condition:
        return condition(folder, requirements)[0]
    assert now() is Condition.MISSING
    python_of(folder).parent.mkdir(parents=True)
    assert now() is Condition.BROKEN, "an environment without a stamp is half an installation"
    stamp = Stamp(PLAN.digest, "cpu", complete=True)
    write_stamp(folder, stamp)
    assert now() is Condition.BROKEN, "its Python is gone"
    python_of(folder).touch()
    assert now() is Condition.READY
    write_stamp(folder, dataclasses.replace(stamp, problem="torch: ImportError"))
    assert condition(folder, requirements) == (Condition.BROKEN, "torch: ImportError")
    write_stamp(folder, dataclasses.replace(stamp, complete=False))
    assert now() is Condition.BROKEN
    write_stamp(folder, stamp)
    requirements.write_text("torch==2.14.0\npillow==13.0.0\n", encoding="utf-8")
    assert now() is Condition.OUTDATED
    (folder / "runtime.json").write_text('{"cut off')
    assert now() is Condition.BROKEN


# ------------------------------------------------------------------------------------------------- whole installations

def write_program(path: Path, script: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    path.chmod(0o755)
    return path


THIS_PYTHON = f'exec {sys.executable} "$@"'
CONTENT_PYTHON = """echo '{"versions": {"torch": "2.13.0"}, "device": "cpu", "failures": {}}'"""


def write_uv(folder: Path, during_packages: str = "", python: str = CONTENT_PYTHON) -> Path:
    """A uv that talks like the real one; the environment that it makes has `python`, a line of shell, in it."""
    return write_program(folder / "uv", f"""
import os, sys, time
from pathlib import Path
with Path({str(folder / "calls")!r}).open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
def say(text):
    print(text, file=sys.stderr, flush=True)
if sys.argv[1] == "venv":
    bin = Path(sys.argv[-1]) / "bin"
    bin.mkdir(parents=True, exist_ok=True)
    (bin / "python").write_text("#!/bin/sh\\n" + {python!r} + "\\n")
    (bin / "python").chmod(0o755)
    say("Using CPython 3.11.18")
    say(f"cache={{os.environ['UV_CACHE_DIR']}} misled={{'PYTHONPATH' in os.environ or 'UV_PYTHON' in os.environ}}")
elif "--requirement" in sys.argv:
    say("Downloading pillow (6.8MiB)")
{during_packages or '    say(" Downloaded pillow")'}
    say(" + pillow==13.0.0")
else:
    say("Downloading torch (800.0MiB)")
    cache = Path(os.environ["UV_CACHE_DIR"])
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "torch").write_bytes(b"0" * 1000)
    say(" Downloaded torch")
    say(" + torch==2.13.0")
""")


def drive(run: Installation, until: Callable[[], bool] = lambda: False) -> list[float]:
    """Poll like the timer does; returns the fractions seen. Every look must be short."""
    fractions = []
    begin = time.monotonic()
    while not until():
        look = time.monotonic()
        state = run.poll()
        assert time.monotonic() - look < 1.0
        fractions.append(run.fraction)
        if state != "running":
            return fractions
        assert time.monotonic() - begin < WAIT, f"stuck: {run.words} {list(run.last_lines)}"
        time.sleep(0.02)
    return fractions


def begin(folder: Path, uv: Path, requirements: Path) -> Installation:
    return Installation(folder, PLAN, installation_steps(PLAN, folder, uv, requirements))


@pytest.mark.skipif(os.name == "nt", reason="the uv of these tests is a script with a shebang")
class TestInstallations:
    def test_a_whole_one(self, folder: Path, requirements: Path, tmp_path: Path,
                         monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", "/elsewhere")
        monkeypatch.setenv("UV_PYTHON", "2.7")
        run = begin(folder, write_uv(tmp_path, python=THIS_PYTHON), requirements)
        fractions = drive(run)
        assert run.state == "done", (run.error, list(run.last_lines))
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        environment, torch, packages = (tmp_path / "calls").read_text().splitlines()
        assert environment.startswith("venv") and "--python 3.11" in environment
        assert torch.endswith("--torch-backend cpu torch==2.13.0")
        assert packages.endswith(f"--requirement {requirements}")
        assert f"cache={folder / 'cache'} misled=False" in (folder / "installation.log").read_text()
        stamp = read_stamp(folder)
        assert stamp is not None and stamp.complete
        assert stamp.versions["pillow"] == "13.0.0"
        assert stamp.versions["torch"].startswith("2.13.0")
        assert condition(folder, requirements)[0] is Condition.READY

    def test_a_failure_keeps_its_last_lines_and_a_repair_goes_on(self, folder: Path, requirements: Path,
                                                                 tmp_path: Path) -> None:
        failing = '    say("error: No solution found")\n    say("  cause: pillow was not found")\n    sys.exit(1)'
        run = begin(folder, write_uv(tmp_path, failing), requirements)
        drive(run)
        assert run.state == "failed" and run.error is not None
        assert run.error.why == "error: No solution found cause: pillow was not found"
        assert run.error.remedy is Remedy.RETRY
        assert "Downloading pillow" in run.error.details
        assert condition(folder, requirements)[0] is Condition.BROKEN
        assert (folder / "cache" / "torch").exists()
        again = begin(folder, write_uv(tmp_path), requirements)
        drive(again)
        assert again.state == "done"
        assert condition(folder, requirements)[0] is Condition.READY

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_cancel(self, folder: Path, requirements: Path, tmp_path: Path, stubborn: bool) -> None:
        deaf = "    import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
        note = f"    Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        run = begin(folder, write_uv(tmp_path, f"{deaf}{note}    time.sleep(60)"), requirements)
        pid = tmp_path / "pid"
        drive(run, until=lambda: pid.exists() and "downloading pillow (7 MB)" in run.words)
        asked = time.monotonic()
        run.cancel()
        drive(run)
        assert run.state == "cancelled"
        assert time.monotonic() - asked < (4.0 if stubborn else 1.0)
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
        assert condition(folder, requirements)[0] is Condition.BROKEN

    def test_a_package_that_does_not_import(self, folder: Path, tmp_path: Path) -> None:
        plan = dataclasses.replace(PLAN, requirements=("torch==2.13.0", "no-such-package==1.0"))
        write_stamp(folder, Stamp(plan.digest, "cpu", complete=True))
        run = Installation(folder, plan, check_steps(plan, Path(sys.executable)))
        drive(run)
        assert run.state == "failed" and run.error is not None
        assert "no-such-package: ModuleNotFoundError" in run.error.why
        stamp = read_stamp(folder)
        assert stamp is not None and "no-such-package" in stamp.problem
        assert "torch" in stamp.versions

    def test_a_uv_that_cannot_be_started(self, folder: Path, requirements: Path, tmp_path: Path) -> None:
        run = begin(folder, tmp_path / "no-uv", requirements)
        drive(run)
        assert run.state == "failed" and run.error is not None
        assert "no-uv" in run.error.why

    def test_the_state_that_the_buttons_change(self, folder: Path, requirements: Path, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
        uv = write_uv(tmp_path)
        monkeypatch.setattr(tasks, "find_uv", lambda _: uv)
        monkeypatch.setattr(tasks, "REQUIREMENTS", requirements)
        monkeypatch.setattr(tasks, "make_plan", lambda build: PLAN)
        monkeypatch.setattr(tasks, "condition", lambda folder: condition(folder, requirements))
        state, used = tasks.RuntimeState(), []
        state.look(folder)
        assert drawn(state).operators == ["meshwright.install_runtime", "meshwright.copy_diagnostics"]
        state.install(folder)
        assert drawn(state).operators == ["meshwright.cancel_runtime"]
        assert drawn(state).bars[0] == 0.0
        self._finish(state, used)
        assert used == [python_of(folder)]
        assert state.condition is Condition.READY
        assert "AI engine: Ready" in drawn(state).texts
        assert "meshwright.remove_runtime" in drawn(state).operators
        (folder / "image.png").write_text("the artist's own")
        assert measured(folder) > 1000
        state.remove(folder)
        self._finish(state, used)
        assert [path.name for path in folder.iterdir()] == ["image.png"]
        assert state.condition is Condition.MISSING

    @staticmethod
    def _finish(state: tasks.RuntimeState, used: list[Path]) -> None:
        begin = time.monotonic()
        while state.poll(used.append):
            assert time.monotonic() - begin < WAIT
            time.sleep(0.02)


def drawn(state: tasks.RuntimeState) -> "RecordingLayout":
    layout = RecordingLayout()
    draw_runtime(layout, state)
    return layout


class RecordingLayout:
    """Takes what a bpy.types.UILayout takes and keeps it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.operators: list[str] = []
        self.bars: list[float] = []

    def column(self, **_: object) -> "RecordingLayout":
        return self

    row = box = column

    def label(self, text: str = "", icon: str = "NONE") -> None:
        self.texts.append(text)

    def progress(self, factor: float, text: str) -> None:
        self.bars.append(factor)

    def operator(self, name: str, text: str = "", icon: str = "NONE") -> None:
        self.operators.append(name)


# ----------------------------------------------------------------------------------------------------------- the rest

def test_linked_files_count_once(folder: Path) -> None:
    (folder / "cache").mkdir()
    (folder / "env").mkdir()
    (folder / "cache" / "wheel").write_bytes(b"0" * 5000)
    (folder / "env" / "wheel").hardlink_to(folder / "cache" / "wheel")
    assert measured(folder) == 5000


def test_a_removal_works_in_pieces(folder: Path) -> None:
    (folder / "env" / "lib").mkdir(parents=True)
    for index in range(300):
        (folder / "env" / "lib" / str(index)).touch()
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (folder / "env" / "link").symlink_to(outside)
    removal = Removal(folder)
    looks = 1
    while not removal.poll(seconds=0.0):
        looks += 1
    assert looks > 100
    assert not list(folder.iterdir())
    assert (outside / "file").exists(), "a link is removed, not what it leads to"


_HOLDER = """
import sys
from pathlib import Path
import tests.addon.conftest
from blender_addon.setup.runtime_lock import RuntimeLock

lock = RuntimeLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_blender_at_a_time_changes_a_runtime(folder: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(folder)], cwd=Path(__file__).parents[2],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    state = tasks.RuntimeState()
    with pytest.raises(MeshwrightError, match="Another Blender"):
        state.remove(folder)
    assert not state.busy
    holder.kill()
    holder.wait(10)
    holder.stdin.close()
    state.remove(folder)
    with pytest.raises(MeshwrightError, match="Another Blender"):
        RuntimeLock(folder)
    while state.poll(lambda python: None):
        time.sleep(0.01)
    RuntimeLock(folder).release()
    assert not list(folder.iterdir())


def test_the_environment_is_cleaned_but_ways_out_are_kept() -> None:
    kept = {"PATH": "/bin", "HTTPS_PROXY": "http://proxy", "SSL_CERT_FILE": "/file", "UV_DEFAULT_INDEX": "mirror"}
    misleading = {"PYTHONPATH": "x", "PYTHONHOME": "x", "PIP_TARGET": "x", "CONDA_PREFIX": "x", "UV_TARGET": "x",
                  "VIRTUAL_ENV": "x"}
    assert clean_environment(kept | misleading) == kept


def test_uv_is_found_in_a_wheel_as_blender_unpacks_it(folder: Path, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    site, name = tmp_path / "site-packages", uv_binary._NAME
    wheel = tmp_path / "uv-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("uv/__init__.py", "")
        archive.writestr(f"uv-9.9.9.data/scripts/{name}", "the program")
        archive.writestr("uv-9.9.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 9.9.9\n")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # without the executable bit, as Blender does
    monkeypatch.syspath_prepend(site)
    found = uv_binary.find_uv(folder)
    assert found == folder / "bin" / name
    assert found.read_text() == "the program"
    assert os.access(found, os.X_OK)


def test_without_a_wheel_the_path_is_asked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeshwrightError, match="uv is missing") as caught:
        uv_binary.find_uv(folder)
    assert caught.value.report.remedy is Remedy.OPEN_PREFERENCES
    on_path = write_program(tmp_path / uv_binary._NAME, "")
    assert uv_binary.find_uv(folder) == on_path


def test_the_report_names_no_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: folder.parent)
    text = report(folder, Accelerator("nvidia", parse_nvidia_smi(H200)), {"Blender": "5.0.1"},
                  [f"error: {folder}/cache is gone"])
    assert "Blender: 5.0.1" in text
    assert "NVIDIA H200 (140 GiB, driver 580.95.05)" in text
    assert str(folder.parent) not in text
    assert "Nothing is installed yet" in text
    assert memory_bytes() > 2**28


def test_a_full_disk_while_installing(folder: Path, requirements: Path, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(folder))
    monkeypatch.setattr(installation, "write_stamp", full)
    run = begin(folder, tmp_path / "uv", requirements)
    drive(run)
    assert run.state == "failed" and run.error is not None
    assert run.error.why == "The disk is full." and run.error.remedy is Remedy.CHOOSE_FOLDER
