# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the pipelines: every folder here with a `spec.py`, and those in one further folder that the artist chose.

A pipeline of that folder is imported as if it lay here, so `from ...contract import …` works in it and nothing is
copied; where both have one of a name, ours is used. The folder is off by default, since its code is run: `use_folder`
or the environment variable MESHWRIGHT_PIPELINES turns it on. Free of torch, so Blender can ask too.
"""

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import pipelines
from ..contract import (
    BadInput,
    Component,
    ErrorReport,
    MeshwrightError,
    PipelineSpec,
    Remedy,
    WeightSet,
    check_spec,
)
from ..workflows.chain import OWN_CHAINS, Chain, read_chain
from ..workflows.workflow_spec import workflow_task
from .common.components import COMPONENTS

logger = logging.getLogger(__name__)

SHARED = "shared"
"""Name of the pipeline whose weights are the shared models, one set each; it has no task."""
WORKFLOW = "workflow"
"""Name of the pipeline whose tasks are the chains of other pipelines' tasks; it has no weights of its own."""
VARIABLE = "MESHWRIGHT_PIPELINES"
"""Environment variable that names the folder of further pipelines."""
WORKFLOWS_VARIABLE = "MESHWRIGHT_WORKFLOWS"
"""Environment variable that names the folder of the artist's own workflows: JSON files, of which no code is run."""
_HERE = Path(__file__).parent
_own_workflows = Path(os.environ[WORKFLOWS_VARIABLE]) if os.environ.get(WORKFLOWS_VARIABLE) else None


@dataclass(frozen=True)
class _Found:
    specs: dict[str, PipelineSpec]
    chains: dict[str, Chain]
    complaints: tuple[ErrorReport, ...]


def use_folder(path: Path | None) -> None:
    """Look for further pipelines in this folder, in place of the one before; None for ours alone.

    Their specs are read, and so their code is run, with the next question. `complaints` says what is wrong with them.
    """
    for name in list(sys.modules):
        if name.startswith(f"{__package__}.") and foreign_folder(name.removeprefix(f"{__package__}.").split(".")[0]):
            del sys.modules[name]  # imported again with the next question, as it is then
    pipelines.__path__[:] = [str(_HERE)] + ([str(Path(path).expanduser().absolute())] if path is not None else [])
    importlib.invalidate_caches()
    _found.cache_clear()


def use_workflows(folder: Path | None) -> None:
    """Offer the workflows in this folder, too, in place of the one before; None for ours alone. Also after a file in it
    has changed."""
    global _own_workflows
    _own_workflows = folder
    _found.cache_clear()


def workflows_folder() -> Path | None:
    """Where the artist's own workflows are; None for nowhere."""
    return _own_workflows


def foreign_folder(pipeline: str) -> Path | None:
    """Where a pipeline lies that is not ours; None for ours and for those that there are not."""
    folders = [Path(where) / pipeline for where in pipelines.__path__[1:]]
    return next((folder for folder in folders if (folder / "spec.py").is_file() and not _is_ours(pipeline)), None)


def trainable() -> tuple[str, ...]:
    """Names of the pipelines that have a training recipe, in alphabetical order. The installed extension has none."""
    recipes = (recipe for where in pipelines.__path__ for recipe in Path(where).glob("*/training/recipe.py"))
    return tuple(sorted({recipe.parents[1].name for recipe in recipes}))


def services() -> tuple[str, ...]:
    """Names of the pipelines that have an HTTP interface of their own (`service.py`), in the order of `specs`."""
    return tuple(name for name in specs() if any((Path(where) / name / "service.py").is_file()
                                                 for where in pipelines.__path__))


def specs() -> dict[str, PipelineSpec]:
    """The specs of all pipelines by name: ours in alphabetical order, then further ones, then workflows, which are
    chains of their tasks, then the shared models."""
    return _found().specs


def chain(workflow: str) -> Chain:
    """The chain behind a task of the workflows. Raises BadInput when there is none of that name."""
    spec(WORKFLOW).task(workflow)
    return _found().chains[workflow]


def complaints() -> tuple[ErrorReport, ...]:
    """Why pipelines are left out, one report for each."""
    return _found().complaints


def spec(pipeline: str) -> PipelineSpec:
    """The spec of one pipeline. Raises BadInput when there is none of that name."""
    if pipeline not in specs():
        raise BadInput(f"There is no pipeline '{pipeline}'.", f"Supported: {', '.join(specs())}.",
                       "Update Meshwright and its engine to the same version, or choose the folder that has it.")
    return specs()[pipeline]


