# SPDX-License-Identifier: GPL-3.0-or-later
"""One process under ``accelerate launch``: runs training commands one after the other and notes what it did.

    accelerate launch -m tests.training.launched WORK_FOLDER COMMANDS_JSON

``COMMANDS_JSON`` is a list of argument lists of ``python -m backend``, or of fine-tuning after the word ``fine-tune``.
Process R leaves ``process-R.json`` in the work
folder: what it wrote or renamed below the folder, and per stage that ended its objects and its weights, by their sums.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch import Tensor

from backend.command_line import main
from backend.pipelines.flexisyncmvd.training import fine_tuning
from backend.pipelines.partpacker.training.learning import AutoencoderLearning, DenoiserLearning
from backend.training.stage import Stage


def fingerprints(tensor: Tensor) -> list[float]:
    """One number per row."""
    return tensor.detach().double().flatten(1).sum(dim=1).tolist()


def own_data(loss: object) -> Tensor:
    """What a process keeps of the objects, one row each; no rows where all processes draw from the same ones."""
    if isinstance(loss, AutoencoderLearning):
        return loss.objects.center
    return loss.latents if isinstance(loss, DenoiserLearning) else torch.empty(0, 1)


def watch_writes(below: Path) -> list[str]:
    """The list that every file opened for writing, renamed or removed, and every folder made below will join."""
    seen: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        writes = event in ("os.mkdir", "os.rename", "os.remove") or (
            event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes and str(arguments[0]).startswith(str(below)):
            seen.append(Path(arguments[0]).relative_to(below).as_posix())

    sys.addaudithook(hook)
    return seen


def watch_stages() -> list[dict]:
    """The list that every stage's share of the data and its weights will join when it ends."""
    seen: list[dict] = []
    run = Stage.run

    def watched(stage: Stage, loss, *rest) -> bool:
        done = run(stage, loss, *rest)
        seen.append({
            "stage": stage.folder.name,
            "step": stage.step,
            "data": fingerprints(own_data(loss)),
            "weights": [float(weight.detach().double().sum()) for weight in stage.parameters],
            "average": [float(weight.double().sum()) for weight in stage.average],
        })
        return done

    Stage.run = watched
    return seen


if __name__ == "__main__":
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    writes, stages = watch_writes(folder), watch_stages()
    codes = [
        fine_tuning.main(arguments[1:]) if arguments[0] == "fine-tune" else main(arguments)
        for arguments in json.loads(sys.argv[2])
    ]
    notes = {"codes": codes, "writes": list(writes), "stages": stages}
    (folder / f"process-{rank}.json").write_text(json.dumps(notes))
