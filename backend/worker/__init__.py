# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes jobs, keeps models and memory, runs pipelines, reports progress. The same class in a child and in-process."""

from .settings import Settings
from .worker import Worker

__all__ = ["Settings", "Worker"]
