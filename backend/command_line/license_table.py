# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that Meshwright uses and their licenses as a page: `python -m backend.command_line.license_table`.

Drawn from the pipelines' specs, so that the page and the gate before a download say the same.
"""

import sys
from collections.abc import Iterable, Iterator

from ..contract import Component, License, PipelineSpec, WeightSet
from ..pipelines.registry import specs

_HEAD = """# Models and their licenses

Meshwright itself is free software, GPL-3.0-or-later. The models that it runs have licenses of their own, and some
forbid commercial work. Nothing is downloaded before you have read and accepted the terms; what you accepted, and when,
stands in `licenses.json` in your models folder. When a license changes, Meshwright asks again.

This page is written by `python -m backend.command_line.license_table > docs/licenses.md`.
"""


def page(pipelines: Iterable[PipelineSpec]) -> str:
    """The whole page as Markdown."""
    return "\n".join(_lines(list(pipelines)))


def _lines(pipelines: list[PipelineSpec]) -> Iterator[str]:
    yield _HEAD
    yield "| Model | Weights | License | Commercial use | Territory | Download | Needs memory |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    sets = [(spec, weights) for spec in pipelines for weights in spec.weights]
    for spec, weights in sets:
        yield _row(spec, weights)
    yield "\n## Shared models\n"
    yield "Several pipelines use these; each is downloaded once, and deleted when no installed weights need it.\n"
    yield "| Model | What it does | Needed by | Used by, if installed |"
    yield "| --- | --- | --- | --- |"
    for component in {part.name: part for spec in pipelines for part in spec.components}.values():
        yield (f"| {component.label} | {component.description} | {_needed_by(component, sets)} | "
               f"{_used_by(component, pipelines)} |")
    yield "\n## The terms as they are shown"
    licenses: dict[License, list[str]] = {}
    for spec, weights in sets:
        licenses.setdefault(weights.license, []).append(f"{spec.label} {weights.label}")
    for license, holders in licenses.items():
        yield f"\n### {license.name}\n"
        yield f"For {', '.join(holders)}.\n"
        yield license.text
    yield ""


def _row(spec: PipelineSpec, weights: WeightSet) -> str:
    license = weights.license
    shared = sum(component.gigabytes for component in weights.components)
    size = f"{weights.gigabytes:g} GB" + (f" and {shared:g} GB shared" if shared else "")
    download = "comes with Meshwright" if weights.bundled else size
    commercial = "yes" if license.commercial_use else "**no**"
    memory = f"{weights.memory_gib:g} GiB" if weights.memory else ""
    return (f"| {spec.label} | {weights.label} | [{license.name}]({license.url}) | {commercial} | "
            f"{license.territory} | {download} | {memory} |")


def _needed_by(component: Component, sets: list[tuple[PipelineSpec, WeightSet]]) -> str:
    return ", ".join(f"{spec.label} {weights.label}" for spec, weights in sets if component in weights.components)


def _used_by(component: Component, pipelines: list[PipelineSpec]) -> str:
    return ", ".join(f"{spec.label}: {task.label}" for spec in pipelines for task in spec.tasks
                     if component in task.optional_components)


if __name__ == "__main__":
    sys.stdout.write(page(specs().values()))
