# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that Meshwright uses and their licenses as a page: `python -m backend.command_line.license_table`.

Drawn from the pipelines' specs, so that the page and the gate before a download say the same.
"""

import sys
from collections.abc import Iterable, Iterator

from ..contract import PipelineSpec, WeightSet
from ..pipelines.registry import specs

# Models that come as a part of another pipeline's weights or with a library, from their own pages.
COMPONENTS = (
    ("DINOv2 giant", "image encoder of other models", "facebook/dinov2-giant", "Apache-2.0", "yes"),
    ("U2Net", "cutting the object out of an opaque image, through rembg (MIT)", "xuebinqin/U-2-Net",
     "Apache-2.0 as far as we know: read its page", "yes, if so"),
)
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
    yield "\n## Parts of these\n"
    yield "| Model | Used for | Source | License | Commercial use |"
    yield "| --- | --- | --- | --- | --- |"
    for component in COMPONENTS:
        yield f"| {' | '.join(component)} |"
    yield "\n## The terms as they are shown"
    for spec, weights in sets:
        yield f"\n### {spec.label}, {weights.label_within_text}: {weights.license.name}\n"
        yield weights.license.text
    yield ""


def _row(spec: PipelineSpec, weights: WeightSet) -> str:
    license = weights.license
    download = "comes with Meshwright" if weights.bundled else f"{weights.gigabytes:g} GB"
    commercial = "yes" if license.commercial_use else "**no**"
    return (f"| {spec.label} | {weights.label} | [{license.name}]({license.url}) | {commercial} | "
            f"{license.territory} | {download} | {weights.memory_gib:g} GiB |")


if __name__ == "__main__":
    sys.stdout.write(page(specs().values()))
