# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of weights with something wrong in them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def weight_files(folder: Path) -> list[Path]:
    """All files with tensors below a folder, from there."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*.safetensors"))


def damaged_copy(folder: Path, file: Path, fault: Callable[[Path], str], place: Path) -> tuple[Path, str]:
    """A copy of the folder with that fault in that file, and the word that an error about it holds."""
    shutil.copytree(folder, place, copy_function=_link)
    content = (folder / file).read_bytes()
    (place / file).unlink()
    (place / file).write_bytes(content)
    return place, fault(place / file)


def not_numbers(path: Path) -> str:
    """Every value is NaN, but for whole numbers."""
    _save({name: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor
           for name, tensor in load_file(path).items()}, path)
    return ""


def missing_tensor(path: Path) -> str:
    """The largest tensor is left out."""
    tensors = load_file(path)
    name = _largest(tensors)
    _save({other: tensor for other, tensor in tensors.items() if other != name}, path)
    return name


def wrong_shape(path: Path) -> str:
    """The largest tensor has one value more."""
    tensors = load_file(path)
    name = _largest(tensors)
    _save({**tensors, name: torch.zeros(tensors[name].numel() + 1)}, path)
    return name


def cut_off(path: Path) -> str:
    """Only the first two thirds are there."""
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    return path.name


def _largest(tensors: Mapping[str, torch.Tensor]) -> str:
    return max(sorted(tensors), key=lambda name: tensors[name].numel())


def _save(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
