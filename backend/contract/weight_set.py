# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of weights and the models that several pipelines share: files, license, size, memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .license import License
from .parameter import Value
from .resources import MEMORY_MODES, MemoryMode


@dataclass(frozen=True)
class WeightFile:
    """One file of a published checkpoint on the hub.

    `local` is its path in the weights' own folder. The rest pins it, where it is known beforehand: its exact size in
    bytes, its SHA-256, and the repository's revision as a commit's 40 digits. Without a revision a download fixes the
    newest one at its start.
    """

    repository: str
    remote: str
    local: str
    bytes: int | None = None
    sha256: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Component:
    """A model that several pipelines use (an image encoder, a background remover): fetched once, listed once.

    Its files lie in a folder of its own, called `name`, below the shared models.
    """

    name: str
    label: str
    description: str
    files: tuple[WeightFile, ...]
    license: License
    gigabytes: float


@dataclass(frozen=True)
class WeightSet:
    """One set of weights of a pipeline: the small starter set in the extension, or a published checkpoint.

    Attributes:
        gigabytes: size of `files` on the disk, without the components.
        memory: GiB of GPU memory that a usual job takes, by memory mode; a mode that is absent is not offered.
        tasks: names of the tasks that it serves; empty for all.
        needs: names of inputs without which it cannot run a task, besides the task's own required ones.
        takes: names of the task's optional inputs that it can use; None for all.
        components: shared models that are downloaded along with it.
        parameter_defaults: defaults of parameters that suit these weights, by parameter name.
        preset_values: what a preset of the task means with these weights, by preset and parameter name, where it
            differs.
        folder: sets of a pipeline with the same folder share their files there; by default the folder has its name.
    """

    name: str
    label: str
    description: str
    files: tuple[WeightFile, ...]
    license: License
    gigabytes: float
    memory: Mapping[MemoryMode, float]
    bundled: bool = False
    tasks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] | None = None
    components: tuple[Component, ...] = ()
    parameter_defaults: Mapping[str, Value] = field(default_factory=dict)
    preset_values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    folder: str = ""

    @property
    def label_within_text(self) -> str:
        """The label as it reads inside a sentence: "published", but "SD 1.5"."""
        return self.label if self.label[:2].isupper() else self.label.lower()

    @property
    def memory_modes(self) -> tuple[MemoryMode, ...]:
        """The modes that these weights can run in, the fastest first."""
        return tuple(mode for mode in MEMORY_MODES if mode in self.memory)

    @property
    def memory_gib(self) -> float:
        """GiB of GPU memory in the fastest mode."""
        return self.memory[self.memory_modes[0]]

    def serves(self, task: str) -> bool:
        """Whether the task of that name can run with these weights."""
        return not self.tasks or task in self.tasks

    def can_take(self, wanted: str) -> bool:
        """Whether the optional input of that name has a use with these weights."""
        return self.takes is None or wanted in self.takes or wanted in self.needs
