# SPDX-License-Identifier: GPL-3.0-or-later
"""The native interface: what is described, and the way of a job through it."""

import io
import uuid

import pytest
import trimesh

from tests.server.running import Client


def test_every_task_is_described_from_its_spec(client: Client) -> None:
    tasks = {(task["pipeline"], task["task"]): task for task in client.get("/v1/tasks").json()}
    throw = tasks["pottery", "throw"]
    assert throw == client.get("/v1/tasks/pottery/throw").json()
    sides = throw["options"]["properties"]["sides"]
    assert (sides["type"], sides["minimum"], sides["maximum"], sides["default"]) == ("integer", 3, 64, 12)
    keys = throw["options"]["properties"]["keys"]
    assert [choice["const"] for choice in keys["oneOf"]] == ["round", "square"] and keys["x-group"] == "Form"
    assert throw["needs_one_of"] == [["prompt", "front"]]
    assert {each["name"]: each["installed"] for each in throw["weights"]} == {"plain": True, "glazed": False}
    assert [each["name"] for each in throw["presets"]] == ["draft", "balanced", "best"]
    assert len({delivery["delivery"] for delivery in tasks.values()}) == 6
    assert client.get("/v1/tasks/pottery/none").status_code == 404


def test_a_job_from_request_to_glb(client: Client) -> None:
    job = client.submit("pottery", "throw", parameters={"prompt": "a jug", "sides": 6}, subject="jug")
    events = list(client.events(job))
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert events[0][1]["event"] == "queued" and events[-1][1]["event"] == "done"
    state = client.get(f"/v1/jobs/{job}").json()
    assert (state["state"], state["attempt"], state["parameters"]["height"]) == ("done", 1, 1.5)
    result = client.get(f"/v1/jobs/{job}/result").json()
    (mesh,) = [artifact for artifact in result["artifacts"] if artifact["kind"] == "mesh"]
    whole = client.get(mesh["url"]).content
    part = client.get(mesh["url"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole[10:20]
    assert client.get(mesh["url"], headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    scene = trimesh.load_scene(io.BytesIO(client.get(result["glb"]).content), "glb")
    assert sum(len(geometry.faces) for geometry in scene.geometry.values()) == 20
    assert job in [entry["id"] for entry in client.get("/v1/jobs").json()["jobs"]]
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").status_code == 404


def test_events_are_taken_up_behind_the_last_known_one(client: Client) -> None:
    job = client.submit("pottery", "throw", parameters={"prompt": "x"})
    every = list(client.events(job))
    assert list(client.events(job, last=2)) == every[2:]
    assert list(client.events(job, last=every[-1][0])) == []


def test_uploaded_mesh_files_become_the_tasks_meshes(client: Client, crates: bytes) -> None:
    job = client.submit("pottery", "shelve", {"meshes": {"shelf.glb": crates}})
    assert client.finish(job)["event"] == "done"
    result = client.get(f"/v1/jobs/{job}/result").json()
    assert {artifact["group"] for artifact in result["artifacts"]} == {"tall", "flat"}


def test_a_new_material_is_on_the_mesh_in_the_glb(client: Client, crates: bytes, image: bytes) -> None:
    job = client.submit("pottery", "glaze", {"mesh": {"shelf.glb": crates}, "color": {"red.png": image}})
    assert client.finish(job)["event"] == "done"
    glb = client.get(client.get(f"/v1/jobs/{job}/result").json()["glb"]).content
    scene = trimesh.load_scene(io.BytesIO(glb), "glb")
    assert set(scene.graph.nodes_geometry) == {"Tall", "Flat"}
    assert all(geometry.visual.material.baseColorTexture for geometry in scene.geometry.values())


def test_creating_and_submitting_once_more_changes_nothing(client: Client, image: bytes) -> None:
    job = uuid.uuid4().hex
    body = {"pipeline": "pottery", "task": "throw", "inputs": {"front": ["f.png"]}}
    first = client.put(f"/v1/jobs/{job}", json=body).json()
    assert first["missing"] == ["f.png"] and client.put(f"/v1/jobs/{job}", json=body).json() == first
    assert client.put(f"/v1/jobs/{job}", json={**body, "seed": 5}).status_code == 409
    assert client.post(f"/v1/jobs/{job}/submit").status_code == 422, "the image is missing"
    client.put(f"/v1/jobs/{job}/inputs/f.png", content=image)
    assert [client.post(f"/v1/jobs/{job}/submit").status_code for _ in range(2)] == [202, 202]
    assert client.finish(job)["event"] == "done"
    assert sum(data["event"] == "done" for _, data in client.events(job)) == 1
    assert client.put(f"/v1/jobs/{job}", json=body).json()["state"] == "done"
    assert client.put(f"/v1/jobs/{job}/inputs/f.png", content=image).status_code == 409


def test_waiting_and_running_jobs_are_cancelled(client: Client) -> None:
    slow = {"prompt": "x", "sides": 64, "pace": 1.0}
    running = client.submit("pottery", "throw", parameters=slow)
    waiting = client.submit("pottery", "throw", parameters=slow)
    client.until(running, "running")
    assert client.post(f"/v1/jobs/{waiting}/cancel").json()["state"] == "cancelled"
    assert client.finish(waiting)["event"] == "cancelled"
    assert client.delete(f"/v1/jobs/{running}").status_code == 409
    client.post(f"/v1/jobs/{running}/cancel")
    assert client.until(running, "cancelled", "done", seconds=5) == "cancelled"
    assert client.finish(client.submit("pottery", "throw", parameters={"prompt": "x"}))["event"] == "done"


def test_a_full_queue_is_refused_and_taken_later(client: Client) -> None:
    slow = {"prompt": "x", "sides": 64, "pace": 1.0}
    jobs = [client.submit("pottery", "throw", parameters=slow) for _ in range(6)]
    late = client.create("pottery", "throw", parameters={"prompt": "x"})
    refused = client.post(f"/v1/jobs/{late}/submit")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["what"] == "Too many jobs are waiting."
    for job in reversed(jobs):
        client.post(f"/v1/jobs/{job}/cancel")
    client.until(jobs[0], "cancelled")
    assert client.post(f"/v1/jobs/{late}/submit").status_code == 202 and client.finish(late)["event"] == "done"


@pytest.mark.parametrize(("change", "complaint"), [
    ({"pipeline": "nothing"}, "There is no pipeline 'nothing'."),
    ({"task": "fly"}, "Pottery has no task 'fly'."),
    ({"weights": "gold"}, "Pottery has no weights 'gold'."),
    ({"preset": "worst"}, "Throw Pot has no preset 'worst'."),
    ({"parameters": {"prompt": "x", "sides": 2}}, "Sides cannot be 2."),
    ({"parameters": {"prompt": "x", "wings": 2}}, "Throw Pot has no option 'wings'."),
    ({"parameters": {}}, "Throw Pot needs a prompt or front view."),
    ({"inputs": {"front": ["../x"]}}, "The request does not fit."),
    ({"inputs": {"front": ["a.png"], "back": ["a.png"]}}, "An input file is named twice."),
    ({"seed": -1}, "The request does not fit."),
    ({"job": "mine"}, "The request does not fit."),
])
def test_an_unfit_request_is_refused_in_words(client: Client, change: dict, complaint: str) -> None:
    body = {"pipeline": "pottery", "task": "throw", "parameters": {"prompt": "x"}, **change}
    answer = client.put(f"/v1/jobs/{uuid.uuid4().hex}", json=body)
    assert answer.status_code == 422 and answer.json()["what"] == complaint, answer.text


@pytest.mark.parametrize(("slot", "name", "content"), [
    ("front", "letter.png", b"Dear reader"), ("front", "empty.png", b""), ("mesh", "a.npz", b"PK\x03\x04"),
    ("mesh", "a.glb", b"glTF"), ("mesh", "a.exe", b"MZ"),
])
def test_a_file_that_is_none_of_its_kind_is_refused(client: Client, slot: str, name: str, content: bytes) -> None:
    job = uuid.uuid4().hex
    task = "throw" if slot == "front" else "appraise"
    client.put(f"/v1/jobs/{job}", json={"pipeline": "pottery", "task": task, "inputs": {slot: [name]}})
    client.put(f"/v1/jobs/{job}/inputs/{name}", content=content)
    answer = client.post(f"/v1/jobs/{job}/submit")
    assert answer.status_code == 422 and name.partition(".")[0] in answer.text, answer.text


def test_weights_are_downloaded_only_where_the_server_allows_it(client: Client) -> None:
    answer = client.put(f"/v1/jobs/{uuid.uuid4().hex}", json={"pipeline": "pottery", "task": "download_weights",
                                                              "weights": "glazed"})
    assert answer.status_code == 403 and answer.json()["what"] == "This server does not offer Download Weights."


def test_metrics_count_what_ended(client: Client) -> None:
    client.finish(client.submit("pottery", "throw", parameters={"prompt": "x"}))
    lines = client.get("/metrics").text.splitlines()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines
             if not line.startswith("#")}
    assert found['meshwright_jobs_total{state="done",task="pottery/throw"}'] >= 1
    assert found['meshwright_stage_seconds_count{stage="fire",task="pottery/throw"}'] >= 1
    assert found["meshwright_jobs_waiting"] == 0