@cache
def _found() -> _Found:
    found: dict[str, PipelineSpec] = {}
    shared = {component.name: component for component in COMPONENTS}
    wrong: list[ErrorReport] = []
    for folder in _folders(wrong):
        try:
            offered = _checked(folder)
            _add_components(shared, offered)
        except Exception as error:  # noqa: BLE001 - the code of others may raise anything, and must not stop ours
            logger.warning("The pipeline in %s is left out: %s", folder, error)
            wrong.append(_report(folder, error))
        else:
            found[offered.name] = offered
    chains = _chains(list(found.values()), wrong)
    if chains:
        found[WORKFLOW] = _workflows(chains, list(found.values()))
    found[SHARED] = _shared(shared.values())
    return _Found(found, chains, tuple(wrong))


def _folders(wrong: list[ErrorReport]) -> list[Path]:
    """The folder of every pipeline; a chosen folder that there is not is reported to `wrong`."""
    ours, *others = map(Path, pipelines.__path__)
    for where in others:
        if not where.is_dir():
            wrong.append(ErrorReport(f"The pipelines folder {where} cannot be read.", "There is no such folder.",
                                     "Choose another one.", Remedy.OPEN_PREFERENCES))
    return [path.parent for where in (ours, *others) for path in sorted(where.glob("*/spec.py"))]


def _checked(folder: Path) -> PipelineSpec:
    """The spec of the pipeline in this folder. Raises whatever its code raises, and BadInput for a bad spec."""
    if folder.parent != _HERE and _is_ours(folder.name):
        raise BadInput(f"The pipeline in {folder} is left out.", f"Meshwright has its own '{folder.name}'.",
                       "Rename the folder, and the pipeline in its spec.py.")
    found = getattr(importlib.import_module(f".{folder.name}.spec", __package__), "SPEC", None)
    if not isinstance(found, PipelineSpec):
        raise BadInput(f"The pipeline in {folder} is left out.", "Its spec.py has no PipelineSpec named SPEC.",
                       "Write one, as docs/new_pipeline.md shows.")
    check_spec(found, folder.name)
    return found


def _add_components(shared: dict[str, Component], offered: PipelineSpec) -> None:
    """Join the models that the pipeline shares. Raises BadInput where it means another one by a known name."""
    for component in offered.components:
        if shared.get(component.name, component) != component:
            raise BadInput(f"{offered.label} is left out.", f"It describes the shared model '{component.name}' in "
                           "another way than the pipelines before it.", "Use theirs, or give it another name.")
    shared.update((component.name, component) for component in offered.components)


def _chains(offered: list[PipelineSpec], wrong: list[ErrorReport]) -> dict[str, Chain]:
    """The workflows whose steps are offered, ours and the artist's own. What is wrong with one is reported to `wrong`.
    """
    chains: dict[str, Chain] = {}
    own = sorted(_own_workflows.glob("*.json")) if _own_workflows else []
    for path in [*sorted(OWN_CHAINS.glob("*.json")), *own]:
        try:
            chain = read_chain(path)
            if chain.name in chains:
                raise BadInput(f"The workflow {path.name} is left out.", f"There is another one named '{chain.name}'.",
                               "Change the name in the file.")
            check_spec(_workflows({chain.name: chain}, offered), WORKFLOW)
        except BadInput as error:
            logger.warning("A workflow is left out: %s", error)
            wrong.append(error.report)
        else:
            chains[chain.name] = chain
    return chains


def _workflows(chains: dict[str, Chain], offered: list[PipelineSpec]) -> PipelineSpec:
    """The chains in the form of a pipeline's tasks. Raises BadInput where steps do not fit together."""
    tasks = tuple(workflow_task(chain, offered) for chain in chains.values())
    return PipelineSpec(WORKFLOW, "Workflow", "Several tasks in one go", tasks, ())


def _shared(components: Iterable[Component]) -> PipelineSpec:
    """Shared models in the form of a pipeline's weights: downloaded, licensed, checked and deleted like these."""
    weights = (WeightSet(each.name, each.label, each.description, each.files, each.license, each.gigabytes, {})
               for each in components)
    return PipelineSpec(SHARED, "Shared Models", "Models that several pipelines use", (), tuple(weights))


def _is_ours(name: str) -> bool:
    return name in (SHARED, WORKFLOW) or (_HERE / name).exists() or (_HERE / f"{name}.py").exists()


def _report(folder: Path, error: Exception) -> ErrorReport:
    if isinstance(error, MeshwrightError):
        return error.report
    return ErrorReport(f"The pipeline in {folder} is left out.", f"Its spec.py raises {type(error).__name__}: {error}.",
                       "Correct it, or ask who made it.", details="".join(traceback.format_exception(error)))


if folder_of_environment := os.environ.get(VARIABLE):
    use_folder(Path(folder_of_environment))
