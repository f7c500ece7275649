# SPDX-License-Identifier: GPL-3.0-or-later
"""No name in a result, an event or a note leads out of the job's folder, on any system."""

import pytest

from backend.contract import Artifact, BadInput, Done, Preview, Result, event_from_json, event_to_json
from backend.contract.plain_name import is_plain_name

STRANGE = ("", ".", "..", "../x.npz", "/etc/passwd", "a/b.npz", "a\\b.npz", "C:x.npz", "a:stream", "a\0.npz", "a\n.npz",
           ".hidden", "-option", "x.", "con", "NUL.npz", "lpt1.png", "x" * 201, "\u202ex.npz", " x")


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names_are_refused(name: str) -> None:
    assert not is_plain_name(name)
    with pytest.raises(BadInput, match="plain file name"):
        Artifact("part", "mesh", name, "mesh")
    with pytest.raises(BadInput, match="plain file name"):
        Preview("job-1", name)
    data = event_to_json(Done("job-1", Result((Artifact("part", "mesh", "part.npz", "mesh"),))))
    data["result"]["artifacts"][0]["file"] = name
    with pytest.raises(BadInput):
        event_from_json(data)
    with pytest.raises(BadInput):
        Result.from_json({"artifacts": [], "files": {"in.npz": {"artifacts": data["result"]["artifacts"]}}})


@pytest.mark.parametrize("name", ["part.001.npz", "a", "Cube-2_color.png", "console.png", "com10.png", "null.npz"])
def test_usual_names_are_not(name: str) -> None:
    assert is_plain_name(name) and Artifact("part", "mesh", name, "mesh").file == name
