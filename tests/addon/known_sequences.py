# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong without weights: whatever is asked for, balls come, token by token. All around the networks is real."""

import math

import numpy as np
import trimesh

from backend.pipelines.silksong import job, preview
from backend.pipelines.silksong.tokenizer import encode
from backend.worker import job_run

from . import watched_previews

SUBDIVISIONS = (1, 2, 0)
"""Of the ball of each variant: the second is the nearest to a sphere."""
TOKENS_PER_REPORT = 8


class KnownSequences:
    """Stands where the pipeline does."""

    max_tokens = 10240

    def __call__(self, *, variants, progress, streamer, **_):
        balls = [encode(trimesh.creation.icosphere(number)).ids for number in SUBDIVISIONS[:variants]]
        longest = max(map(len, balls))
        rows = np.stack([np.pad(ball, (0, longest - len(ball)), constant_values=-1) for ball in balls])
        for start in range(0, longest, TOKENS_PER_REPORT):
            streamer(rows[::-1][:, start:start + TOKENS_PER_REPORT])
            progress("tokens", start, longest)
        return balls[::-1]


def install():
    """Have the worker use it for every set of weights, none of which need be there."""
    watched_previews.install()
    preview.SECONDS_BETWEEN, preview.LARGEST_SHARE = 0.0, math.inf
    job.load = lambda *_: KnownSequences()
    job_run.locate = lambda spec, weights, models: models
