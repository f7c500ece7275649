# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain as a task like any other, so that panel, queue, command line and delivery need to know nothing of chains.

What the artist chooses for a step are two parameters: which model does it, and one of that model's presets.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..contract import (
    BadInput,
    Choice,
    Component,
    Delivery,
    InputSpec,
    Parameter,
    PipelineSpec,
    Preset,
    StageSpec,
    TaskSpec,
    WeightSet,
)
from .chain import Chain, Step

USUAL = "usual"
"""Value of a step's preset parameter: the defaults of its model."""
_MESH_RESULTS: dict[Delivery, Delivery] = {"object": "object", "parts": "parts"}


@dataclass(frozen=True)
class Option:
    """One way to do a step: a task of a pipeline, with one set of its weights where it needs any."""

    pipeline: PipelineSpec
    task: TaskSpec
    weights: WeightSet | None

    @property
    def value(self) -> str:
        """Its value in the step's parameter."""
        return "/".join((self.pipeline.name, self.task.name, self.weights.name if self.weights else "-"))

    @property
    def choice(self) -> Choice:
        """Its entry in the step's parameter."""
        label = f"{self.task.label}: {self.weights.label}" if self.weights else self.task.label
        return Choice(self.value, label, self.weights.description if self.weights else self.task.description)


def names_in(value: str) -> tuple[str, str, str]:
    """Names of the pipeline, the task and the weights that an option's value stands for."""
    pipeline, task, weights = value.split("/")
    return pipeline, task, weights


def model_parameter(step: Step) -> str:
    """Name of the parameter that says which option does the step."""
    return f"{step.name}_model"


def preset_parameter(step: Step) -> str:
    """Name of the parameter that says with which preset."""
    return f"{step.name}_preset"


def options_of(step: Step, offered: Iterable[PipelineSpec]) -> tuple[Option, ...]:
    """Every way to do the step with these pipelines; those that need no download come first. Raises BadInput for none.
    """
    pipelines = list(offered)
    found = [option for wanted in step.tasks for option in _options(wanted, pipelines)]
    if not found:
        raise BadInput(f"The step {step.label} cannot be done.", f"No pipeline offers {' or '.join(step.tasks)}.",
                       "Correct the workflow, or install the pipeline.")
    return tuple(sorted(found, key=lambda option: option.weights is not None and not option.weights.bundled))


def workflow_task(chain: Chain, offered: Iterable[PipelineSpec]) -> TaskSpec:
    """The chain as a task. Raises BadInput where its steps do not fit together."""
    pipelines = list(offered)
    options = {step.name: options_of(step, pipelines) for step in chain.steps}
    for step in chain.steps:
        _check_feeds(step, chain, [option.task for option in options[step.name]])
    inputs, texts = _own_inputs(chain, options)
    parameters = [*texts, *(parameter for step in chain.steps for parameter in _choices(step, options[step.name]))]
    mesh = any(wanted.kind == "mesh" for wanted in inputs)
    return TaskSpec(
        name=chain.name, label=chain.label, description=chain.description,
        delivery=_delivery(chain, options, mesh), selection="each" if mesh else "none",
        inputs=tuple(inputs), parameters=tuple(parameters),
        stages=tuple(StageSpec(step.name, step.label, 1.0 / len(chain.steps)) for step in chain.steps),
        needs_one_of=_needs_one_of(chain, options, {*(wanted.name for wanted in inputs),
                                                    *(parameter.name for parameter in texts)}),
        presets=_presets(chain, options), optional_components=_components(options.values()), needs_weights=False,
    )


def _options(wanted: str, pipelines: Sequence[PipelineSpec]) -> Iterator[Option]:
    owner, _, name = wanted.rpartition("/")
    for pipeline in pipelines:
        for task in pipeline.tasks:
            if task.name == name and owner in ("", pipeline.name):
                yield from (Option(pipeline, task, weights) for weights in pipeline.weights_for(task) or (None,))


def _check_feeds(step: Step, chain: Chain, tasks: Sequence[TaskSpec]) -> None:
    """Raise BadInput for an input that no task has, and for meshes that go where no mesh is taken."""
    for task in tasks:
        if task.delivery in ("text", "groups"):
            raise BadInput(f"{task.label} cannot be a step of a workflow.", "It gives no mesh to go on with.",
                           "Leave the step out.")
        slot = task.mesh_input
        if slot is not None and slot.name not in step.inputs:
            raise BadInput(f"The step {step.label} has no mesh.", f"Nothing feeds its input '{slot.name}'.",
                           "Name the step whose result it takes.")
        for name in step.inputs:
            if step.inputs[name] in chain.earlier(step) and (slot is None or name != slot.name):
                raise BadInput(f"The step {step.label} cannot take a mesh as '{name}'.",
                               f"{task.label} has no such mesh input.", "Correct the workflow.")
    for names, known in ((step.inputs, {name for task in tasks for name in _fed_names(task)}),
                         (step.parameters, {parameter.name for task in tasks for parameter in task.parameters})):
        if unknown := sorted(set(names) - known):
            raise BadInput(f"The step {step.label} has no '{unknown[0]}'.", f"It takes {', '.join(sorted(known))}.",
                           "Correct the workflow.")


