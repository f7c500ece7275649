# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden files of this repository through the runner, and the runner itself."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from backend.pipelines.partpacker.denoiser import PartPackerDenoiser, timestep_frequencies
from tests.parity.__main__ import compare, golden_files, main
from tests.parity.comparison import Comparison
from tests.parity.kinds import case_of, load_kinds

GOLDEN = Path(__file__).parent / "golden"

load_kinds()
FILES = golden_files([GOLDEN])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@torch.no_grad()
def test_golden_file(path):
    results = list(compare(path)[1])
    is_companion = case_of(path)[1] is None
    assert bool(results) is not is_companion
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


@torch.no_grad()
def test_sizes_are_read_from_the_golden_file(tmp_path):
    """A case of other width, depth, heads, tokens and condition width than any file here, made by our own network."""
    torch.manual_seed(0)
    denoiser = PartPackerDenoiser(width=40, layers=2, heads=5, latent_width=6, condition_width=24)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    outputs = []
    for layer in denoiser.layers:
        layer.register_forward_hook(lambda _module, given, result: outputs.append((given, result)))
    x, t, condition = torch.randn(3, 22, 6), torch.tensor([3.0, 500.0, 77.0]), torch.randn(3, 9, 24)
    y = denoiser(x, t, condition)
    tensors = {f"weights.{name}": tensor for name, tensor in denoiser.state_dict().items()}
    tensors |= {"in.x": x, "in.t": t, "in.c": condition, "out.t_freq": timestep_frequencies(t), "out.y": y}
    tensors |= {"out.h_in": outputs[0][0][0], "out.t_emb": outputs[0][0][1]}
    tensors |= {f"out.layer{i}": result for i, (_, result) in enumerate(outputs)}
    config = {"hidden_dim": 40, "num_heads": 5, "num_layers": 2, "latent_size": 11, "latent_dim": 6}
    path = tmp_path / "partpacker" / "dit.safetensors"
    path.parent.mkdir()
    save_file(tensors, path, {"config": json.dumps(config)})
    assert main([str(path)]) == 0


def test_runner_refuses_unknown_kinds_and_missing_files(tmp_path, capsys):
    write_attention_case(tmp_path / "partpacker" / "no_such_case.safetensors", 0.0)
    write_attention_case(tmp_path / "partpacker" / "attention_again.safetensors", 0.0)
    (tmp_path / "partpacker" / "no_such_table.json").write_text("{}")
    assert main([str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "no_such_case" in output.err and "no_such_table" in output.err
    assert "attention_again" in output.out
    assert main([str(tmp_path / "absent.safetensors")]) == 1
    assert "absent" in capsys.readouterr().err


def test_outputs_that_nothing_was_compared_with_are_failures(tmp_path, capsys):
    path = tmp_path / "partpacker" / "attention.safetensors"
    write_attention_case(path, 0.0)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        save_file(tensors | {"out.another": torch.zeros(1)}, path, file.metadata())
    assert main([str(path)]) == 1
    assert "not compared: another" in capsys.readouterr().out


def test_a_companion_alone_proves_nothing(tmp_path):
    path = tmp_path / "partpacker" / "bipartite_expected.json"
    path.parent.mkdir()
    path.write_text("{}")
    assert main([str(path)]) == 1


def test_a_damaged_file_does_not_hide_the_others(tmp_path, capsys):
    write_attention_case(tmp_path / "partpacker" / "attention.safetensors", 0.0)
    save_file({"out.y": torch.zeros(1)}, tmp_path / "partpacker" / "dit_without_inputs.safetensors", {"config": "{}"})
    assert main([str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "self_rms" in output.out and "dit_without_inputs" in output.err


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
