# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pipeline reports where it is, and learns that it should stop."""

from typing import Protocol


class Progress(Protocol):
    """Given to every pipeline run. Every method may raise `Cancelled`: that is how cancelling works.

    A pipeline calls it at each sampler step, decoder chunk, token batch and load phase, so that a cancel is answered
    within a second.
    """

    def stage(self, name: str, step: int, of: int) -> None:
        """`step` of `of` in the named stage of the task's spec is done."""

    def loading(self, what: str) -> None:
        """The named component is about to be read into memory."""

    def downloading(self, file: str, received: int, of: int, wait: float = 0.0) -> None:
        """Bytes of a file of weights that arrived; `of` is 0 while the size is unknown, `wait` the seconds until the
        hub is asked again where it has to be waited for."""

    def preview(self, file: str) -> None:
        """An image or a mesh (npz) of this name now lies in the job folder's outputs, whole; see `Preview`.

        Called within 0.2 s of the last time, the same file is passed over.
        """

    def warn(self, text: str) -> None:
        """A remark that the artist should read with the result."""

    def check(self) -> None:
        """Only look whether to stop."""
