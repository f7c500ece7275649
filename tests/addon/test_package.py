# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip: what it carries, what its files import, that it comes and goes without a trace."""

import functools
import http.server
import json
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path

import addon_utils
import bpy
import pytest

import build_addon

from .conftest import PACKAGE, REPOSITORY, Extension

ENGINE = ("torch", "diffusers", "transformers", "trimesh", "warp")


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.zip", "second.zip"):
        build_addon.write_zip(tmp_path / name, "linux-x64", [])
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_each_side_keeps_to_its_imports(extension_zip: Path) -> None:
    with zipfile.ZipFile(extension_zip) as archive:
        sources = {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    assert any(name.startswith("backend/") for name in sources) and "registration.py" in sources
    assert {name: build_addon.forbidden_imports(name, source) for name, source in sources.items()
            if build_addon.forbidden_imports(name, source)} == {}


@pytest.mark.parametrize(("name", "source", "found"), [
    ("backend/worker/loop.py", "def f():\n    import bpy.types", {"bpy"}),
    ("backend/worker/loop.py", "from mathutils import Vector", {"mathutils"}),
    ("deliver/mesh.py", "import torch.nn as nn", {"torch"}),
    ("deliver/mesh.py", "from diffusers.utils import x", {"diffusers"}),
    ("deliver/mesh.py", "import bpy\nfrom .torch import x", set()),
])
def test_a_wrong_import_is_found(name: str, source: str, found: set[str]) -> None:
    assert build_addon.forbidden_imports(name, source.encode()) == found


def test_no_engine_in_blenders_process(extension_zip: Path, tmp_path: Path) -> None:
    """Enabling the extension, with all its panels and specs, imports nothing that belongs to the backend."""
    script = f"""
import os, sys, bpy
bpy.ops.extensions.package_install_files(filepath={str(extension_zip)!r}, repo="user_default", enable_on_install=True)
assert {PACKAGE!r} in sys.modules
sys.stdout.write(" ".join(name for name in {ENGINE!r} if name in sys.modules) + "|")
sys.stdout.flush()
os._exit(0)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                           env={"BLENDER_USER_RESOURCES": str(tmp_path), "PATH": ""})
    assert ended.stdout.rsplit("\n", 1)[-1] == "|", ended.stdout


def test_what_the_zip_carries(extension_zip: Path) -> None:
    with zipfile.ZipFile(extension_zip) as archive:
        names, manifest = archive.namelist(), tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert {"__init__.py", "LICENSE", "backend/__main__.py", "backend/pipelines/partpacker/spec.py",
            "backend/requirements.txt", "setup/torch_builds.json", "examples/chair.png", "CREDITS.md"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".draft")) or "/." in name]
    assert names == sorted(names) and "wheels" not in manifest
    assert set(manifest["permissions"]) == {"network", "files", "clipboard"}


def test_versions_agree(extension: Extension, extension_zip: Path) -> None:
    manifest = tomllib.loads((REPOSITORY / "blender_addon" / "blender_manifest.toml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert manifest["version"] == extension.module("version").ADDON_VERSION == project["project"]["version"]
    assert extension_zip.name == f"meshwright-{manifest['version']}.zip"


def test_a_platforms_manifest_names_its_wheels() -> None:
    wheels = build_addon.read_lock()
    for target in build_addon.PLATFORMS:
        chosen = [wheel for wheel in wheels if target in wheel.platforms]
        manifest = tomllib.loads(build_addon.manifest_text(target, chosen))
        assert manifest["platforms"] == [target] and len(manifest["wheels"]) == len(chosen) > 0
        assert all("-py3-none-" in wheel for wheel in manifest["wheels"])
        assert manifest["permissions"]["network"]


def test_a_changed_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_addon, "WHEELS", tmp_path)
    wheel = build_addon.Wheel("uv", "1", "uv-1-py3-none-any.whl", "0" * 64, ("linux-x64",))
    (tmp_path / wheel.file).write_bytes(b"something else")
    with pytest.raises(build_addon.BuildError, match="the lock says 0000"):
        build_addon.fetch(wheel)


def test_a_zip_that_is_too_large_is_refused(extension_zip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert extension_zip.stat().st_size < build_addon.LARGEST == 60_000_000
    monkeypatch.setattr(build_addon, "LARGEST", 1_000_000)
    with pytest.raises(build_addon.BuildError, match="MB, more than 1"):
        build_addon.check(extension_zip)


def test_blender_subscribes_to_the_repository_and_installs_from_it(extension_zip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    build_addon.write_zip(folder / extension_zip.name, build_addon.own_platform(), [], "https://example.org/mesh")
    index = build_addon.write_repository(folder, build_addon.blender_validator(None))
    [entry] = json.loads(index.read_text())["data"]
    assert (entry["id"], entry["website"]) == ("meshwright", "https://example.org/mesh") and len(entry["tags"]) >= 9
    assert extension_zip.name in (folder / "index.html").read_text()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = f"""
import os, sys, bpy
bpy.context.preferences.system.use_online_access = True
repositories = bpy.context.preferences.extensions.repos
repositories.new(name="Meshwright", module="subscribed",
                 remote_url="http://127.0.0.1:{server.server_port}/index.json")
last = len(repositories) - 1
bpy.ops.extensions.repo_sync(repo_index=last)
bpy.ops.extensions.package_install(repo_index=last, pkg_id="meshwright", enable_on_install=True)
os._exit(0 if "bl_ext.subscribed.meshwright" in sys.modules else 1)
"""
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False,
                               env={"BLENDER_USER_RESOURCES": str(tmp_path / "user"), "PATH": ""})
        server.shutdown()
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_spoiled_zip_is_refused(extension_zip: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.zip"
    with zipfile.ZipFile(extension_zip) as source, zipfile.ZipFile(spoiled, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "version.py":
                content = content.replace(b"0.", b"9.")
            if name == "backend/__main__.py":
                content += b"\nimport bpy\n"
            target.writestr(name, content)
    with pytest.raises(build_addon.BuildError, match=r"version is 0\..*backend/__main__\.py imports bpy"):
        build_addon.check(spoiled)
    validator = build_addon.blender_validator(None)
    assert validator is not None, "the bpy module has Blender's own tool"
    assert "Blender's validator" in build_addon.validate(extension_zip, validator)


def test_it_goes_without_a_trace_and_comes_back(extension: Extension) -> None:
    def traces() -> list[str]:
        kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.FileHandler,
                 bpy.types.AddonPreferences)
        classes = [cls.__name__ for kind in kinds for cls in kind.__subclasses__()
                   if cls.__name__.startswith("MESHWRIGHT_") and cls.is_registered]
        handlers = [function.__module__ for name in dir(bpy.app.handlers)
                    if isinstance(hooks := getattr(bpy.app.handlers, name), list)
                    for function in hooks if function.__module__.startswith(PACKAGE)]
        return classes + handlers + [name for name in dir(bpy.types.Scene) if name == "meshwright"]

    assert len(traces()) > 20
    addon_utils.disable(PACKAGE, default_set=True)
    assert traces() == []
    assert not hasattr(bpy.types, "MESHWRIGHT_PT_partpacker_generate_parts")
    addon_utils.enable(PACKAGE, default_set=True)
    assert len(traces()) > 20


def test_reloading_reads_every_module_again(extension: Extension) -> None:
    before = extension.module("registration")
    addon_utils.disable(PACKAGE, default_set=True)
    init = Path(sys.modules[PACKAGE].__file__)
    sys.modules[PACKAGE].__time__ -= 1  # as if the file on disk were newer: Blender reloads then
    assert addon_utils.enable(PACKAGE, default_set=True) is not None
    assert init.is_file() and extension.module("registration") is not before
    assert extension.module("registration").jobs is extension.module("jobs"), "no module of before is left among them"
    assert bpy.context.scene.meshwright.size > 0
