# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the deployment, each read by its own tool, and Caddy in front of a server."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.server.running import REPOSITORY, Client, Server

DEPLOY = REPOSITORY / "deploy"


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def compose_config(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["-f", str(DEPLOY / "compose.yaml"), "--profile", "full", "--profile", "local", "config"]
    return subprocess.run([tool("docker-compose"), *words], env=environment, capture_output=True, text=True,
                          check=False)


def test_compose_takes_its_file() -> None:
    read = compose_config({**os.environ, "MESHWRIGHT_TOKEN": "x" * 16})
    assert read.returncode == 0, read.stderr
    services = yaml.safe_load(read.stdout)["services"]
    assert {name: service["profiles"] for name, service in services.items()} == {
        "meshwright": ["full"], "caddy": ["full"], "minio": ["local"]}
    (device,) = services["meshwright"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"] and "ports" not in services["meshwright"]


def test_compose_refuses_to_start_without_a_token() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MESHWRIGHT_TOKEN"}
    read = compose_config(environment)
    assert read.returncode != 0 and "Set MESHWRIGHT_TOKEN" in read.stderr


def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    text = (DEPLOY / "meshwright.service").read_text()
    unit = tmp_path / "meshwright.service"
    unit.write_text(text.replace("/opt/meshwright/.venv/bin/python", "/bin/true"))  # which must exist
    checked = subprocess.run([tool("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True,
                             check=False)
    complaints = [line for line in checked.stderr.splitlines() if "meshwright.service" in line]
    assert complaints == [], checked.stderr


def test_the_image_runs_as_nobody_special_and_holds_no_token() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert "\nUSER meshwright\n" in text and "TOKEN=" not in text and ":latest" not in text
    assert 'VOLUME ["/data", "/models"]' in text


@pytest.mark.heavy
def test_caddy_serves_a_name_with_a_certificate_of_its_own(tmp_path: Path, image: bytes) -> None:
    caddy = tool("caddy")
    plain, secure = (free_port() for _ in range(2))
    served = Server(tmp_path / "data")
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "MESHWRIGHT_NAME": "localhost",
                   "XDG_CONFIG_HOME": str(tmp_path), "MESHWRIGHT_HTTP_PORT": str(plain),
                   "MESHWRIGHT_HTTPS_PORT": str(secure), "MESHWRIGHT_UPSTREAM": served.url.removeprefix("http://")}
    words = ["--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
    valid = subprocess.run([caddy, "validate", *words], env=environment, capture_output=True, text=True, check=False)
    assert valid.returncode == 0, valid.stderr
    front = subprocess.Popen([caddy, "run", *words], env=environment, stderr=subprocess.DEVNULL)
    try:
        root, end = tmp_path / "caddy/pki/authorities/local/root.crt", time.monotonic() + 30
        while not root.is_file():
            assert time.monotonic() < end
            time.sleep(0.1)
        trusting = ssl.create_default_context(cafile=str(root))
        with Client(f"https://localhost:{secure}", verify=trusting) as client:
            while True:
                try:
                    assert client.get("/v1/server").status_code == 200
                    break
                except httpx2.TransportError:
                    assert time.monotonic() < end
                    time.sleep(0.2)
            job = client.submit("pottery", "throw", {"front": {"f.png": image}}, parameters={"sides": 20, "pace": 0.1})
            arrived = [time.monotonic() for _ in client.events(job)]
            assert arrived[-1] - arrived[1] > 1.0, "events come as they happen, not at the end"
            assert client.get(f"/v1/jobs/{job}/result.glb").content[:4] == b"glTF"
            own = {"Origin": f"https://localhost:{secure}"}
            assert client.get("/v1/server", headers=own).status_code == 200, "the page behind Caddy may ask"
    finally:
        front.terminate()
        front.wait(10)
        served.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return made.getsockname()[1]
