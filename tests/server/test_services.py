# SPDX-License-Identifier: GPL-3.0-or-later
"""The published servers' clients: the requests of their documentation, on the weights that are included."""

import base64
import io
import json
import time
from collections.abc import Iterator

import boto3
import pytest
import trimesh
from moto.server import ThreadedMotoServer

from tests.server.running import REPOSITORY, Client, Server

CHAIR = (REPOSITORY / "examples" / "chair.png").read_bytes()
SMALL = {"octree_resolution": 64, "num_inference_steps": 8, "face_count": 500, "type": "glb"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[ThreadedMotoServer, str]]:
    """A store over HTTP, and its address."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    store.start()
    host, port = store.get_host_and_port()
    yield store, f"http://{host}:{port}"
    store.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bucket: tuple[ThreadedMotoServer, str]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("published")
    (folder / "env").write_text(f"VERSION=7.7\nS3_ENDPOINT_URL={bucket[1]}\nS3_ACCESS_KEY=a\nS3_SECRET_KEY=b\n"
                                f"S3_BUCKET_NAME=meshes\nS3_ADDRESSING_STYLE=path\nS3_VALIDATE_SSL=false\n"
                                f"S3_BUCKET_PUBLIC_URL={bucket[1]}/meshes\n")
    started = Server(folder, "--env-file", str(folder / "env"))
    yield started
    started.stop()


def faces(content: bytes, kind: str = "glb") -> int:
    return sum(len(mesh.faces) for mesh in trimesh.load_scene(io.BytesIO(content), kind).geometry.values())


def test_generate_answers_with_the_file_and_obeys_its_options(client: Client) -> None:
    body = {"image": base64.b64encode(CHAIR).decode(), "texture": False, "seed": 5, "guidance_scale": 2.0,
            "num_chunks": 8000, "remove_background": True, **SMALL}
    answer = client.post("/generate", json=body)
    assert answer.status_code == 200 and answer.content[:4] == b"glTF", answer.text[:300]
    assert 0 < faces(answer.content) <= 550
    latest = client.get("/v1/jobs?limit=1").json()["jobs"][0]
    options = latest["parameters"]
    assert latest["seed"] == 5 and (options["steps"], options["grid_resolution"]) == (8, "64")
    assert (options["guidance_scale"], options["face_target"], options["remove_background"]) == (2.0, 500, True)


@pytest.mark.parametrize("texture", [False, True])
def test_a_sent_request_ends_textured_or_not(client: Client, texture: bool) -> None:
    image = "data:image/png;base64," + base64.b64encode(CHAIR).decode()
    uid = client.post("/send", json={"image": image, "texture": texture, **SMALL, "type": "obj"}).json()["uid"]
    states, end = set(), time.monotonic() + 60
    while (status := client.get(f"/status/{uid}").json())["status"] != "completed":
        states.add(status["status"])
        assert status["status"] in ("processing", "texturing") and time.monotonic() < end, status
        time.sleep(0.1)
    assert faces(base64.b64decode(status["model_base64"]), "obj") > 0
    if texture:  # the weights for painting are not included: the untextured object, and why
        assert "Paint" in status["message"]
    else:
        assert "message" not in status


def test_published_errors_keep_their_form(client: Client) -> None:
    broken = client.post("/generate", json={"image": base64.b64encode(b"no image").decode(), **SMALL})
    assert broken.status_code == 404 and broken.json()["error_code"] == 1 and "not an image" in broken.json()["text"]
    assert client.post("/generate", json={"image": "x", "octree_resolution": 4096}).status_code == 422
    assert client.get("/status/00000000-0000-0000-0000-000000000000").status_code == 404
    with Client(str(client.base_url), token="") as nobody:
        assert nobody.get("/health").json()["status"] == "healthy"
        assert nobody.post("/send", json={"image": "x"}).status_code == 401


def test_a_mesh_of_the_bucket_is_textured_and_its_address_is_public(client: Client, bucket: tuple) -> None:
    store = boto3.client("s3", endpoint_url=bucket[1], aws_access_key_id="a", aws_secret_access_key="b",
                         region_name="us-east-1")
    store.create_bucket(Bucket="meshes")
    store.put_object(Bucket="meshes", Key="props/crate.glb", Body=trimesh.creation.box().export(file_type="glb"))
    body = {"mesh": "props/crate.glb", "prompt": "a red crate", "steps": 5, "seed": 3, "conditioning_scale": 0.6,
            "rgb_tex_size": 500, "latent_view_size": 96, "keep_mesh_uv": False}
    answer = client.post("/texture", json=body).json()
    assert answer["status"] == "success", answer
    assert answer["generated_mesh"].startswith(f"{bucket[1]}/meshes/") and answer["output_dir"]
    key = answer["generated_mesh"].removeprefix(f"{bucket[1]}/meshes/")
    scene = trimesh.load_scene(io.BytesIO(store.get_object(Bucket="meshes", Key=key)["Body"].read()), "glb")
    (mesh,) = scene.geometry.values()
    assert mesh.visual.material.baseColorTexture.size == (512, 512)
    options = client.get("/v1/jobs?limit=1").json()["jobs"][0]["parameters"]
    assert (options["steps"], options["conditioning_scale"], options["prompt"]) == (5, 0.6, "a red crate")
    assert client.post("/texture", json={**body, "mesh": "none.glb"}).status_code == 404


def test_uvs_that_shall_be_kept_must_be_there(client: Client) -> None:
    config = json.dumps({"prompt": "wood", "steps": 5, "keep_mesh_uv": True})
    answer = client.post("/texture/upload", data={"config": config}, files={
        "file": ("box.glb", trimesh.creation.box().export(file_type="glb"))}).json()
    assert answer["status"] == "error" and "UVs" in answer["error_message"], answer


@pytest.mark.heavy
def test_an_uploaded_mesh_is_textured(client: Client) -> None:
    config = json.dumps({"prompt": "wood", "steps": 5})
    answer = client.post("/texture/upload", data={"config": config}, files={
        "file": ("a box!.glb", trimesh.creation.box().export(file_type="glb"))}).json()
    assert answer["status"] == "success" and answer["process_time"] > 0, answer
    assert client.post("/texture/upload", data={"config": "{}"}, files={"file": ("a.glb", b"x")}).status_code == 422


def test_gpu_status_and_version(client: Client) -> None:
    status = client.get("/gpu/status").json()
    assert status["cuda"] in ("available", "unavailable") and status["gpu_lock_status"] == "unlocked"
    assert client.get("/v1/server").json()["version"] == "7.7"


def test_an_outage_of_the_store_is_told_and_made_up_for(client: Client, bucket: tuple) -> None:
    store, address = bucket
    port = int(address.rpartition(":")[2])
    store.stop()
    try:
        job = client.submit("pottery", "throw", parameters={"prompt": "x"})
        assert client.finish(job)["event"] == "done"
        end = time.monotonic() + 30
        while not (result := client.get(f"/v1/jobs/{job}/result").json())["store_error"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "does not answer" in result["store_error"]
        assert client.get(result["glb"]).content[:4] == b"glTF", "the result is on the disk meanwhile"
    finally:
        again = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
        again.start()
    try:
        end = time.monotonic() + 60
        while client.get(f"/v1/jobs/{job}/result").json()["store_error"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert client.get(f"/v1/jobs/{job}/result").json()["glb"].startswith(address)
    finally:
        again.stop()
