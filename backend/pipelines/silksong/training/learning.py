# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learned: the next token of objects drawn by the curriculum, given noisy points of them.

See docs/algorithms/silksong.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from ..point_encoder import SilksongConditioner
from ..transformer import IGNORED, SilksongTransformer
from .pool import Pool
from .presets import TrainingPreset
from .surface_points import sample_points, with_noise

FACES_PER_CLASS = 100
LENGTH_STEP = 32
"""Sequences are padded to a multiple of this, so that few shapes occur."""

Group = tuple[Tensor, Tensor]
"""Points [B, P, 6] and tokens [B, L] of objects of similar length."""


class SilksongLearner(nn.Module):
    """Both networks as one module, so that they train together under any parallel wrapper.

    They are not compiled: for shapes that change with every batch, that was measured to be slower on an H200.
    """

    def __init__(self, conditioner: SilksongConditioner, transformer: SilksongTransformer) -> None:
        super().__init__()
        self.conditioner, self.transformer = conditioner, transformer

    def forward(self, groups: list[Group]) -> Tensor:
        """Mean cross-entropy over all tokens of all groups and the end of every sequence."""
        device = groups[0][1].device
        total, count = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
        for points, tokens in groups:
            logits = self.transformer(tokens, self.conditioner(points))
            total = total + self.transformer.token_losses(logits, tokens).sum()
            count = count + (tokens != IGNORED).sum() + len(tokens)
        return total / count


@dataclass(frozen=True)
class Curriculum:
    """Draws objects by classes of 100 faces: at first each object alike, at last each class.

    See docs/algorithms/silksong.md, section 9.
    """

    order: Tensor
    """Objects by class, int64 [N]."""
    sizes: Tensor
    """Objects of each class that has any, int64 [C]."""

    @classmethod
    def of(cls, face_counts: Tensor) -> Curriculum:
        classes = torch.div(face_counts, FACES_PER_CLASS, rounding_mode="floor")
        return cls(classes.argsort(stable=True), classes.unique(return_counts=True)[1])

    def draw(self, count: int, balance: float, generator: torch.Generator) -> Tensor:
        """``count`` objects, int64, with replacement; ``balance`` 0 draws objects alike, 1 classes."""
        share = self.sizes / self.sizes.sum()
        probability = balance / len(self.sizes) + (1.0 - balance) * share
        drawn = torch.multinomial(probability, count, replacement=True, generator=generator)
        inside = torch.rand(count, generator=generator, dtype=torch.float64) * self.sizes[drawn]
        return self.order[(self.sizes.cumsum(0) - self.sizes)[drawn] + inside.long()]


class SilksongLearning:
    """The loss of one step. ``progress`` is how much of the training is done, from 0 to 1."""

    def __init__(self, pool: Pool, preset: TrainingPreset, device: torch.device, progress: Callable[[], float]) -> None:
        self.preset, self.device, self.progress = preset, device, progress
        self.lengths, self.face_counts = pool.token_starts.diff(), pool.face_starts.diff()
        self.curriculum = Curriculum.of(self.face_counts)
        self.pool = Pool(**{name: tensor.to(device) for name, tensor in vars(pool).items()})

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        # What is drawn is looked at here, to know the shapes: on the CPU, so that nothing waits for the device.
        draws = torch.Generator().manual_seed(generator.initial_seed())
        first, last = self.preset.balance
        chosen = self.curriculum.draw(self.preset.stage.batch, first + (last - first) * self.progress(), draws)
        chosen = chosen[self.lengths[chosen].argsort(stable=True)]
        ends = [round(share * len(chosen)) for share in accumulate(self.preset.groups)]
        parts = [part for part in chosen.tensor_split(ends[:-1]) if len(part)]
        loss = module([self.group(part, generator) for part in parts])
        return loss, {"loss": loss, "tokens": (self.lengths[chosen].sum() + len(chosen)).to(loss.dtype)}

    @torch.no_grad()
    def group(self, chosen: Tensor, generator: torch.Generator) -> Group:
        """Points and padded tokens of some objects, int64 [B] on the CPU."""
        longest = int(self.lengths[chosen].max())
        most_faces = int(self.face_counts[chosen].max())
        chosen = chosen.to(self.device)
        starts, ends = self.pool.token_starts[chosen, None], self.pool.token_starts[chosen + 1, None]
        places = starts + torch.arange(-(-longest // LENGTH_STEP) * LENGTH_STEP, device=self.device)
        tokens = self.pool.tokens[places.clamp(max=len(self.pool.tokens) - 1)].long()
        tokens = tokens.masked_fill(places >= ends, IGNORED)
        face_starts, face_ends = self.pool.face_starts[chosen], self.pool.face_starts[chosen + 1]
        faces = face_starts[:, None] + torch.arange(most_faces, device=self.device)
        corners = self.pool.corners[faces.clamp(max=len(self.pool.corners) - 1)]
        points = sample_points(corners, face_ends - face_starts, self.preset.points, generator)
        return with_noise(points, self.preset.noise, self.preset.tilt, generator), tokens
