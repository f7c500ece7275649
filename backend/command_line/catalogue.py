# SPDX-License-Identifier: GPL-3.0-or-later
"""`specs`: prints the pipelines with their tasks, options and weights."""

import argparse
import json
import sys

from ..contract.json_form import to_json
from ..pipelines import registry


def print_specs(options: argparse.Namespace) -> int:
    """To stdout, as JSON or as text."""
    specs = registry.specs()
    if options.json:
        sys.stdout.write(json.dumps(to_json(specs), ensure_ascii=False, indent=1) + "\n")
        return 0
    for spec in specs.values():
        sys.stdout.write(f"{spec.name}: {spec.summary}\n")
        for task in spec.tasks:
            sys.stdout.write(f"  {task.name.replace('_', '-')}: {task.description}\n")
            for parameter in task.parameters:
                sys.stdout.write(f"    --{parameter.name.replace('_', '-')}: {parameter.expectation()} "
                                 f"(default {parameter.default})\n")
        for weights in spec.weights:
            use = "any use" if weights.license.commercial_use else "no commercial use"
            sys.stdout.write(f"  weights {weights.name}: {weights.description} ({weights.gigabytes:g} GB, "
                             f"{weights.memory_gib:g} GiB of memory, {weights.license.name}, {use})\n")
    return 0
