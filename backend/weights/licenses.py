# SPDX-License-Identifier: GPL-3.0-or-later
"""Which licenses the artist accepted, and when: `licenses.json` in the models folder.

An acceptance holds for one pipeline's set of weights and for the exact name, address and text that were shown.
"""

import datetime
import hashlib
import json
import logging
from pathlib import Path

from ..contract import License, MeshwrightError, PipelineSpec, Remedy, WeightSet, write_text_whole
from .shared_files import exclusive

_log = logging.getLogger(__name__)
_FILE = "licenses.json"


def accepted(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> bool:
    """Whether these terms, as they read today, were accepted. Bundled weights need no acceptance."""
    wanted = {"pipeline": spec.name, "weights": weights.name, "fingerprint": fingerprint(weights.license)}
    return weights.bundled or any(wanted.items() <= entry.items() for entry in acceptances(models_folder))


def accept(spec: PipelineSpec, weights: WeightSet, models_folder: Path, license: str) -> None:
    """Store that the artist accepted the license of that name. Raises MeshwrightError.

    The name is what the artist was shown; it is refused when it is empty or another license's.
    """
    if license != weights.license.name:
        raise refused(spec, weights, license)
    acceptance = {
        "pipeline": spec.name, "weights": weights.name, "license": license, "url": weights.license.url,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "fingerprint": fingerprint(weights.license),
    }
    path = Path(models_folder) / _FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path):
            others = [entry for entry in acceptances(models_folder)
                      if (entry.get("pipeline"), entry.get("weights")) != (spec.name, weights.name)]
            write_text_whole(path, json.dumps([*others, acceptance], indent=1, ensure_ascii=False))
    except OSError as error:
        raise MeshwrightError("The accepted license cannot be stored.", f"{models_folder}: {error.strerror}.",
                              "Choose a models folder that you may write.", Remedy.CHOOSE_FOLDER) from error


def refused(spec: PipelineSpec, weights: WeightSet, license: str = "") -> MeshwrightError:
    """The error for weights whose license was not accepted."""
    why = f"'{license}' was accepted, they are under '{weights.license.name}'." if license else \
        f"They are under the {weights.license.name} and are fetched only after you accept it."
    return MeshwrightError(f"The license of {spec.label} · {weights.label} is not accepted.", why,
                           f"Read it ({weights.license.url}) and accept it, or use other weights.",
                           Remedy.ACCEPT_LICENSE, needs={"pipeline": spec.name, "weights": weights.name})


def acceptances(models_folder: Path) -> list[dict[str, str]]:
    """Everything that was accepted, oldest first; an unreadable file counts as nothing, so that we ask again."""
    path = Path(models_folder) / _FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s cannot be read, licenses are asked for again: %s", path, error)
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def fingerprint(license: License) -> str:
    """Changes with the license's name, address or text."""
    return hashlib.sha256("\n".join((license.name, license.url, license.text)).encode()).hexdigest()[:16]
