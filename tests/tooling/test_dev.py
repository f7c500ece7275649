# SPDX-License-Identifier: GPL-3.0-or-later
"""dev.py: what it finds, what it says where something lacks, and that no failure is counted as a success."""

import ctypes
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import dev
from tests.suites import Outcome, Suite

REPOSITORY = Path(__file__).resolve().parents[2]
EMPTY_REPORT = '<testsuites><testsuite tests="{0}" failures="{1}" errors="{2}" skipped="{3}"/></testsuites>'


def test_finds_a_python_that_can_make_the_environment() -> None:
    answer = subprocess.run([dev.find_python(), "-c", "import ensurepip, sys; print(*sys.version_info[:2])"],
                            capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout.split() == ["3", "11"]


def test_without_python_3_11_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SystemExit) as end:
        dev.find_python()
    assert end.value.code == 1
    assert "Python 3.11" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems bring these libraries")
def test_missing_system_libraries_become_one_install_line(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    def load(name: str) -> object:
        if name in ("libSM.so.6", "libXi.so.6"):
            raise OSError(f"{name}: cannot open shared object file")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(SystemExit) as end:
        dev.setup()
    assert end.value.code == 1
    assert [line.strip() for line in capsys.readouterr().err.splitlines() if "apt-get" in line] == [
        "sudo apt-get install -y libxi6 libsm6"]


def test_set_up_again_when_a_pin_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("numpy==1.26.4\n")
    monkeypatch.setattr(dev, "REQUIREMENTS", (pins,))
    monkeypatch.setattr(dev, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(dev, "VENV_PYTHON", Path(sys.executable))
    assert not dev.is_set_up()
    dev.STAMP.write_text(f'{{"requirements": "{dev.requirements_hash()}"}}')
    assert dev.is_set_up()
    pins.write_text("numpy==1.26.3\n")
    assert not dev.is_set_up()


def test_torch_is_the_build_without_a_gpus_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    from_index, by_uv, default = dev.torch_commands()
    assert from_index[-1] == f"{dev.TORCH}+cpu"
    assert by_uv[1:5] == ["-m", "uv", "pip", "install"] and by_uv[-3:] == ["--torch-backend", "cpu", dev.TORCH]
    assert default[-1] == dev.TORCH
    monkeypatch.setattr(sys, "platform", "win32")
    assert dev.torch_commands() == [default], "elsewhere the registry's own build has no GPU's code"


def test_uv_is_the_one_that_the_extension_carries() -> None:
    wheels = tomllib.loads((REPOSITORY / "wheels" / "wheels.lock").read_text(encoding="utf-8"))["wheel"]
    pins = dev.DEVELOPMENT_REQUIREMENTS.read_text(encoding="utf-8").split()
    assert {f"uv=={wheel['version']}" for wheel in wheels if wheel["name"] == "uv"} == {
        pin for pin in pins if pin.startswith("uv==")}


def _talking(words: str, code: int) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({words!r}); sys.exit({code})"]


def test_an_installation_takes_the_next_way_where_one_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    third = tmp_path / "third"
    status = dev.StatusLine()
    dev.install("torch", status, _talking("no such index", 1), _talking("Downloading torch-2", 0),
                [sys.executable, "-c", f"open({str(third)!r}, 'w')"])
    assert not third.exists()
    with pytest.raises(SystemExit):
        dev.install("torch", status, _talking("no such index", 1), _talking("no route", 2))
    told = capsys.readouterr().err
    assert "could not install torch" in told and "no route" in told and "no such index" not in told


@pytest.mark.parametrize(("report", "expected"), [
    (EMPTY_REPORT.format(7, 2, 1, 1), (3, 3, 1)),
    (EMPTY_REPORT.format(4, 0, 0, 0), (4, 0, 0)),
    ("<testsuites><testsu", (0, 1, 0)),
    (None, (0, 1, 0)),
])
def test_counts_a_report_and_its_absence(report: str | None, expected: tuple[int, int, int], tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    if report is not None:
        path.write_text(report)
    assert dev.count(path) == expected


@pytest.mark.parametrize(("arguments", "expected"), [
    ([], dev.SUITES),
    (["-x"], {name: [*words, "-x"] for name, words in dev.SUITES.items()}),
    (["tests/addon", "-k", "jobs"], {"inside Blender": ["tests/addon", "-k", "jobs"]}),
    (["tests/tooling/test_dev.py::test_counts"], {"without Blender": ["tests/tooling/test_dev.py::test_counts"]}),
])
def test_paths_choose_the_suite_and_options_go_to_all(arguments: list[str], expected: dict[str, list[str]]) -> None:
    assert dev.suite_commands(arguments) == expected


@pytest.mark.parametrize(("ending", "report", "code"), [
    (0, EMPTY_REPORT.format(5, 0, 0, 0), 0),
    (1, EMPTY_REPORT.format(5, 1, 0, 0), 1),
    (-11, EMPTY_REPORT.format(5, 0, 0, 0), 1),  # died after its last test
    (124, None, 1),
    (0, EMPTY_REPORT.format(0, 0, 0, 0), 1),  # ran nothing
])
def test_last_line_and_exit_code_are_true(ending: int, report: str | None, code: int, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def pretend(suites: list[Suite], _seconds: float, _show: object) -> list[Outcome]:
        for suite in suites:
            if report is not None:
                suite.report.write_text(report)
        return [Outcome(suite.title, *dev.count(suite.report), ending) for suite in suites]

    monkeypatch.setattr(dev, "setup", lambda: None)
    monkeypatch.setattr(dev, "HERE", tmp_path)
    monkeypatch.setattr(dev, "OUT", tmp_path)
    monkeypatch.setattr(dev, "run_side_by_side", pretend)
    assert dev.test([]) == code
    passed, failed = (int(word.split()[0]) for word in capsys.readouterr().out.splitlines()[-1].split(", "))
    assert (failed > 0) == (code == 1)
    in_each = 0 if report is None or 'tests="0"' in report else 5 - report.count('failures="1"')
    assert passed == in_each * len(dev.SUITES)


def test_a_hanging_command_is_killed_with_its_children() -> None:
    begin = time.monotonic()
    sleeper = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    assert dev.run([sys.executable, "-c", sleeper], 1.0) == 124
    assert time.monotonic() - begin < 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no polite signal")
def test_a_terminated_dev_py_ends_what_it_started(tmp_path: Path) -> None:
    """A suite runs in a process group of its own, which a signal to dev.py does not reach."""
    alive, survived = tmp_path / "alive", tmp_path / "survived"
    suite = (f"import pathlib, time; pathlib.Path({str(alive)!r}).touch(); time.sleep(3); "
             f"pathlib.Path({str(survived)!r}).touch()")
    script = ("import sys, dev; sys.argv = ['dev.py', 'lint']; "
              f"dev.lint = lambda: dev.run([sys.executable, '-c', {suite!r}], 60); dev.main()")
    process = subprocess.Popen([sys.executable, "-c", script], cwd=dev.HERE)
    deadline = time.monotonic() + 20
    while not alive.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=20) == 143
    time.sleep(3.5)
    assert alive.is_file()
    assert not survived.is_file()
