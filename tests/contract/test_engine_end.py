# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an engine ended: one sentence, one remedy, and no line of its log in the words."""

import pytest

from backend.contract import Remedy
from backend.contract.engine_end import end_of_engine, is_driver_failure, known_failure

NOISE = ["Loading weights: 100%", "UserWarning: something", "  File \"/x/y.py\", line 3, in run"]


@pytest.mark.parametrize(("status", "line", "words", "remedy"), [
    (-9, "", "SIGKILL), most likely because the memory was full", Remedy.RETRY),
    (-11, "", "crashed (SIGSEGV)", Remedy.RETRY),
    (-6, "terminate called after throwing an instance of 'std::bad_alloc'", "memory was full", Remedy.RETRY),
    (-6, "", "crashed (SIGABRT)", Remedy.RETRY),
    (-15, "", "Another program ended it (SIGTERM)", Remedy.RETRY),
    (-63, "", "Another program ended it (signal 63)", Remedy.RETRY),
    (1, "ModuleNotFoundError: No module named 'torch'", "missing: torch", Remedy.OPEN_PREFERENCES),
    (1, "ImportError: libcudnn.so.9: cannot open shared object file: No such file", "missing: libcudnn.so.9",
     Remedy.OPEN_PREFERENCES),
    (1, "ImportError: DLL load failed while importing _C: The module", "missing: _C", Remedy.OPEN_PREFERENCES),
    (1, "RuntimeError: CUDA error: unspecified launch failure", "GPU driver was reset", Remedy.RETRY),
    (3221225477, "", "accessed memory that is not its own", Remedy.RETRY),
    (3221225781, "", "library of the engine is missing", Remedy.OPEN_PREFERENCES),
    (3, "", "exit code 3", Remedy.RETRY), (None, "", "does not answer", Remedy.RETRY),
])
def test_an_end_has_a_reason(status: int | None, line: str, words: str, remedy: Remedy) -> None:
    report = end_of_engine("The engine stopped unexpectedly.", status, [*NOISE, line])
    assert words in report.why and report.remedy is remedy and report.advice
    assert report.why.count(". ") == 0 and report.why.endswith("."), "one sentence"
    assert not any(noise in str(report) for noise in NOISE) and all(noise in report.details for noise in NOISE)


def test_an_error_of_a_library_is_understood_or_left_alone() -> None:
    assert is_driver_failure("CUDA error: device-side assert triggered")
    assert not is_driver_failure("CUDA out of memory. Tried to allocate 2 GiB")
    assert known_failure("What.", "ValueError: a mistake") is None
    assert known_failure("What.", "No module named 'warp'").remedy is Remedy.OPEN_PREFERENCES
