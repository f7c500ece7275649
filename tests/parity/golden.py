# SPDX-License-Identifier: GPL-3.0-or-later
"""One golden file: weights, inputs, outputs and configuration of one case."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor


def pipeline_named(folder: str) -> str:
    """The pipeline's name in the form of a Python module: folders may write it with dashes."""
    return folder.replace("-", "_")


@dataclass(frozen=True)
class Golden:
    """A safetensors file with tensors `weights.*`, `in.*`, `out.*` and JSON in the metadata; or a JSON file.

    It remembers which outputs were read, so that the runner can name those that nothing was compared with.

    Attributes:
        path: the file.
        pipeline: name of the nearest folder above that is a pipeline, with underscores.
        kind: the declared prefix of the file's name.
    """

    path: Path
    pipeline: str
    kind: str
    _read: set[str] = field(default_factory=set, compare=False)
    _left_out: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def case(self) -> str:
        """Name of the file without its extension."""
        return self.path.stem

    @property
    def variant(self) -> str:
        """What follows the kind in the file's name: `_wide` of `dit_wide`, or nothing."""
        return self.case.removeprefix(self.kind)

    @cached_property
    def metadata(self) -> dict[str, str]:
        with safe_open(self.path, "pt") as file:
            return file.metadata() or {}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The JSON under `config`: sizes and options of the recorded case."""
        return self.json("config")

    @cached_property
    def info(self) -> dict[str, Any]:
        """The JSON under `info`: notes that were recorded with the case."""
        return self.json("info")

    def json(self, key: str) -> dict[str, Any]:
        """The JSON under a key of the metadata, {} where there is none."""
        return json.loads(self.metadata.get(key, "{}"))

    @cached_property
    def document(self) -> Any:
        """The content of a golden file in JSON."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        if self.path.suffix != ".safetensors":
            return {}
        with safe_open(self.path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping

    @property
    def names(self) -> Iterable[str]:
        """Full names of all tensors."""
        return self._tensors.keys()

    def with_prefix(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix`, the prefix removed."""
        return {name.removeprefix(prefix): self._tensor(name) for name in self.names if name.startswith(prefix)}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """State dict of the case, or of its part under `prefix` (with its dot)."""
        return self.with_prefix(f"weights.{prefix}")

    def input(self, name: str) -> Tensor:
        return self._tensor(f"in.{name}")

    def optional_input(self, name: str) -> Tensor | None:
        return self.input(name) if f"in.{name}" in self._tensors else None

    @property
    def inputs(self) -> list[str]:
        """Names of all inputs."""
        return [name.removeprefix("in.") for name in self.names if name.startswith("in.")]

    @property
    def outputs(self) -> list[str]:
        """Names of all outputs."""
        return [name.removeprefix("out.") for name in self.names if name.startswith("out.")]

    def has_output(self, name: str) -> bool:
        return f"out.{name}" in self._tensors

    def output(self, name: str) -> Tensor:
        return self._tensor(f"out.{name}")

    def _tensor(self, name: str) -> Tensor:
        self._read.add(name)
        return self._tensors[name]

    def leave_out(self, name: str, reason: str) -> None:
        """Declare an output that cannot or must not be compared; the runner prints the reason."""
        self._left_out[name] = reason

    @property
    def left_out(self) -> dict[str, str]:
        """Declared outputs that this file really has, with the reason why each is not compared."""
        return {name: reason for name, reason in self._left_out.items() if self.has_output(name)}

    @property
    def unread_outputs(self) -> list[str]:
        """Outputs that nobody asked for, and that were not declared as left out."""
        declared = {f"out.{name}" for name in self._left_out}
        return sorted(name for name in self.outputs if f"out.{name}" not in self._read | declared)

    def named(self, case: str) -> "Golden":
        """The file of that name in the same folder."""
        return Golden(self.path.with_name(f"{case}.safetensors"), self.pipeline, case)

    def sibling(self, kind: str) -> "Golden":
        """Another kind's file in the same folder, from which end-to-end cases take weights.

        It is the one that the configuration names under `weights_from`, or that of the same variant (`dit_wide` for
        `end_to_end_wide`), or the plain one (`dit`), or the only one of its kind.
        """
        named = re.findall(r"[\w-]+(?=\.safetensors)", str(self.config.get("weights_from", "")))
        cases = [case for case in named if case.startswith(kind)] + [f"{kind}{self.variant}", kind]
        only = [path.stem for path in self.path.parent.glob(f"{kind}*.safetensors")]
        cases += only if len(only) == 1 else []
        siblings = [self.named(case) for case in cases]
        return next((sibling for sibling in siblings if sibling.path.is_file()), siblings[0])
