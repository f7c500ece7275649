#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, validates and lists the extension's zip, one for each platform, in dist/.

    python build_addon.py [--platform linux-x64 | all] [--no-wheels] [--out DIR] [--blender-python PYTHON]
                          [--website URL] [--repository]

With --repository DIR becomes a repository that Blender can subscribe to: the zips, index.json and index.html, to be put
on any static web server. Its address is that of index.json.

Standard library of Python 3.11 only. The same sources give the same bytes.
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import platform
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADDON, BACKEND, WHEELS = HERE / "blender_addon", HERE / "backend", HERE / "wheels"
PLATFORMS = ("linux-x64", "windows-x64", "macos-arm64")
"""Where torch has a build: none is made for Intel Macs any more."""
LARGEST = 60_000_000
"""Bytes of a zip. What is larger does not belong into it."""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: builds must not differ by their hour
LEFT_OUT = ("__pycache__", "training", "procedural")  # recipes train from the repository, not inside Blender
_VALIDATOR = "scripts/addons_core/bl_pkg/cli/blender_ext.py"
_REQUIRED = ("schema_version", "id", "version", "name", "tagline", "maintainer", "type", "license",
             "blender_version_min")


class BuildError(Exception):
    """The zip cannot be built, or is not valid."""


@dataclass(frozen=True)
class Wheel:
    """One entry of wheels/wheels.lock."""

    name: str
    version: str
    file: str
    sha256: str
    platforms: tuple[str, ...]


def read_lock(path: Path = WHEELS / "wheels.lock") -> list[Wheel]:
    """All wheels of the lock file."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("wheel", [])
    return [Wheel(**{**entry, "platforms": tuple(entry["platforms"])}) for entry in entries]


def own_platform() -> str:
    """Blender's name of the platform that this runs on."""
    system = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}.get(platform.system(), "")
    machine = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x64"
    return f"{system}-{machine}"


def fetch(wheel: Wheel) -> Path:
    """The wheel's file, downloaded with pip unless it is there. Raises BuildError when its SHA-256 differs."""
    path = WHEELS / wheel.file
    if not path.is_file():
        tags = wheel.file.removesuffix(".whl").split("-")[-1].split(".")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--only-binary=:all:", "--dest", str(WHEELS), f"{wheel.name}=={wheel.version}",
                   *(word for tag in tags for word in ("--platform", tag))]
        if subprocess.run(command, check=False).returncode != 0 or not path.is_file():
            raise BuildError(f"pip could not fetch {wheel.file}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise BuildError(f"{path.name} has SHA-256 {digest}, the lock says {wheel.sha256}")
    return path


def sources() -> Iterator[tuple[str, Path]]:
    """(path in the zip, file): the add-on at the root, the backend in its own folder, license and example."""
    for root, prefix in ((ADDON, ""), (BACKEND, "backend/")):
        for path in root.rglob("*"):
            inside = path.relative_to(root)
            hidden = any(part.startswith(".") or part in LEFT_OUT for part in inside.parts)
            if path.is_file() and not hidden and path.suffix != ".pyc" and inside.name != "blender_manifest.toml":
                yield prefix + inside.as_posix(), path
    yield "LICENSE", HERE / "LICENSE"
    yield "examples/chair.png", HERE / "examples" / "chair.png"  # what *Try an Example* takes


def manifest_text(target: str, wheels: list[Wheel], website: str = "") -> str:
    """The manifest of one platform's zip: with wheels it names them and the platform; `website` is the publisher's."""
    text = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
    if website:
        text = text.replace("\ntype = ", f"\nwebsite = {json.dumps(website)}\ntype = ", 1)
    if not wheels:
        return text
    listed = "".join(f'  "./wheels/{wheel.file}",\n' for wheel in sorted(wheels, key=lambda wheel: wheel.file))
    generated = f'platforms = ["{target}"]\nwheels = [\n{listed}]\n\n'
    head, table, permissions = text.partition("[permissions]")  # top-level keys must stand before the first table
    return head + generated + table + permissions


def write_zip(path: Path, target: str, wheels: list[Wheel], website: str = "") -> list[tuple[str, int]]:
    """Write the zip; returns (name, bytes) of all members. Members are sorted and carry no time of their own."""
    members: dict[str, bytes] = {name: file.read_bytes() for name, file in sources()}
    members["blender_manifest.toml"] = manifest_text(target, wheels, website).encode()
    members |= {f"wheels/{wheel.file}": fetch(wheel).read_bytes() for wheel in wheels}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, members[name])
    return [(name, len(members[name])) for name in sorted(members)]


