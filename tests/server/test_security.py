# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in: tokens, guesses, other sites, sizes, paths that lead outside, TLS."""

import ssl
import subprocess
import uuid
from pathlib import Path

import httpx2
import pytest

from backend.contract import BadInput
from backend.server.settings import ServerSettings
from backend.worker_client import WorkerSettings
from tests.server.running import TOKEN, Client, Server


def test_only_health_needs_no_token(server: Server) -> None:
    with Client(server.url, token="") as nobody:
        assert nobody.get("/v1/health").json()["status"] == "healthy"
        for path in ("/v1/server", "/v1/tasks", "/v1/jobs", "/openapi.json"):
            answer = nobody.get(path)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", path


def test_a_guessed_token_is_slowed_down(tmp_path: Path) -> None:
    guarded = Server(tmp_path)
    try:
        with Client(guarded.url, token="b" + TOKEN[1:]) as guesser, Client(guarded.url) as owner:
            assert [guesser.get("/v1/server").status_code for _ in range(11)] == [401] * 10 + [429]
            refused = owner.get("/v1/server")
            assert refused.status_code == 429, "the address waits, or a guess would be known to be right"
            assert 0 < int(refused.headers["Retry-After"]) <= 61
            assert owner.get("/v1/health").status_code == 200
    finally:
        guarded.stop()


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_sites_are_refused(server: Server, client: Client, origin: str) -> None:
    answer = client.get("/v1/server", headers={"Origin": origin})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    assert client.get("/v1/server", headers={"Origin": server.url}).status_code == 200


def test_too_much_is_refused_whether_announced_or_not(client: Client) -> None:
    job = uuid.uuid4().hex
    client.put(f"/v1/jobs/{job}", json={"pipeline": "pottery", "task": "appraise", "inputs": {"mesh": ["a.npz"]}})
    large = bytes(2_100_000)
    assert client.put(f"/v1/jobs/{job}/inputs/a.npz", content=large).status_code == 413
    assert client.put(f"/v1/jobs/{job}/inputs/a.npz", content=iter([large])).status_code == 413
    assert client.put(f"/v1/jobs/{job}", content=iter([b" " * 3_000_000])).status_code == 413
    assert client.get(f"/v1/jobs/{job}").json()["missing"] == ["a.npz"]


@pytest.mark.parametrize("path", [
    "/v1/jobs/..%2f..%2fetc", "/v1/jobs/../../etc/passwd", "/v1/jobs/{job}/files/..%2fserver.json",
    "/v1/jobs/{job}/files/../request.json", "/v1/jobs/{job}/files/%2e%2e/request.json", "/v1/jobs/{job}/files/.hidden",
    "/v1/jobs/{job}/files/%00", "/v1/jobs/{job}%00/events", "/v1/jobs/..", "//etc/passwd",
])
def test_no_path_leads_outside_of_a_jobs_files(client: Client, path: str) -> None:
    job = client.create("pottery", "throw", parameters={"prompt": "x"})
    answer = client.get(path.format(job=job))
    assert answer.status_code in (404, 405, 422), answer.text
    assert "root:" not in answer.text and '"accepted"' not in answer.text


def test_tls_is_spoken_with_the_given_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True)
    served = Server(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        assert served.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        with Client(served.url, verify=trusting) as client:
            assert client.get("/v1/server").status_code == 200
        with Client(served.url) as wary, pytest.raises(httpx2.ConnectError):
            wary.get("/v1/server")
    finally:
        served.stop()


@pytest.mark.parametrize(("change", "complaint"), [
    ({"host": "0.0.0.0"}, "cannot be served without a token"),
    ({"token": "short"}, "too short"),
    ({"token": TOKEN, "certificate": Path("c")}, "TLS needs both files"),
])
def test_unsafe_settings_are_refused(tmp_path: Path, change: dict, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        ServerSettings(tmp_path, WorkerSettings(Path("python"), tmp_path, tmp_path), **change).checked()


def test_without_a_token_only_names_of_this_machine_are_answered(tmp_path: Path) -> None:
    open_server = Server(tmp_path, "--no-token")
    try:
        with Client(open_server.url, token="") as client:
            assert client.get("/v1/server").status_code == 200
            rebound = client.get("/v1/server", headers={"Host": f"evil.example:{open_server.port}"})
            assert rebound.status_code == 403
    finally:
        open_server.stop()
