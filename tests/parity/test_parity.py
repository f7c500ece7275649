# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden files of this repository through the runner, and the runner itself."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.parity.__main__ import compare, load_cases, main
from tests.parity.comparison import Comparison

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.rglob("*.safetensors"))

load_cases()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@torch.no_grad()
def test_golden_file(path):
    _, comparisons = compare(path)
    results = list(comparisons)
    assert results
    assert not [(result.name, result.error) for result in results if not result.passed]


def write_attention_case(path: Path, error: float) -> None:
    """The attention case with one expected value moved by `error`."""
    with safe_open(GOLDEN / "partpacker" / "attention.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    tensors["out.self_rms"][0, 0, 0] += error
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, metadata)


def test_runner_tells_right_from_wrong(tmp_path, capsys):
    path = tmp_path / "partpacker" / "attention.safetensors"
    write_attention_case(path, 0.0)
    assert main([str(tmp_path)]) == 0
    write_attention_case(path, 1e-4)
    assert main([str(path)]) == 1
    assert "self_rms" in next(line for line in capsys.readouterr().out.splitlines() if "FAILED" in line)


def test_runner_refuses_unknown_cases_and_missing_files(tmp_path, capsys):
    write_attention_case(tmp_path / "partpacker" / "no_such_case.safetensors", 0.0)
    assert main([str(tmp_path)]) == 1
    assert "no_such_case" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.safetensors")]) == 1
    assert "absent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("actual", "expected", "passed"),
    [
        (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan]), True),
        (torch.tensor([1.0, 0.0]), torch.tensor([1.0, torch.nan]), False),
        (torch.tensor([1.0, torch.inf]), torch.tensor([1.0, torch.inf]), True),
        (torch.zeros(2), torch.zeros(3), False),
        (torch.tensor([1.0 + 1e-5]), torch.tensor([1.0]), True),
        ("abc", "abc", True),
        ("abc", "abd", False),
    ],
)
def test_comparison(actual, expected, passed):
    assert Comparison("value", actual, expected).passed is passed
