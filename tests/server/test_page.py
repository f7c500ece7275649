# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real Chromium, driven over its own protocol: an image becomes parts that explode."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import connect

from tests.server.running import REPOSITORY, TOKEN, Client, Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = os.environ.get("MESHWRIGHT_PAGE_SHOTS", "")
pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]


class Browser:
    """One tab."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu-sandbox", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader", "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}",
             "--window-size=1280,900", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file, end = folder / "profile" / "DevToolsActivePort", time.monotonic() + 30
        while not port_file.is_file() or not port_file.read_text().strip():
            assert time.monotonic() < end
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        (tab,) = [each for each in httpx2.get(f"http://127.0.0.1:{port}/json").json() if each["type"] == "page"]
        self._socket = connect(tab["webSocketDebuggerUrl"], max_size=None, legacy=True)
        self._number = 0
        self.said: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.said.append(answer)

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, (script, self.run("document.body.innerText"))
            time.sleep(0.1)
        return value

    def shot(self, path: Path) -> np.ndarray:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return np.asarray(Image.open(path).convert("RGB")).astype(int)

    def end(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    started = Browser(tmp_path)
    yield started
    started.end()


def test_an_image_becomes_parts_in_the_viewer(server: Server, browser: Browser, tmp_path: Path) -> None:
    shots = Path(SHOTS or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    browser.call("Page.navigate", url=f"{server.url}/#token={TOKEN}")
    browser.until("document.querySelectorAll('#task option').length > 5")
    assert browser.run("location.href") == f"{server.url}/", "the token is not in the address any more"
    pipeline = browser.run("document.querySelector('#task').selectedOptions[0].textContent")
    assert "Parts" in pipeline, "the task that makes parts comes first"
    chair = base64.b64encode((REPOSITORY / "examples" / "chair.png").read_bytes()).decode()
    browser.run(f"""(async () => {{
        const bytes = Uint8Array.from(atob({chair!r}), letter => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "chair.png", {{ type: "image/png" }}));
        document.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: data }}));
        document.querySelector("[data-option=steps]").value = 6;
        document.querySelector("[data-option=grid_resolution]").value = "64";
        document.querySelector("#random").checked = false;
    }})()""")
    before = browser.shot(shots / "page-form.png")
    browser.run("document.querySelector('#run').click()")
    browser.until("!document.querySelector('#result').hidden || document.querySelector('#error').textContent", 120)
    assert browser.run("document.querySelector('#error').textContent") == ""
    names = browser.until("[...document.querySelectorAll('#parts li')].map(each => each.textContent)")
    together = browser.shot(shots / "page-parts.png")
    assert len(names) >= 2 and all(names), names
    with Client(server.url) as client:
        job = client.get("/v1/jobs?limit=1").json()["jobs"][0]
        result = client.get(f"/v1/jobs/{job['id']}/result").json()
        assert sorted(names) == sorted(artifact["name"] for artifact in result["artifacts"]
                                       if artifact["kind"] == "mesh")
        assert job["subject"] == "chair" and job["parameters"]["steps"] == 6
    browser.run("{ const s = document.querySelector('#explode'); s.value = 0.8; s.dispatchEvent(new Event('input')); }")
    apart = browser.shot(shots / "page-exploded.png")
    assert np.abs(together - before).max(axis=2).astype(bool).mean() > 0.01, "something is in the viewer"
    assert np.abs(apart - together).max(axis=2).astype(bool).mean() > 0.01, "the parts have moved"
    wrong = [said for said in browser.said if said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
             and "favicon" not in json.dumps(said)]
    assert wrong == []


def test_without_the_token_the_page_asks_for_it(server: Server, browser: Browser) -> None:
    browser.call("Page.navigate", url=server.url)
    browser.until("document.querySelector('#sign-in')?.open")
    browser.run(f"document.querySelector('#token').value = {TOKEN!r}")
    browser.run("document.querySelector('#sign-in button').click()")
    browser.until("document.querySelectorAll('#task option').length > 5")
