# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by a Python outside of Blender: become a command that ends when the process that asked for it ends.

    python -I bound_child.py (signal | watch) PARENT COMMAND...

"signal" (Linux) asks the kernel to kill this process when PARENT ends, and becomes COMMAND. "watch" (macOS, which has
no such signal) starts COMMAND, looks for PARENT twice a second, and kills its own process group once that has ended;
it ends as COMMAND does. Either leads a group of its own, so that ending the group ends the command's children too.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

SECONDS_BETWEEN_LOOKS = 0.5
SET_PARENT_DEATH_SIGNAL = 1
"""Linux' `PR_SET_PDEATHSIG`."""


assert sys.platform != "win32", "a job object binds a child there"


def become(parent: int, command: list[str]) -> None:
    """Replace this process by `command`, bound to the parent by the kernel. Does not return."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and programs expect the default
        signal.signal(ignored, signal.SIG_DFL)
    if os.getppid() == parent:  # else it ended before the kernel was asked
        os.execvp(command[0], command)
    os._exit(1)


def watch(parent: int, command: list[str]) -> None:
    """Run `command` and end as it does, or with the parent. Does not return."""
    # What is handled here is the default again in the child; what is ignored here would be ignored there too.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(command)
    while True:
        try:
            status = child.wait(SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                os.killpg(0, signal.SIGKILL)
            continue
        if status < 0:
            if -status in (signal.SIGTERM, signal.SIGINT):
                signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
            time.sleep(1)  # until it has arrived
        os._exit(status)


if __name__ == "__main__":
    (become if sys.argv[1] == "signal" else watch)(int(sys.argv[2]), sys.argv[3:])
