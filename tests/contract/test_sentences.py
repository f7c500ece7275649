# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences end once, also those that quote a system or a library."""

import pytest

from backend.contract import ErrorReport
from backend.contract.error import sentence


@pytest.mark.parametrize(("text", "expected"), [
    ("No space left on device", "No space left on device."), ("It broke.", "It broke."), ("It broke..", "It broke."),
    ("Wait…", "Wait…"), ("Wait...", "Wait..."), ("Why?", "Why?"), (" It broke. \n", "It broke."), ("", ""),
    ("invalid positions (NaN)", "invalid positions (NaN)."),
])
def test_a_sentence_ends_once(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_an_error_reads_as_sentences() -> None:
    report = ErrorReport("The folder cannot be written.", "No space left on device", "Free some space..")
    assert str(report) == "The folder cannot be written. No space left on device. Free some space."
    assert report.lines == "The folder cannot be written.\nNo space left on device.\nFree some space.\n"
    assert str(ErrorReport("It broke.", "", "")) == "It broke."
