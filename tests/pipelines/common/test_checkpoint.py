# SPDX-License-Identifier: GPL-3.0-or-later
"""One loader for all networks: from safetensors and pickles, renamed, checked, read one tensor at a time."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backend.pipelines.common.checkpoint import empty, fill, open_tensors, shapes_of
from backend.pipelines.common.checkpoint_shapes import CheckpointError


class Small(nn.Module):
    """Two layers, of which the second stays in float32."""

    _keep_in_fp32_modules = ("exact",)

    def __init__(self) -> None:
        super().__init__()
        self.rough, self.exact = nn.Linear(3, 2), nn.Linear(2, 1)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return Small().state_dict()


def test_a_network_has_what_its_file_holds_and_memory_holds_it_once(tmp_path: Path, weights) -> None:
    save_file(weights, tmp_path / "small.safetensors")
    calls: list[int] = []
    network = empty(Small)
    assert all(parameter.is_meta for parameter in network.parameters())
    fill(network, open_tensors(tmp_path / "small.safetensors"), torch.float16, "cpu", lambda: calls.append(1))
    assert len(calls) == 4
    assert (network.rough.weight.dtype, network.exact.weight.dtype) == (torch.float16, torch.float32)
    assert torch.equal(network.exact.bias, weights["exact.bias"])
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())


def test_pickles_of_several_networks(tmp_path: Path, weights) -> None:
    torch.save({"model": weights, "vae": {"decoder": {"weight": torch.ones(3)}}, "epoch": 7}, tmp_path / "all.ckpt")
    stored = open_tensors(tmp_path / "all.ckpt")
    assert stored.under("vae.").shapes == {"decoder.weight": (3,)}
    network = fill(empty(Small), stored.under("model."), torch.float32, "cpu")
    assert torch.equal(network.rough.weight, weights["rough.weight"])


def test_other_names_and_a_change_of_each_tensor(tmp_path: Path, weights) -> None:
    save_file({f"old.{name}": tensor for name, tensor in weights.items()}, tmp_path / "old.safetensors")
    stored = open_tensors(tmp_path / "old.safetensors").renamed(
        lambda name: name.removeprefix("old.") if "bias" not in name else None
    )
    assert set(stored.shapes) == {"rough.weight", "exact.weight"}
    stored = open_tensors(tmp_path / "old.safetensors").under("old.")
    network = fill(empty(Small), stored, torch.float32, "cpu", change=lambda name, weight: weight + len(name))
    assert torch.equal(network.exact.weight, weights["exact.weight"] + len("exact.weight"))


def test_the_first_wrong_tensor_is_named(tmp_path: Path, weights) -> None:
    save_file({**weights, "exact.bias": torch.zeros(9)}, tmp_path / "wrong.safetensors")
    with pytest.raises(CheckpointError, match=r"exact\.bias has shape \[9\] instead of \[1\]"):
        open_tensors(tmp_path / "wrong.safetensors").checked(shapes_of(empty(Small)))


@pytest.mark.parametrize("content", [3, {"epoch": 7}, [torch.zeros(2)]])
def test_a_pickle_without_named_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="no named tensors"):
        open_tensors(tmp_path / "odd.pt")
