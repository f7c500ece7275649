# SPDX-License-Identifier: GPL-3.0-or-later
"""A task on every given file, or several together: prepares the job folders, runs them, writes the results, sums up."""

import argparse
import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ..contract import Done, ErrorReport, Event, Failed, JobFolder, MeshwrightError, Remedy, Request
from ..contract.request import given as given_names
from ..contract.scratch import scratch_folder
from .arguments import worker_settings
from .inputs import (
    MeshReading,
    Placed,
    check_images,
    name_without_source,
    named_sources,
    place_flagged,
    place_image,
    place_meshes,
)
from .previews import KeptPreviews
from .progress_bar import ProgressBar
from .results import keep_log, result_of_file, summary, write_results
from .session import Outcome, Session
from .task_arguments import check_missing, given_batch, given_images, given_parameters, named_files, source_slot

logger = logging.getLogger(__name__)

WEIGHTS_LACK = (Remedy.DOWNLOAD, Remedy.ACCEPT_LICENSE)
Sources = Mapping[str, Path | None]
"""Files by the names of their results; None where the task works on no file."""


def run_task(options: argparse.Namespace) -> int:
    """Run them all; a bad file does not stop the others. Returns 1 when any failed, 130 after Ctrl-C."""
    sources = list(_sources(options).items())
    batch = given_batch(options)
    failures: dict[str, ErrorReport] = {}
    with Session(worker_settings(options)) as session:
        for first in range(0, len(sources), batch):
            failures |= _run_batch(session, options, dict(sources[first : first + batch]))
            if session.interrupted:
                sys.stderr.write("Interrupted.\n")
                return session.exit_code
    if failures:
        lines = [f"  {source or name}: {failures[name]}\n" for name, source in sources if name in failures]
        sys.stderr.write(f"{len(failures)} of {len(sources)} failed:\n" + "".join(lines))
    return 1 if failures else 0


def _sources(options: argparse.Namespace) -> Sources:
    """What to work on, after a look at everything else that was given. Raises BadInput."""
    task, images = options.task, given_images(options)
    slot, parameters = source_slot(task), given_parameters(options)
    if slot is not None and named_files(options):
        sources: Sources = named_sources(named_files(options), slot)
    else:
        texts = [str(parameters[item.name]) for item in task.parameters if item.kind == "text" and item.multiline]
        sources = {name_without_source(task, images, texts): None}
    check_images(images)
    files = {name: (path.name,) for name, path in images.items()} | (
        {slot.name: ("a source",)} if slot and any(sources.values()) else {})
    check_missing(options, given_names(task, parameters, files))
    return sources


def _run_batch(session: Session, options: argparse.Namespace, sources: Sources) -> dict[str, ErrorReport]:
    """Run the files as one job; returns what failed, by name. Where the job fails as a whole, each runs for itself,
    unless it was the weights, which would fail all of them alike.
    """
    failures: dict[str, ErrorReport] = {}
    with scratch_folder() as scratch:
        try:
            folder = JobFolder.create(scratch / "job")
            placed = _placed(options, sources, folder, failures)
            outcome = _run_job(session, options, placed, folder) if placed and not session.interrupted else None
        except MeshwrightError as error:
            return failures | dict.fromkeys(sources, error.report)
        if isinstance(outcome, Failed) and len(placed) > 1 and not _weights_lack(session, outcome):
            for name in placed:
                if not session.interrupted:
                    failures |= _run_batch(session, options, {name: sources[name]})
        elif isinstance(outcome, Done | Failed):
            for name, input_ in placed.items():
                if report := _finish(outcome, folder, options, name, input_, len(placed) > 1):
                    failures[name] = report
    return failures


def _weights_lack(session: Session, outcome: Failed) -> bool:
    """Whether the weights could not be loaded. Values that are not numbers, whose remedy is the same, come later."""
    return outcome.error.remedy in WEIGHTS_LACK and not session.stages_began


def _placed(
    options: argparse.Namespace, sources: Sources, folder: JobFolder, failures: dict[str, ErrorReport]
) -> dict[str, Placed]:
    """What stands in the job's inputs for every file that can be read; the others go to `failures`."""
    placed = {}
    for number, (name, source) in enumerate(sources.items(), 1):
        try:
            placed[name] = _place(options, name, source, folder, number)
        except MeshwrightError as error:
            failures[name] = error.report
            continue
        except Exception as error:  # noqa: BLE001 - a file that breaks a library must not end the batch
            failures[name] = _broken(name, error)
            continue
        for remark in placed[name].remarks:
            _report(name, remark)
    return placed


def _place(options: argparse.Namespace, name: str, source: Path | None, folder: JobFolder, number: int) -> Placed:
    task = options.task
    slot = source_slot(task)
    if slot is None or source is None:
        return Placed()
    if slot.kind == "image":
        return place_image(source, folder, number)
    needs = slot.needs_with(given_parameters(options))
    reading = MeshReading(task.selection == "together", needs, options.uv, partial(_report, name))
    return place_meshes(source, folder, number, reading)


def _report(name: str, text: str) -> None:
    sys.stderr.write(f"{name}: {text}\n")


def _run_job(
    session: Session, options: argparse.Namespace, placed: Mapping[str, Placed], folder: JobFolder
) -> Outcome:
    first, *others = placed
    name = f"{first} and {len(others)} more" if others else first
    task, slot = options.task, source_slot(options.task)
    files = tuple(file for input_ in placed.values() for file in input_.files)
    inputs = ({slot.name: files} if slot and files else {}) | place_flagged(given_images(options), folder)
    request = Request("job", task.name, options.pipeline.name, options.weights, name, options.seed,
                      given_parameters(options), inputs)
    bar = ProgressBar(name, task)
    try:
        return session.run(request, folder, _shown(bar, options, name, folder))
    finally:
        bar.close()


def _shown(bar: ProgressBar, options: argparse.Namespace, name: str, folder: JobFolder) -> Callable[[Event], None]:
    if not options.keep_previews:
        return bar.show
    previews = KeptPreviews(folder, options.out / name / "previews")

    def show(event: Event) -> None:
        bar.show(event)
        previews.keep(event)

    return show


def _finish(
    outcome: Done | Failed, folder: JobFolder, options: argparse.Namespace, name: str, placed: Placed, several: bool
) -> ErrorReport | None:
    """Write what came of one source, or the log; returns its error. `several` is whether the job had more of them."""
    target = options.out / name
    file = placed.files[0] if several else ""
    if isinstance(outcome, Failed):
        error: ErrorReport | None = outcome.error
    else:
        error = outcome.result.files[file].error if file else None
    try:
        if isinstance(outcome, Done) and error is None:
            result = result_of_file(outcome.result, file, name) if file else outcome.result
            remarks = write_results(result, folder, options.task, name, target, options.format, placed)
            sys.stdout.write(summary(result, folder, name, target) + "\n")
            for remark in remarks:
                _report(name, remark)
        else:
            keep_log(folder, target)
    except MeshwrightError as unwritable:
        return unwritable.report
    except Exception as broken:  # noqa: BLE001 - nor may a result that breaks one
        return _broken(name, broken)
    return error


def _broken(name: str, error: Exception) -> ErrorReport:
    logger.debug("%s failed", name, exc_info=error)
    return ErrorReport(f"{name} cannot be worked on.", f"{type(error).__name__}: {error}.",
                       "Save the file again in another program, and report this error.")
