# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts a worker and speaks with it over its pipe, for the add-on and the server."""

from .command import WorkerSettings, command_line, ending, environment

__all__ = ["WorkerSettings", "command_line", "ending", "environment"]
