# SPDX-License-Identifier: GPL-3.0-or-later
"""`download`: shows the license, asks where there is somebody to ask, fetches."""

import argparse
import sys
import tempfile
from pathlib import Path

from ..contract import DOWNLOAD_WEIGHTS, Done, Failed, JobFolder, PipelineSpec, Request, WeightSet
from ..pipelines import registry
from .arguments import worker_settings
from .progress_bar import ProgressBar
from .session import INTERRUPTED, Session


def download_weights(options: argparse.Namespace) -> int:
    """Fetch a set of weights; 1 when the license was not accepted or the download failed."""
    spec = registry.spec(options.pipeline)
    weights = spec.weight_set(options.weights)
    sys.stdout.write(_terms(spec, weights))
    if not options.accept_license and not _asked():
        sys.stderr.write("The license was not accepted; nothing was fetched. Accept it with --accept-license.\n")
        return 1
    request = Request("job", DOWNLOAD_WEIGHTS.name, spec.name, weights.name, weights.name,
                      parameters={"accepted_licenses": weights.license.name})
    with tempfile.TemporaryDirectory(prefix="meshwright-") as scratch, Session(worker_settings(options)) as session:
        bar = ProgressBar(weights.label, DOWNLOAD_WEIGHTS)
        try:
            outcome = session.run(request, JobFolder.create(Path(scratch) / "job"), bar.show)
        finally:
            bar.close()
    if isinstance(outcome, Done):
        sys.stdout.write("\n".join(outcome.result.notes) + "\n")
        return 0
    if isinstance(outcome, Failed):
        sys.stderr.write(f"{outcome.error.what}\n{outcome.error.why}\n{outcome.error.advice}\n")
        return 1
    return INTERRUPTED


def _terms(spec: PipelineSpec, weights: WeightSet) -> str:
    license = weights.license
    use = "allowed" if license.commercial_use else "NOT allowed"
    return (f"{spec.label} · {weights.label}: {weights.gigabytes:g} GB\n{license.name} ({license.url})\n"
            f"{license.text}\nCommercial use: {use}. Territory: {license.territory}.\n")


def _asked() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stdout.write("Do you accept this license? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
