# SPDX-License-Identifier: GPL-3.0-or-later
"""One golden file: weights, inputs, outputs and configuration of one case."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """A safetensors file with tensors `weights.*`, `in.*`, `out.*` and JSON in the metadata key `config`.

    The file's stem names the case; the nearest folder above it that is a known pipeline names the pipeline.
    """

    path: Path
    pipeline: str
    case: str

    @classmethod
    def open(cls, path: Path, pipelines: set[str]) -> "Golden":
        """Raises ValueError when no folder above `path` is one of `pipelines`."""
        for folder in path.resolve().parents:
            if folder.name in pipelines:
                return cls(path, folder.name, path.stem)
        raise ValueError(f"{path}: no folder above the file is named like a pipeline ({', '.join(sorted(pipelines))})")

    @cached_property
    def config(self) -> dict[str, Any]:
        with safe_open(self.path, "pt") as file:
            return json.loads((file.metadata() or {}).get("config", "{}"))

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the file under its full name."""
        with safe_open(self.path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping

    def with_prefix(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix`, the prefix removed."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """State dict of the case, or of its part under `prefix` (with its dot)."""
        return self.with_prefix(f"weights.{prefix}")

    def input(self, name: str) -> Tensor:
        return self.tensors[f"in.{name}"]

    def output(self, name: str) -> Tensor:
        return self.tensors[f"out.{name}"]

    def sibling(self, case: str) -> "Golden":
        """Another case's file in the same folder (end-to-end cases take their weights from there)."""
        return Golden(self.path.with_name(f"{case}.safetensors"), self.pipeline, case)
