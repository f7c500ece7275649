# SPDX-License-Identifier: GPL-3.0-or-later
"""How a request reaches a worker and its events come back, whichever way the worker runs."""

from ..backend.worker_client import WorkerSettings
from .interface import Connection
from .subprocess_connection import SubprocessConnection

__all__ = ["Connection", "WorkerSettings", "connect"]


def connect(settings: WorkerSettings) -> Connection:
    """The connection that the settings ask for, not yet started."""
    if settings.in_process:
        from .in_process import InProcessConnection  # the only form that needs bpy

        return InProcessConnection(settings)
    return SubprocessConnection(settings)
