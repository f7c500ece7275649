# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that speaks the protocol with the standard library alone and misbehaves on demand.

`--device` says how it starts: normal, silent (never greets), broken (ends at once), old (speaks another version),
beating (answers pings between jobs).
A job's `subject` says how it goes: noise (garbage on stdout), dies (SIGKILL in mid-job), endless (until cancelled),
stubborn (takes neither cancel nor SIGTERM), flood (many events), mute (finishes and dies without a word), liar (says
failed, and has finished), contrary (says done, then failed), boaster (says done, and has nothing), forgetful (finishes
and never says so), freezes (stops), closes (its output, then goes on); any other word ends well.
"""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path


def say(**data):
    os.write(1, json.dumps(data).encode() + b"\n")


def cancelled(job, seconds):
    """Wait for a message; True when it cancels this job. The end of the input ends the process."""
    if not select.select([0], [], [], seconds)[0]:
        return False
    line = sys.stdin.buffer.raw.readline()
    if not line or json.loads(line).get("message") == "shutdown":
        sys.exit(0)
    return json.loads(line) == {"message": "cancel", "job": job}


def stage(job, step, of):
    say(event="stage", job=job, stage="sample", step=step, of=of, fraction=step / of, seconds_left=1.0)


def run(job, folder):
    how = json.loads((folder / "request.json").read_text())["subject"]
    stage(job, 1, 4)
    sys.stderr.write(f"at work on {job}\n")
    if how == "noise":
        os.write(1, b'Downloading: 10%\r\n\xff\xfe\x00 not text\n{"event": "nonsense"}\n[1, 2\n{"half a line": ')
        os.write(1, b'"and its rest"}\n')
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if how == "flood":
        for step in range(5000):
            stage(job, step, 5000)
    if how == "endless":
        while not cancelled(job, 0.05):
            stage(job, 2, 4)
        say(event="cancelled", job=job)
        return
    if how == "freezes":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "closes":
        os.close(1)
        time.sleep(600)
    part = {"name": "part", "kind": "mesh", "file": "part.npz", "role": "mesh"}
    result = {"artifacts": [part], "notes": ["a remark"]}
    if how == "nothing":
        result = {"artifacts": []}
    if how != "boaster":
        (folder / "result.json").write_text(json.dumps(result))
    if how == "mute":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "liar":
        say(event="failed", job=job, error={"what": "Nothing came of it.", "why": "", "advice": ""})
    elif how != "forgetful":
        say(event="done", job=job, result=result)
    if how == "contrary":
        say(event="failed", job=job, error={"what": "Nothing came of it.", "why": "", "advice": ""})


def main():
    device = sys.argv[sys.argv.index("--device") + 1]
    if device == "broken":
        sys.exit("No module named 'torch'")
    if device == "silent":
        time.sleep(600)
    say(message="ready", device=device, process=os.getpid(), version=99 if device == "old" else 2,
        heartbeat=device == "beating")
    for line in iter(sys.stdin.buffer.raw.readline, b""):
        message = json.loads(line)
        if message["message"] == "shutdown":
            return
        if message["message"] == "ping":
            say(message="pong", number=message["number"], jobs=[])
        if message["message"] == "submit":
            run(message["job"], Path(message["folder"]))


if __name__ == "__main__":
    main()