def _fed_names(task: TaskSpec) -> tuple[str, ...]:
    return (*(wanted.name for wanted in task.inputs),
            *(parameter.name for parameter in task.parameters if parameter.kind == "text"))


def _own_inputs(chain: Chain, options: dict[str, tuple[Option, ...]]) -> tuple[list[InputSpec], list[Parameter]]:
    """What the chain itself asks for: the first task that takes it describes it, under the chain's name for it."""
    inputs: dict[str, InputSpec] = {}
    texts: dict[str, Parameter] = {}
    for step in chain.steps:
        for number, option in enumerate(options[step.name]):
            for name, source in step.inputs.items():
                if source in chain.earlier(step):
                    continue
                for wanted in (each for each in option.task.inputs if each.name == name):
                    known = inputs.setdefault(source, replace(wanted, name=source, required=False, batch=1))
                    if number == 0 and wanted.required and not known.required:
                        inputs[source] = replace(known, required=True)
                for parameter in (each for each in option.task.parameters if each.name == name):
                    texts.setdefault(source, replace(parameter, name=source, advanced=False, group=""))
    return list(inputs.values()), list(texts.values())


def _choices(step: Step, options: tuple[Option, ...]) -> Iterator[Parameter]:
    values = [option.value for option in options]
    yield Parameter(model_parameter(step), "choice", step.model if step.model in values else values[0],
                    f"{step.label} Model", "The task and the weights of this step",
                    choices=tuple(option.choice for option in options))
    presets = {preset.name: preset for option in options for preset in option.task.presets}
    if presets:
        usual = Choice(USUAL, "Default", "The defaults of the model")
        choices = tuple(Choice(each.name, each.label, each.description) for each in presets.values())
        yield Parameter(preset_parameter(step), "choice", step.preset if step.preset in presets else USUAL,
                        f"{step.label} Quality",
                        "How much time this step takes. A model without such a preset uses its defaults",
                        choices=(usual, *choices), advanced=True, group="Quality")


def _delivery(chain: Chain, options: dict[str, tuple[Option, ...]], from_mesh: bool) -> Delivery:
    """New objects as the first step makes them; an object in the place of a selected one where the chain begins with a
    mesh. Raises BadInput for a chain that makes no mesh."""
    made = {option.task.delivery for step in chain.steps for option in options[step.name]}
    if from_mesh:
        if "replace" in made:
            return "replace"
        raise BadInput(f"{chain.label} makes no mesh.", "None of its steps does.", "Run its task without a workflow.")
    first = {option.task.delivery for option in options[chain.steps[0].name]}
    if len(first) == 1 and (delivery := _MESH_RESULTS.get(next(iter(first)))):
        return delivery
    raise BadInput(f"{chain.label} cannot be offered.",
                   "Its first step makes no new objects, or either one or several.", "Begin with a task that does.")


def _needs_one_of(chain: Chain, options: dict[str, tuple[Option, ...]], own: set[str]) -> tuple[tuple[str, ...], ...]:
    """The groups of the usual options, in the chain's names; a group that an earlier step feeds is served."""
    groups: dict[tuple[str, ...], None] = {}
    for step in chain.steps:
        for group in options[step.name][0].task.needs_one_of:
            sources = [step.inputs[name] for name in group if name in step.inputs]
            if not set(sources) & set(chain.earlier(step)):
                groups[tuple(source for source in sources if source in own)] = None
    return tuple(group for group in groups if group)


def _presets(chain: Chain, options: dict[str, tuple[Option, ...]]) -> tuple[Preset, ...]:
    """The presets of the first step, for every step that has one of the same name."""
    offered = {step.name: {preset.name for option in options[step.name] for preset in option.task.presets}
               for step in chain.steps}
    return tuple(
        replace(preset, values={preset_parameter(step): preset.name for step in chain.steps
                                if preset.name in offered[step.name]},
                description=f"{preset.label} in every step")
        for preset in options[chain.steps[0].name][0].task.presets)


def _components(options: Collection[tuple[Option, ...]]) -> tuple[Component, ...]:
    return tuple({component.name: component for several in options for option in several
                  for component in option.task.optional_components}.values())
