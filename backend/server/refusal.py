# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the server as data, each with its HTTP status."""

from ..contract import MeshwrightError, Remedy


class Refusal(MeshwrightError):
    """A request that is answered with an error. `retry_after` is in seconds, where trying again makes sense."""

    def __init__(self, status: int, what: str, why: str, advice: str, remedy: Remedy | None = None,
                 retry_after: int | None = None) -> None:
        super().__init__(what, why, advice, remedy)
        self.status, self.retry_after = status, retry_after


def unknown(what: str, name: str) -> Refusal:
    """404."""
    return Refusal(404, f"There is no {what} '{name}'.", "It was deleted, or never existed.", "Check the name.")


def conflict(what: str, why: str) -> Refusal:
    """409."""
    return Refusal(409, what, why, "Ask for the job's state, and go on from there.")
