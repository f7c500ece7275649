# SPDX-License-Identifier: GPL-3.0-or-later
"""Load, faults and latency of the server, on the weights that are included, each measured through HTTP.

    python -m benchmarks.serving load [--clients 200] [--remesh 5] [--kill] [--ray]   # p50, p95, lost, doubled
    python -m benchmarks.serving restart                  # the server is killed with queued jobs, and started again
    python -m benchmarks.serving outage [--seconds 60]    # the S3 store is away meanwhile
    python -m benchmarks.serving latency                  # what a server costs an artist: a worker here, and the relay
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import trimesh
from moto.server import ThreadedMotoServer

from backend.contract import JobFolder, MeshData, Request
from tests.relay.conftest import Child
from tests.server.running import Client, Server

PARTS = ("partpacker", "split_parts")
LOW_POLY = ("silksong", "remesh")
ROUNDS = 20


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def crates(count: int = 4) -> bytes:
    """A row of touching boxes, as GLB."""
    scene = trimesh.Scene()
    for number in range(count):
        scene.add_geometry(trimesh.creation.box().apply_translation((number, 0, 0)), node_name=f"box{number}")
    return scene.export(file_type="glb")


def one_client(url: str, number: int, remesh: int) -> tuple[float, str, int, int]:
    """Seconds from the first byte to the result's last, the end, how many ends there were, and the attempt."""
    content = crates()
    began = time.monotonic()
    with Client(url) as client:
        if remesh and number % (100 // remesh) == 0:
            job = client.create(*LOW_POLY, {"mesh": {"mesh.glb": content}}, parameters={"max_faces": 200})
        else:
            job = client.create(*PARTS, {"meshes": {"meshes.glb": content}})
        while (answer := client.post(f"/v1/jobs/{job}/submit")).status_code == 429:
            time.sleep(min(float(answer.headers["Retry-After"]), 5.0))
        assert answer.status_code == 202, answer.text
        events = [data["event"] for _, data in client.events(job)]
        ends = [event for event in events if event in ("done", "failed", "cancelled")]
        if ends == ["done"]:
            assert client.get(f"/v1/jobs/{job}/result.glb").content[:4] == b"glTF"
        return time.monotonic() - began, ends[-1], len(ends), client.get(f"/v1/jobs/{job}").json()["attempt"]


def kill_worker(server: Server, after: float) -> None:
    """End a worker in the middle of the load, as a crash of the driver would."""
    time.sleep(after)
    workers = [process for process in psutil.process_iter(["cmdline"])
               if str(server.data) in " ".join(process.info["cmdline"] or ()) and "worker" in process.info["cmdline"]]
    os.kill(workers[0].pid, signal.SIGKILL)
    say(f"killed the worker {workers[0].pid}, {len(workers)} were running")


def load(options: argparse.Namespace, folder: Path) -> None:
    """Many clients at once, each with a job of its own."""
    words = ["--queue", str(options.clients)]
    server = Server(folder, *words, *(["--ray", "--most-engines", "2"] if options.ray else []))
    try:
        with Client(server.url) as client:  # the worker starts, libraries are imported
            client.finish(client.submit(*PARTS, {"meshes": {"meshes.glb": crates()}}))
        if options.kill:
            threading.Thread(target=kill_worker, args=(server, 3.0), daemon=True).start()
        began = time.monotonic()
        with ThreadPoolExecutor(options.clients) as pool:
            ran = list(pool.map(lambda number: one_client(server.url, number, options.remesh), range(options.clients)))
        whole = time.monotonic() - began
        seconds = sorted(each[0] for each in ran)
        say(f"{options.clients} clients, {Counter(each[1] for each in ran)}, ends for each job "
            f"{Counter(each[2] for each in ran)}, attempts {Counter(each[3] for each in ran)}")
        say(f"in all {whole:.1f} s, p50 {statistics.median(seconds):.1f} s, "
            f"p95 {seconds[int(len(seconds) * 0.95) - 1]:.1f} s, {len(ran) / whole:.1f} jobs/s")
    finally:
        server.stop()


def restart(_options: argparse.Namespace, folder: Path) -> None:
    """Fifty queued jobs, a killed server, another one in its place."""
    server = Server(folder)
    try:
        with Client(server.url) as client:
            jobs = [client.submit(*PARTS, {"meshes": {"meshes.glb": crates()}}) for _ in range(50)]
            ended = sum(client.get(f"/v1/jobs/{job}").json()["state"] == "done" for job in jobs)
        server.kill()
        began = time.monotonic()
        server.start()
        with Client(server.url) as client:
            ends = [[data["event"] for _, data in client.events(job) if data["event"] in ("done", "failed")]
                    for job in jobs]
        say(f"50 jobs, {ended} had ended at the kill; {Counter(map(tuple, ends))}, "
            f"{time.monotonic() - began:.1f} s after it")
    finally:
        server.stop()


def outage(options: argparse.Namespace, folder: Path) -> None:
    """A store that is away for a while: jobs go on, and their files arrive afterwards."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    store.start()
    host, port = store.get_host_and_port()
    server = Server(folder, S3_BUCKET_NAME="results", S3_ENDPOINT_URL=f"http://{host}:{port}", S3_ACCESS_KEY="a",
                    S3_SECRET_KEY="b")
    try:
        with Client(server.url) as client:
            store.stop()
            jobs = []
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                jobs.append(client.submit(*PARTS, {"meshes": {"meshes.glb": crates()}}))
                assert client.finish(jobs[-1])["event"] == "done"
                time.sleep(max(options.seconds / 20, 0.1))
            told = sum(bool(client.get(f"/v1/jobs/{job}/result").json()["store_error"]) for job in jobs)
            store = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
            store.start()
            began = time.monotonic()
            while any(not _stored(client, job) for job in jobs):
                time.sleep(0.5)
            say(f"{len(jobs)} jobs done during {options.seconds:g} s without the store, {told} say so; all are in it "
                f"{time.monotonic() - began:.1f} s after it is back")
    finally:
        server.stop()
        store.stop()


def _stored(client: Client, job: str) -> bool:
    return client.get(f"/v1/jobs/{job}/result").json()["glb"].startswith("http")


def latency(_options: argparse.Namespace, folder: Path) -> None:
    """The same small job by a worker here and through the relay on loopback, from message to message."""
    server = Server(folder / "served")
    here, there = Child(folder), Child(folder, server.url)
    try:
        for name, child in (("worker here", here), ("relay", there)):
            seconds = []
            for number in range(ROUNDS + 1):
                began = time.monotonic()
                child.submit(_job(folder, f"{name.split()[0]}-{number}"))
                child.until()
                seconds.append(time.monotonic() - began)
            kept = sorted(seconds[1:])  # the first one imports libraries
            high = kept[int(ROUNDS * 0.95) - 1]
            say(f"{name}: p50 {statistics.median(kept) * 1000:.0f} ms, p95 {high * 1000:.0f} ms")
    finally:
        here.end(), there.end()
        server.stop()


def _job(folder: Path, name: str) -> JobFolder:
    job = JobFolder.create(folder / "jobs" / name)
    for number in range(4):
        box = trimesh.creation.box().apply_translation((number, 0, 0))
        MeshData(box.vertices, box.faces).write(job.inputs / f"m{number}.npz")
    files: Any = tuple(f"m{number}.npz" for number in range(4))
    job.write_request(Request(name, PARTS[1], PARTS[0], "starter", "boxes", 0, {}, {"meshes": files}))
    return job


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = parser.add_subparsers(dest="command", required=True)
    heavy = every.add_parser("load")
    heavy.add_argument("--clients", type=int, default=200)
    heavy.add_argument("--remesh", type=int, default=5, help="percent of the jobs that remesh")
    heavy.add_argument("--kill", action="store_true", help="end a worker meanwhile")
    heavy.add_argument("--ray", action="store_true", help="two engines by Ray")
    every.add_parser("restart")
    every.add_parser("outage").add_argument("--seconds", type=float, default=60.0)
    every.add_parser("latency")
    options = parser.parse_args()
    commands = {"load": load, "restart": restart, "outage": outage, "latency": latency}
    with tempfile.TemporaryDirectory(prefix="meshwright-serving-") as name:
        commands[options.command](options, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
