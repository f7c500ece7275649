# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files of other projects, read and compared with what Blender's importers read of each.

    python -m tests.mesh_corpus FOLDER

FOLDER holds `corpus/corpus.json` (by path: parts, faces, bounds and area, or null where Blender reads no mesh) and, for
the cases, `gltf_cases.py` and `text_cases.py`, which write files. Ends with 1 if any differs.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from backend.contract import BadInput
from backend.geometry.mesh_files import MeshFile, read_file

SIZE_TOLERANCE, AREA_TOLERANCE = 1e-3, 2e-3
UNIT = {"parts": 1, "faces": 12, "lo": [0, -1, 0], "hi": [1, 0, 1], "area": 6.0}
CASES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("my box.gltf", "uv_u16.glb", "skinned.glb", "double.glb", "comment.obj", "bom.obj"), UNIT),
    "quant_norm.glb": {"parts": 1, "faces": 12, "lo": [0, -2, 0], "hi": [2, 0, 2], "area": 24.0},
    "gpu_inst.glb": {"parts": 3, "faces": 36, "lo": [0, -1, 0], "hi": [7, 0, 1], "area": 18.0},
    "twomat.glb": {"parts": 1, "faces": 24, "lo": [0, -1, 0], "hi": [4, 0, 1], "area": 12.0},
    "prism.obj": {"parts": 1, "faces": 16, "lo": [0, -4, 0], "hi": [4, 0, 1], "area": 39.211},
}
"""What is right for the files of the cases."""


def read_as(found: MeshFile) -> dict[str, Any]:
    """What was read, in the form of `corpus.json`."""
    bounds = np.concatenate([node.bounds() for node in found.nodes])
    area = 0.0
    for node in found.nodes:
        corners = node.world_vertices()[node.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area += float(np.linalg.norm(normals, axis=1).sum())
    return {"parts": len(found.nodes), "faces": sum(len(node.faces) for node in found.nodes),
            "lo": bounds.min(axis=0).tolist(), "hi": bounds.max(axis=0).tolist(), "area": area / 2}


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What differs, in words, or ""."""
    size = float(np.linalg.norm(np.subtract(wanted["hi"], wanted["lo"])))
    wrong = [name for name in ("parts", "faces") if found[name] != wanted[name]]
    wrong += [name for name in ("lo", "hi")
              if np.abs(np.subtract(found[name], wanted[name])).max() > SIZE_TOLERANCE * size]
    wrong += ["area"] if abs(found["area"] - wanted["area"]) > AREA_TOLERANCE * wanted["area"] else []
    return ", ".join(f"{name} {found[name]} instead of {wanted[name]}" for name in wrong)


def compare(folder: Path, wanted: dict[str, dict[str, Any] | None]) -> Counter[str]:
    """Read every file of `wanted` in the folder; prints what differs."""
    counts: Counter[str] = Counter()
    for name, right in wanted.items():
        try:
            found = read_as(read_file(folder / name))
        except BadInput as error:
            counts["refused with reason" if right is None else "different"] += 1
            if right is not None:
                sys.stdout.write(f"{name}: {error}\n")
            continue
        words = "a mesh is read, and Blender reads none" if right is None else difference(found, right)
        counts["different" if words else "same"] += 1
        if words:
            sys.stdout.write(f"{name}: {words}\n")
    return counts


def main(folder: Path) -> int:
    """Compare both."""
    corpus = compare(folder / "corpus", json.loads((folder / "corpus" / "corpus.json").read_text("utf-8")))
    with tempfile.TemporaryDirectory() as made:
        for script in ("gltf_cases.py", "text_cases.py"):
            subprocess.run([sys.executable, script, made], cwd=folder, check=True)
        cases = compare(Path(made), dict(CASES))
    for name, counts in (("corpus", corpus), ("cases", cases)):
        words = ", ".join(f"{counts[kind]} {kind}" for kind in ("same", "refused with reason", "different"))
        sys.stdout.write(f"{name}: {words}\n")
    return 1 if corpus["different"] or cases["different"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
