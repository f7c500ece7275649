# SPDX-License-Identifier: GPL-3.0-or-later
"""One submitted job: where it lives, whether it should stop, and how it reports."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..contract import Event, JobFolder

logger = logging.getLogger(__name__)


@dataclass
class WorkerJob:
    """`cancelled` is set from another thread while the job runs. Nothing is `kept` in a folder that is no job's."""

    name: str
    folder: JobFolder
    emit: Callable[[Event], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    kept: bool = True

    def begin(self) -> None:
        """Have the folder hold the events of this run only: Blender may submit a job once more after a crash."""
        self.kept = self.folder.exists()
        try:
            if self.kept:
                self.folder.begin()
        except OSError as error:
            logger.warning("The events of an earlier run stay: %s", error)

    def report(self, event: Event) -> None:
        """Emit an event and keep it in the job's folder. A folder that takes nothing does not silence the job."""
        try:
            if self.kept:
                self.folder.append_event(event)
        except OSError as error:
            logger.warning("The event is not kept: %s", error)
        self.emit(event)
