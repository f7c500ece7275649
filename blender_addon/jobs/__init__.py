# SPDX-License-Identifier: GPL-3.0-or-later
"""The job queue: what was asked for, how far it is, and one timer that moves it on."""

from .engine import (
    cancel,
    cancel_all,
    deliver_again,
    device,
    end_worker,
    find,
    free_memory,
    jobs,
    move,
    paused,
    poll_once,
    process,
    register,
    remove,
    restart_worker,
    restore,
    resume,
    submit,
    unregister,
    wait,
)
from .job import Job, JobState
from .supervisor import Limits

__all__ = [
    "Job",
    "JobState",
    "Limits",
    "cancel",
    "cancel_all",
    "deliver_again",
    "device",
    "end_worker",
    "find",
    "free_memory",
    "jobs",
    "move",
    "paused",
    "poll_once",
    "process",
    "register",
    "remove",
    "restart_worker",
    "restore",
    "resume",
    "submit",
    "unregister",
    "wait",
]
