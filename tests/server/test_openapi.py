# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI document is complete, and holds for whatever is sent: schemathesis, and thousands of broken requests."""

import random
import string
from collections import Counter
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.server.running import TOKEN, Client, Server


def test_every_field_is_described(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["security"] == [{"token": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation.get("summary") and operation.get("operationId") and operation.get("tags"), where
            assert all(parameter.get("description") for parameter in operation.get("parameters", [])), where
            assert {"401", "422"} <= set(operation["responses"]) or operation.get("security") == [], where
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Form"):
            for field, value in schema.get("properties", {}).items():
                assert value.get("description"), f"{name}.{field}"


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_document_holds_for_generated_requests(server: Server) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers)
    seen: Counter[int] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ("/generate", "/texture", "/texture/upload"):
            continue  # they wait for a whole job

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None,
                  derandomize=True)
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(headers=headers, timeout=30)
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=[not_a_server_error, status_code_conformance,
                                                   response_schema_conformance])

        ask()
    assert sum(seen.values()) > 500 and not [status for status in seen if status >= 500], seen


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_ten_thousand_malformed_requests_meet_no_error_of_the_server(server: Server) -> None:
    draw = random.Random(17)
    seen: Counter[int] = Counter()
    limits = httpx2.Limits(max_connections=8)
    with httpx2.Client(base_url=server.url, timeout=60, limits=limits) as client:
        for number in range(10_000):
            try:
                answer = client.request(**_malformed(draw))
            except (httpx2.LocalProtocolError, httpx2.RemoteProtocolError, httpx2.InvalidURL, ValueError):
                seen[0] += 1  # one that no client sends
                continue
            seen[answer.status_code] += 1
            assert answer.status_code < 500, (number, answer.text)
            assert "Traceback" not in answer.text and "/site-packages/" not in answer.text, answer.text
    assert sum(seen.values()) == 10_000 and seen[422] > 500 and seen[0] < 1000, seen
    with Client(server.url) as client:
        assert client.get("/v1/server").json()["waiting"] == 0


def _malformed(draw: random.Random) -> dict[str, Any]:
    job = draw.choice(["".join(draw.choices(string.hexdigits, k=32)).lower(), "../" * 4, "%2e%2e", "x", "a" * 300])
    path = draw.choice([
        "/v1/jobs", f"/v1/jobs/{job}", f"/v1/jobs/{job}/submit", f"/v1/jobs/{job}/cancel", f"/v1/jobs/{job}/events",
        f"/v1/jobs/{job}/result", f"/v1/jobs/{job}/result.glb", f"/v1/jobs/{job}/files/{job[:8]}.npz", "/v1/tasks/a/b",
        f"/v1/jobs/{job}/inputs/a.png", "/generate", "/send", f"/status/{job}", "/texture", "/texture/upload",
        "/v1/tasks"])
    bodies = [b"", b"{", b"null", b"[]", b'{"pipeline": 3}', b'{"pipeline": "pottery", "task": "throw", "seed": 1e400}',
              b'{"pipeline": "pottery", "task": "throw", "parameters": {"sides": NaN, "prompt": "x"}}',
              b'{"pipeline": "pottery", "task": "throw", "inputs": {"front": ["..\\u0000"]}}',
              b'{"image": "!!!!"}', b'{"image": ""}', b'{"prompt": "\\ud800"}', b"\xff\xfe" * 20, b"[" * 5000,
              draw.randbytes(draw.randrange(1, 200))]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if draw.random() < 0.7:
        headers["Content-Type"] = draw.choice(["application/json", "text/plain", "multipart/form-data; boundary=x",
                                               "application/x-www-form-urlencoded", "application/json; charset=utf-99"])
    headers |= draw.choice([{}, {"Last-Event-ID": "-4"}, {"Last-Event-ID": "x"}, {"Range": "bytes=9-1"},
                            {"Range": "bytes=" + "0-1," * 500}, {"X": "y" * 9000}])
    query = draw.choice(["", "?limit=0", "?limit=x", "?before=nan", "?before=inf", "?%00"])
    return {"method": draw.choice(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"]), "url": path + query,
            "content": draw.choice(bodies), "headers": headers}