def check(path: Path) -> None:
    """Our own checks of a built zip: manifest, version, and which side imports what. Raises BuildError."""
    with zipfile.ZipFile(path) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
        names = archive.namelist()
        complaints = [f"the manifest lacks {field}" for field in _REQUIRED if not manifest.get(field)]
        complaints += [f"{wheel} is not in the zip" for wheel in manifest.get("wheels", [])
                       if wheel.removeprefix("./") not in names]
        code = re.search(r'ADDON_VERSION = "(.+)"', archive.read("version.py").decode())
        if code is None or code[1] != manifest.get("version"):
            complaints.append(f"the manifest's version is {manifest.get('version')}, the code's {code and code[1]}")
        if path.stat().st_size > LARGEST:
            complaints.append(f"it has {path.stat().st_size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
        for name in names:
            if name.endswith(".py"):
                complaints += [f"{name} imports {module}" for module in forbidden_imports(name, archive.read(name))]
    if complaints:
        raise BuildError(f"{path.name}: " + "; ".join(complaints))


def forbidden_imports(name: str, source: bytes) -> set[str]:
    """Modules that this file of the zip must not import: bpy in the backend, the runtime's packages in the add-on."""
    in_backend = name.startswith("backend/")
    forbidden = {"bpy", "mathutils"} if in_backend else {"torch", "diffusers", "transformers", "trimesh", "warp"}
    imported = set()
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module.partition(".")[0])
    return imported & forbidden


def blender_validator(python: str | None) -> Path | None:
    """Blender's own extension tool, which lies in the bpy module of this or the given Python."""
    if python is None:
        spec = importlib.util.find_spec("bpy")
        roots = list(spec.submodule_search_locations or ()) if spec else []
    else:
        question = "from importlib.util import find_spec; print(find_spec('bpy').submodule_search_locations[0])"
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
        roots = [answer.stdout.strip()]
    return next((found for root in roots for found in sorted(Path(root).glob(f"*/{_VALIDATOR}"))), None)


def validate(path: Path, validator: Path | None) -> str:
    """Check the zip; returns by whom. Raises BuildError with the tool's words."""
    check(path)
    if validator is None:
        return "own checks (Blender's bpy module is not here)"
    tags = validator.parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
    ended = subprocess.run([sys.executable, str(validator), "validate", "--valid-tags", str(tags), str(path)],
                           capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise BuildError(f"Blender's validator refuses {path.name}:\n{ended.stdout}{ended.stderr}")
    return "own checks and Blender's validator"


def write_repository(folder: Path, validator: Path | None) -> Path:
    """List all zips of the folder in index.json, which is returned, and index.html, with Blender's own tool.

    Raises BuildError.
    """
    if validator is None:
        raise BuildError("A repository needs Blender's own tool: give --blender-python a Python with the bpy module")
    ended = subprocess.run([sys.executable, str(validator), "server-generate", "--html", "--repo-dir", str(folder)],
                           capture_output=True, text=True, check=False)
    index = folder / "index.json"
    if ended.returncode != 0 or not index.is_file():
        raise BuildError(f"Blender's tool makes no repository of {folder}:\n{ended.stdout}{ended.stderr}")
    return index


def listing(members: list[tuple[str, int]]) -> str:
    """What the zip carries, summed up by folder."""
    sums: dict[str, tuple[int, int]] = {}
    for name, size in members:
        parts = name.split("/")
        folder = "/".join(parts[:2]) if parts[0] == "backend" and len(parts) > 2 else parts[0] if parts[1:] else "."
        count, total = sums.get(folder, (0, 0))
        sums[folder] = count + 1, total + size
    return "".join(f"  {folder:<24}{count:>4} files {total / 1e6:>8.2f} MB\n"
                   for folder, (count, total) in sums.items())


def build(target: str, out: Path, with_wheels: bool, validator: Path | None, website: str = "") -> Path:
    """Build and validate one platform's zip and list what it carries. Raises BuildError."""
    wheels = [wheel for wheel in read_lock() if target in wheel.platforms] if with_wheels else []
    version = tomllib.loads((ADDON / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    suffix = f"-{target.replace('-', '_')}" if wheels else ""
    path = out / f"meshwright-{version}{suffix}.zip"
    members = write_zip(path, target, wheels, website)
    judge = validate(path, validator)
    sys.stdout.write(f"{path}  {path.stat().st_size / 1e6:.2f} MB, {len(members)} files, valid by {judge}\n"
                     f"{listing(members)}")
    return path


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", choices=(*PLATFORMS, "all"), default=own_platform())
    parser.add_argument("--no-wheels", action="store_true", help="without the installer's uv: for tests")
    parser.add_argument("--out", type=Path, default=HERE / "dist")
    parser.add_argument("--blender-python", help="a Python with the bpy module, for Blender's own validator")
    parser.add_argument("--website", default="", help="address of the publisher, for the manifest")
    parser.add_argument("--repository", action="store_true", help="also write index.json and index.html")
    options = parser.parse_args()
    targets = PLATFORMS if options.platform == "all" and not options.no_wheels else (options.platform,)
    try:
        validator = blender_validator(options.blender_python)
        for target in targets:
            build(target, options.out, not options.no_wheels, validator, options.website)
        if options.repository:
            sys.stdout.write(f"{write_repository(options.out, validator)}\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
