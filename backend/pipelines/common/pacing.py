# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python in step with the GPU, so that progress is true and a cancel is answered at once."""

import torch


class Pace:
    """Lets the host run at most one step ahead of a CUDA device, and not at all ahead of Apple's.

    Work on a GPU is queued, and Python would report the last step while the GPU is at the tenth. `step()` waits for
    the step before the one just queued: the queue never runs dry, and what is reported is at most one step early.
    Apple's GPUs queue work too; there `step()` waits for all of it. On the CPU work is done when the call returns.
    """

    def __init__(self, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._previous: torch.cuda.Event | None = None

    def step(self) -> None:
        """Mark the end of a queued step and wait for the one before."""
        if self._device.type == "mps":
            torch.mps.synchronize()
        if self._device.type != "cuda":
            return
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        if self._previous is not None:
            self._previous.synchronize()
        self._previous = event
