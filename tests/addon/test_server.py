# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on a server, as the artist has them run: settings, the token's file, Test Connection, and the same bytes."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from tests.server.running import TOKEN, Server

from .conftest import Extension
from .test_operators import desk, refusal
from .test_run_in import artifacts, chair

__all__ = ["chair", "desk"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("served"))
    yield started
    started.stop()


@pytest.fixture
def remote(desk: Extension, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extension]:
    """The add-on with the server's address and token, without an engine of its own."""
    monkeypatch.delenv("MESHWRIGHT_PYTHON", raising=False)
    monkeypatch.setattr(desk.module("preferences"), "server_complaint", lambda: "")
    desk.preferences.run_in, desk.preferences.server = "SERVER", server.url
    assert bpy.ops.meshwright.set_server_token(token=TOKEN) == {"FINISHED"}
    yield desk
    bpy.ops.meshwright.set_server_token(token="")
    desk.preferences.property_unset("run_in"), desk.preferences.property_unset("server")


@pytest.mark.timeout(600)
def test_a_server_gives_the_bytes_that_the_engine_here_gives(desk: Extension, server: Server, chair: bpy.types.Scene,
                                                             request: pytest.FixtureRequest) -> None:
    here = artifacts(desk)
    there = artifacts(request.getfixturevalue("remote"))
    assert len(here) >= 2 and there == here
    assert "127.0.0.1" in desk.module("jobs").device()


def test_the_token_is_in_a_file_of_its_owner_only(remote: Extension, tmp_path: Path) -> None:
    path = remote.module("preferences").server_settings().token_file
    assert path.read_text() == TOKEN and stat.S_IMODE(path.stat().st_mode) == 0o600
    saved = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(saved), compress=False)
    assert TOKEN.encode() not in saved.read_bytes()
    path.chmod(0o644)
    assert "Others can read" in remote.module("server_access.token_file").complaint(path.parent)


def tried(extension: Extension) -> tuple[bool | None, str]:
    operators = extension.module("server_access.operators")
    assert bpy.ops.meshwright.test_server() == {"FINISHED"}
    while operators.poll_once() is not None:
        time.sleep(0.05)
    return operators.connection_test().well, operators.connection_test().words


def test_the_connection_is_tried_with_what_is_set(remote: Extension, server: Server) -> None:
    well, words = tried(remote)
    assert well and words.startswith("Connected: "), words
    bpy.ops.meshwright.set_server_token(token="wrong-" + TOKEN)
    well, words = tried(remote)
    assert well is False and "token is missing or wrong" in words
    remote.preferences.server = "http://127.0.0.1:9"
    well, words = tried(remote)
    assert well is False and "does not answer" in words


def test_what_is_missing_is_said(desk: Extension, chair: bpy.types.Scene) -> None:
    desk.preferences.run_in = "SERVER"
    try:
        assert "server's address" in refusal("partpacker_generate_parts")
        assert desk.module("preferences").worker_settings() is None
    finally:
        desk.preferences.property_unset("run_in")


@pytest.mark.parametrize(("address", "is_open"), [
    ("http://gpu.local:8000", True), ("gpu.local", True), ("https://gpu.local", False),
    ("http://127.0.0.1:8000", False), ("localhost:8000", False), ("", False),
])
def test_an_address_without_encryption_is_warned_about(desk: Extension, address: str, is_open: bool) -> None:
    assert desk.module("preferences").server_is_open(address) is is_open
