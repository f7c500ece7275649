# SPDX-License-Identifier: GPL-3.0-or-later
"""Which licences the artist accepted, and when: `licences.json` in the models folder.

An acceptance holds for one pipeline's set of weights and for the exact name, address and text that were shown.
"""

import datetime
import hashlib
import json
import logging
from pathlib import Path

from ..contract import Licence, MeshwrightError, PipelineSpec, Remedy, WeightSet

_log = logging.getLogger(__name__)
_FILE = "licences.json"


def accepted(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> bool:
    """Whether these terms, as they read today, were accepted. Bundled weights need no acceptance."""
    wanted = {"pipeline": spec.name, "weights": weights.name, "fingerprint": fingerprint(weights.licence)}
    return weights.bundled or any(wanted.items() <= entry.items() for entry in acceptances(models_folder))


def accept(spec: PipelineSpec, weights: WeightSet, models_folder: Path, licence: str) -> None:
    """Store that the artist accepted the licence of that name. Raises MeshwrightError.

    The name is what the artist was shown; it is refused when it is empty or another licence's.
    """
    if licence != weights.licence.name:
        raise refused(spec, weights, licence)
    entries = [entry for entry in acceptances(models_folder)
               if (entry.get("pipeline"), entry.get("weights")) != (spec.name, weights.name)]
    entries.append({
        "pipeline": spec.name, "weights": weights.name, "licence": licence, "url": weights.licence.url,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "fingerprint": fingerprint(weights.licence),
    })
    draft = Path(models_folder) / f"{_FILE}.draft"
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(entries, indent=1, ensure_ascii=False), encoding="utf-8")
        draft.replace(draft.with_name(_FILE))
    except OSError as error:
        raise MeshwrightError("The accepted licence cannot be stored.", f"{models_folder}: {error.strerror}.",
                              "Choose a models folder that you may write.", Remedy.CHOOSE_FOLDER) from error


def refused(spec: PipelineSpec, weights: WeightSet, licence: str = "") -> MeshwrightError:
    """The error for weights whose licence was not accepted."""
    why = f"'{licence}' was accepted, they are under '{weights.licence.name}'." if licence else \
        f"They are under the {weights.licence.name} and are fetched only after you accept it."
    return MeshwrightError(f"The licence of {spec.label}'s {weights.label_within_text} weights is not accepted.", why,
                           f"Read it ({weights.licence.url}) and accept it, or use other weights.",
                           Remedy.ACCEPT_LICENCE)


def acceptances(models_folder: Path) -> list[dict[str, str]]:
    """Everything that was accepted, oldest first; an unreadable file counts as nothing, so that we ask again."""
    path = Path(models_folder) / _FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read, licences are asked for again: %s", path, error)
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def fingerprint(licence: Licence) -> str:
    """Changes with the licence's name, address or text."""
    return hashlib.sha256("\n".join((licence.name, licence.url, licence.text)).encode()).hexdigest()[:16]
