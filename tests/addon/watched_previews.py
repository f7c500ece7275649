# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that waits after each preview until the test has seen it: which of the two is faster must not matter."""

import shutil
import time

from backend.contract import JobFolder

NAME = "watched"


class Onlooker:
    """Makes the job of this folder wait after each preview, from before its start until `leave`."""

    def __init__(self, folder: JobFolder) -> None:
        self._path = folder.path / NAME
        self._path.mkdir()

    def has_seen(self, number: int) -> None:
        """The preview of this number, counted from 1, need not be kept longer."""
        (self._path / str(number)).touch()

    def leave(self) -> None:
        """Let the job run on without waiting."""
        shutil.rmtree(self._path)


def install() -> None:
    """In the worker: report every step and every preview, however fast they come, and wait for a job's onlooker."""
    from backend.worker import progress

    progress.SECONDS_BETWEEN_EVENTS = progress.SECONDS_BETWEEN_PREVIEWS = 0.0
    report, counts = progress.JobProgress.preview, {}

    def preview(self, file):
        report(self, file)
        path = self._job.folder.path / NAME
        number = counts[path] = counts.get(path, 0) + 1
        while path.is_dir() and not (path / str(number)).exists():
            self.check()
            time.sleep(0.002)

    progress.JobProgress.preview = preview
