# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines as replicas of Ray Serve: on one machine, and on a cluster of which a machine is lost."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backend.server.jobs import TAKEN_UP
from tests.server.running import REPOSITORY, Client, Server

pytestmark = pytest.mark.heavy
QUICK = {"prompt": "x", "sides": 10, "pace": 0.1}
SLOW = {"prompt": "x", "sides": 40, "pace": 0.1}


def replicas(name: str = "ServeReplica:meshwright:engine") -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"])
            if process.info["cmdline"] and name in process.info["cmdline"][0]]


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("spread"), "--ray", "--most-engines", "2", "--idle-seconds", "4",
                     "--queue", "8", RAY_USAGE_STATS_ENABLED="0")
    yield started
    started.stop()


@pytest.fixture
def client(spread: Server) -> Iterator[Client]:
    with Client(spread.url) as made:
        yield made


def test_jobs_are_spread_and_engines_come_and_go(client: Client) -> None:
    jobs = [client.submit("pottery", "throw", parameters=SLOW) for _ in range(4)]
    end = time.monotonic() + 60
    while len(replicas()) < 2:
        assert time.monotonic() < end, "a second engine starts under load"
        time.sleep(0.2)
    assert [client.finish(job)["event"] for job in jobs] == ["done"] * 4
    end = time.monotonic() + 60
    while replicas():
        assert time.monotonic() < end, "without work none stays"
        time.sleep(0.5)
    assert client.finish(client.submit("pottery", "throw", parameters=QUICK))["event"] == "done"


def test_a_killed_replica_loses_no_job(client: Client) -> None:
    jobs = [client.submit("pottery", "throw", parameters=SLOW) for _ in range(4)]
    client.until(jobs[0], "running")
    os.kill(replicas()[0].pid, signal.SIGKILL)
    ends = {job: [data for _, data in client.events(job)] for job in jobs}
    assert [events[-1]["event"] for events in ends.values()] == ["done"] * 4
    told = [sum(data["event"] == "log" and data["text"] == TAKEN_UP for data in events) for events in ends.values()]
    assert sum(told) == 1 and max(told) == 1, "one job was running there, and says once that it began again"


def test_running_jobs_are_cancelled_and_a_full_queue_refused(client: Client) -> None:
    slow = {"prompt": "x", "sides": 64, "pace": 1.0}
    jobs = [client.submit("pottery", "throw", parameters=slow) for _ in range(8)]
    late = client.create("pottery", "throw", parameters=QUICK)
    assert client.post(f"/v1/jobs/{late}/submit").status_code == 429
    client.until(jobs[0], "running")
    for job in reversed(jobs):
        client.post(f"/v1/jobs/{job}/cancel")
    assert {client.until(job, "cancelled", "done", seconds=10) for job in jobs} == {"cancelled"}


def test_a_cluster_goes_on_when_a_machine_is_lost(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    server = Server(tmp_path, "--ray", cluster.address, "--most-engines", "2", "--fewest-engines", "2",
                    "--idle-seconds", "60", RAY_USAGE_STATS_ENABLED="0")
    try:
        with Client(server.url) as client:
            jobs = [client.submit("pottery", "throw", parameters=SLOW) for _ in range(4)]
            image = (REPOSITORY / "examples" / "chair.png").read_bytes()
            jobs.append(client.submit("partpacker", "generate_parts", {"image": {"chair.png": image}},
                                      parameters={"steps": 4, "grid_resolution": "64"}))
            for job in jobs[:2]:
                client.until(job, "running", "done")
            cluster.remove_node(nodes[1], allow_graceful=False)
            assert [client.finish(job)["event"] for job in jobs] == ["done"] * 5
            attempts = [client.get(f"/v1/jobs/{job}").json()["attempt"] for job in jobs]
            assert sorted(attempts) == [1, 1, 1, 1, 2], attempts
    finally:
        server.stop()
        cluster.shutdown()
