# SPDX-License-Identifier: GPL-3.0-or-later
"""A text about an object: kept on it, from where one click makes it a name, an asset description or a prompt."""

from pathlib import Path

import bpy

from ..backend.contract import JobFolder, MeshwrightError, Remedy
from .finished_job import Delivered, FinishedJob
from .provenance import CAPTION
from .since import changes_since


def deliver_text(job: FinishedJob) -> Delivered:
    """Keep the first text artifact as the caption of each target; nothing is renamed, selected or hidden.

    A target that no longer exists leaves its text among the remarks. Raises MeshwrightError for a text that cannot be
    read.
    """
    text, notes, described = _text(job), [f"“{_text(job)}”"], []
    for target in job.note.targets:
        item = target.reference.find(bpy.data.objects)
        if item is None:
            notes.append(f"{target.reference.name} no longer exists.")
            continue
        item[CAPTION] = text  # the provenance of the object itself stays
        notes += [f"{item.name} was edited since it was described."] if changes_since(target, item) else []
        described.append(item)
    return Delivered(tuple(described), (), f"caption of {job.request.subject}", tuple(notes))


def caption_of(item: bpy.types.Object) -> str:
    """The object's caption, or ""."""
    return str(item.get(CAPTION, ""))


def _text(job: FinishedJob) -> str:
    artifact = next((artifact for artifact in job.result.artifacts if artifact.kind == "text"), None)
    if artifact is None:
        raise MeshwrightError("This job has no text.", "Its result names none.", "Start it again.", Remedy.RETRY)
    return _read(job.folder, artifact.file)


def _read(folder: JobFolder, file: str) -> str:
    try:
        return (folder.outputs / Path(file).name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MeshwrightError(f"The text {file} cannot be read.", str(error), "Start the job again.",
                              Remedy.RETRY) from error
