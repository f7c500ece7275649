# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks and settings of their training, one preset per purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....training.schedule import StageSettings
from .cleaning import RULE_11, CleaningRule


@dataclass(frozen=True)
class TrainingPreset:
    """Everything that a run's options do not say."""

    conditioner: dict[str, int]
    transformer: dict[str, Any]
    stage: StageSettings
    objects: int
    rule: CleaningRule
    points: int = 4096
    groups: tuple[float, ...] = (1.0,)
    """Shares of a batch, from the shortest sequences to the longest, that are each padded to one length."""
    balance: tuple[float, float] = (0.0, 1.0)
    """Curriculum from the first to the last step: 0 draws objects as they are, 1 every class of face counts alike."""
    noise: float = 0.01
    """Standard deviation of the noise on the points of every other object."""
    tilt: float = 0.0
    """Largest standard deviation of the noise on their normals; 0 leaves them as they are."""
    smallest_side: float = 1.9
    """Longest sides of the objects are uniform from here to 1.9."""
    evaluation_objects: int = 64


PRESETS: dict[str, TrainingPreset] = {
    # 3.8 M parameters: 7.7 MB in float16, small enough for git and for a CPU.
    "starter": TrainingPreset(
        conditioner={"width": 96, "heads": 3, "layers": 2, "queries": 192, "frequencies": 8, "condition_width": 160},
        transformer={"width": 160, "condition_width": 160, "depth": 5, "heads": 5, "head_width": 32,
                     "max_tokens": 1024, "embedding_width": 64},
        stage=StageSettings(steps=6800, batch=256, rate=2e-3, warm_up=300, evaluate_every=3000),
        objects=160_000,
        rule=CleaningRule(fewest_faces=4, most_components=50, most_tokens=1023),
        points=2048,
        groups=(0.4, 0.3, 0.2, 0.1),
        balance=(0.0, 0.3),
        tilt=0.3,
    ),
    "published": TrainingPreset(
        conditioner={},
        transformer={},
        stage=StageSettings(steps=200_000, batch=2, rate=1e-4, warm_up=10_000, evaluate_every=5000, flat_until=0.05,
                           final_rate=0.5, betas=(0.9, 0.99)),
        objects=20_000,
        rule=RULE_11,
        smallest_side=1.5,
        evaluation_objects=8,
    ),
    "smoke": TrainingPreset(
        conditioner={"width": 16, "heads": 2, "layers": 1, "queries": 8, "frequencies": 4, "condition_width": 16},
        transformer={"width": 16, "condition_width": 16, "depth": 1, "heads": 1, "head_width": 16,
                     "max_tokens": 128, "embedding_width": 8},
        stage=StageSettings(steps=20, batch=4, rate=3e-3, warm_up=5, evaluate_every=20),
        objects=12,
        rule=CleaningRule(fewest_faces=4, most_components=50, most_tokens=127),
        points=128,
        groups=(0.5, 0.5),
        tilt=0.3,
        evaluation_objects=2,
    ),
}
