# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend`: everything without Blender. Exit codes: 0, 1 for an error (on stderr), 130 after Ctrl-C,
143 after SIGTERM.
"""

import importlib
import io
import logging
import sys
from collections.abc import Sequence

from ..contract import BadInput, MeshwrightError
from ..contract.scratch import remove_dead_scratch
from ..pipelines import registry
from ..worker import job_run
from .arguments import build_parser, with_dashes, with_task_joined, worker_settings
from .catalogue import print_specs
from .configuration import with_configuration
from .session import INTERRUPTED
from .task_arguments import named_files, source_slot


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code. Wrong usage exits with 2 and the usage, as argparse does."""
    remove_dead_scratch()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end a batch
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except MeshwrightError as error:
        sys.stderr.write(error.report.lines)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["train"] and len(arguments) > 1 and not arguments[1].startswith("-"):
        return _train(arguments[1], list(arguments[2:]))
    parser = build_parser()
    options = parser.parse_args(with_dashes(with_configuration(with_task_joined(arguments))))
    for report in registry.complaints():
        sys.stderr.write(f"{report}\n")
    if options.command == "worker":
        from ..worker.loop import serve

        serve(worker_settings(options))
    if options.command == "serve":
        from ..server.command import serve as serve_http  # FastAPI and uvicorn, which no other command needs

        return serve_http(options)
    if options.command == "mcp":
        from ..server.agent_command import serve_agents

        return serve_agents(options)
    if "task" in options and (slot := source_slot(options.task)) and slot.required and not named_files(options):
        parser.error(f"{options.command} needs files to work on")
    # Imported here and not above, so that the worker does not wait for trimesh.
    from .downloads import download_weights, remove_weights
    from .task_runs import run_task

    _log_to_stderr()
    own = {"specs": print_specs, "download": download_weights, "remove": remove_weights}
    return own.get(options.command, run_task)(options)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.ERROR)
    # A failed job's error is shown at the end, and its log with the traceback is kept with the results.
    handler.addFilter(lambda record: not record.name.startswith(job_run.__name__))
    logging.basicConfig(handlers=[handler], format="%(message)s")


def _train(pipeline: str, arguments: list[str]) -> int:
    if pipeline not in registry.trainable():
        raise BadInput(f"There is no recipe to train '{pipeline}'.", f"Recipes: {', '.join(registry.trainable())}.",
                       "Choose one of these; the installed extension has none, the repository has them.")
    recipe = importlib.import_module(f"{registry.__package__}.{pipeline}.training.recipe")
    return recipe.train(arguments)
