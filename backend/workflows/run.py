# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a chain: each step as a request of its own in a job folder of its own, whose results are kept."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..contract import Artifact, BadInput, JobFolder, MeshData, Request, Result
from ..contract.parameter import Value
from .chain import Chain, Step
from .pieces import Piece, outcome, write_pieces
from .step_progress import JobReport, StepProgress
from .workflow_spec import USUAL, Option, model_parameter, preset_parameter

STEPS = "steps"
"""Folder of the steps' job folders in that of the job."""


class StepRunner(Protocol):
    """Does a single request: the worker, with its models."""

    def option(self, value: str) -> Option:
        """What a step's model parameter stands for. Raises BadInput."""

    def check(self, option: Option) -> None:
        """Raise MeshwrightError where the weights of a step are not installed."""

    def run(self, request: Request, folder: JobFolder, progress: StepProgress) -> Result:
        """Do the validated request; its files are in `folder`."""


@dataclass(frozen=True)
class _Planned:
    """A step and how it is done."""

    number: int
    step: Step
    option: Option
    parameters: Mapping[str, Value]
    images: Mapping[str, str]
    """The job's input files that feed the step's images, by the names of its inputs."""


def run_workflow(chain: Chain, request: Request, folder: JobFolder, progress: JobReport, runner: StepRunner) -> Result:
    """Do all steps and return the last one's meshes with their maps.

    What can be wrong with any step is found before the first one runs. A step whose folder has a result is not run
    again, so that a second attempt goes on where the first one ended. Raises what the steps raise.
    """
    planned = [_plan(number, step, chain, request, runner) for number, step in enumerate(chain.steps, 1)]
    pieces = {name: [_given(request, folder, file) for file in files] for name, files in request.inputs.items()
              if any(name in step.inputs.values() for step in chain.steps) and _are_meshes(files)}
    for each in planned:
        progress.check()
        slot = each.option.task.mesh_input
        taken = pieces[each.step.inputs[slot.name]] if slot else []
        pieces[each.step.name] = _run_step(each, taken, request, folder, progress, runner)
    return Result(write_pieces(pieces[chain.steps[-1].name], folder))


def _plan(number: int, step: Step, chain: Chain, request: Request, runner: StepRunner) -> _Planned:
    """Raises MeshwrightError where the step lacks something, or its weights."""
    option = runner.option(str(request.parameters[model_parameter(step)]))
    runner.check(option)
    task, weights = option.task, option.weights
    preset = str(request.parameters.get(preset_parameter(step), USUAL))
    parameters = task.defaults(weights, "" if preset == USUAL else preset)
    parameters |= {name: value for name, value in step.parameters.items() if name in parameters}
    parameters |= {name: text for name, source in step.inputs.items()
                   if name in parameters and str(text := request.parameters.get(source, "")).strip()}
    images = {wanted.name: request.inputs[source][0] for wanted in task.inputs
              if wanted.kind == "image" and (source := step.inputs.get(wanted.name, "")) and request.inputs.get(source)
              and (wanted.required or weights is None or weights.can_take(wanted.name))}
    texts = {parameter.name for parameter in task.parameters
             if parameter.kind in ("text", "file") and parameter.is_given(parameters[parameter.name])}
    meshes = {task.mesh_input.name} if task.mesh_input else set()
    if missing := task.missing(frozenset(texts | meshes | set(images)), weights):
        raise _step_lacks(step, option, missing)
    return _Planned(number, step, option, task.validated(parameters), images)


def _step_lacks(step: Step, option: Option, missing: BadInput) -> BadInput:
    """What is missing, and for which step; also that an image of the chain has no use there."""
    report, weights = missing.report, option.weights
    doing = f"{option.task.label} with {weights.label}" if weights else option.task.label
    unused = [wanted.label.lower() for wanted in option.task.inputs
              if wanted.name in step.inputs and weights is not None and not weights.can_take(wanted.name)]
    why = f"The step {step.label} runs {doing}" + (f", which takes no {' and no '.join(unused)}." if unused else ".")
    return BadInput(report.what, why, report.advice + " Or choose another model for the step.")


def _run_step(planned: _Planned, taken: Sequence[Piece], request: Request, folder: JobFolder, progress: JobReport,
              runner: StepRunner) -> list[Piece]:
    task = planned.option.task
    together = not taken or task.selection == "together"
    groups: list[Sequence[Piece]] = [taken] if together else [[piece] for piece in taken]
    made: list[Piece] = []
    for turn, group in enumerate(groups):
        name = f"{planned.number}-{planned.step.name}" + ("" if len(groups) == 1 else f".{turn + 1:03d}")
        own = JobFolder(folder.path / STEPS / name)
        report = StepProgress(progress, planned.step.name, task, (own, folder), turn, len(groups))
        try:
            made += _run_once(planned, group, request, folder, own, report, runner)
        except BadInput as error:
            if len(groups) == 1:
                raise
            made += group  # one part that cannot be worked on loses nothing of the others
            progress.warn(f"{planned.step.label}: {group[0].artifact.name} stays as it was. {error.report.what} "
                          f"{error.report.why}")
        report.finished()
    return made


def _run_once(planned: _Planned, group: Sequence[Piece], request: Request, folder: JobFolder, own: JobFolder,
              progress: StepProgress, runner: StepRunner) -> list[Piece]:
    option, slot = planned.option, planned.option.task.mesh_input
    needs = slot.needs_with(planned.parameters) if slot else frozenset()
    group = [piece.with_needs(needs) for piece in group]
    progress.check()
    files = tuple(f"mesh.{number:03d}.npz" for number in range(1, len(group) + 1))
    result = own.read_result() if own.path.is_dir() else None
    if result is None:
        shutil.rmtree(own.path, ignore_errors=True)  # of an attempt that did not finish
        JobFolder.create(own.path)
        for piece, file in zip(group, files, strict=True):
            piece.mesh.write(own.inputs / file)
        for file in set(planned.images.values()):
            shutil.copy(folder.inputs / file, own.inputs / file)
        meshes = {slot.name: files} if slot else {}
        step = Request(
            request.job, option.task.name, option.pipeline.name, option.pipeline.weights_to_name(option.weights),
            group[0].artifact.name if len(group) == 1 else request.subject, request.seed, planned.parameters,
            {**{name: (file,) for name, file in planned.images.items()}, **meshes},
        )
        own.write_request(step)
        result = runner.run(step.validated(option.pipeline), own, progress)
        own.write_result(result)
    for note in result.notes:
        progress.warn(f"{planned.step.label}: {note}")
    return outcome(group, files, result, own)


def _given(request: Request, folder: JobFolder, file: str) -> Piece:
    return Piece(Artifact(request.subject, "mesh", file, "mesh"), MeshData.read(folder.inputs / file))


def _are_meshes(files: Sequence[str]) -> bool:
    return all(Path(file).suffix == ".npz" for file in files)
