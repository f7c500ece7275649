# SPDX-License-Identifier: GPL-3.0-or-later
"""`download`: shows the licenses, asks where there is somebody to ask, fetches. `remove`: deletes."""

import argparse
import sys

from ..contract import DOWNLOAD_WEIGHTS, Done, Failed, JobFolder, PipelineSpec, Request, WeightSet
from ..contract.scratch import scratch_folder
from ..pipelines import registry
from ..weights.location import shared_set
from ..weights.removal import remove
from .arguments import worker_settings
from .progress_bar import ProgressBar
from .session import INTERRUPTED, Session


def download_weights(options: argparse.Namespace) -> int:
    """Fetch a set of weights and the shared models that it needs; 1 when a license was not accepted or it failed."""
    spec = registry.spec(options.pipeline)
    weights = spec.weight_set(options.weights)
    sets = [(spec, weights), *map(shared_set, weights.components)]
    sys.stdout.write("\n".join(_terms(*pair) for pair in sets))
    if not options.accept_license and not _asked(len(sets)):
        sys.stderr.write(f"{_licenses(len(sets))} not accepted; nothing was fetched. Accept with --accept-license.\n")
        return 1
    request = Request("job", DOWNLOAD_WEIGHTS.name, spec.name, weights.name, weights.name,
                      parameters={"accepted_licenses": "\n".join(each.license.name for _, each in sets)})
    with scratch_folder() as scratch, Session(worker_settings(options)) as session:
        bar = ProgressBar(weights.label, DOWNLOAD_WEIGHTS)
        try:
            outcome = session.run(request, JobFolder.create(scratch / "job"), bar.show)
        finally:
            bar.close()
    if isinstance(outcome, Done):
        sys.stdout.write("\n".join(outcome.result.notes) + "\n")
        return 0
    if isinstance(outcome, Failed):
        sys.stderr.write(outcome.error.lines)
        return 1
    return session.exit_code or INTERRUPTED


def remove_weights(options: argparse.Namespace) -> int:
    """Delete a set of weights, and the shared models that no other installed set needs."""
    spec = registry.spec(options.pipeline)
    removed = remove(spec, spec.weight_set(options.weights), options.models)
    sys.stdout.write(f"Deleted {', '.join(removed.labels)}: {removed.bytes / 1e9:.2f} GB.\n")
    return 0


def _terms(spec: PipelineSpec, weights: WeightSet) -> str:
    license = weights.license
    use = "allowed" if license.commercial_use else "NOT allowed"
    return (f"{spec.label} · {weights.label}: {weights.gigabytes:g} GB\n{license.name} ({license.url})\n"
            f"{license.text}\nCommercial use: {use}. Territory: {license.territory}.\n")


def _licenses(count: int) -> str:
    return "The license was" if count == 1 else "The licenses were"


def _asked(count: int) -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stdout.write(f"Do you accept {'this license' if count == 1 else 'these licenses'}? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
