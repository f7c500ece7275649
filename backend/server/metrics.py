# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus collects at /metrics: the queue, seconds by task and stage, errors, memory of the GPUs."""

import time
from collections.abc import Callable, Iterable

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..contract import Done, Failed
from .job_store import Record
from .service_host import gpus

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)
MEBIBYTE = 2**20


class Metrics:
    """Counts ended jobs; the rest is asked for when Prometheus asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter("meshwright_jobs", "Jobs that ended", ["task", "state"], registry=self._registry)
        self._errors = Counter("meshwright_errors", "Failed jobs by what can be done about it", ["task", "remedy"],
                               registry=self._registry)
        self._retries = Counter("meshwright_retries", "Further attempts after an engine was lost", ["task"],
                                registry=self._registry)
        self._whole = Histogram("meshwright_job_seconds", "Seconds from acceptance to the end, waiting included",
                                ["task"], buckets=SECONDS, registry=self._registry)
        self._stages = Histogram("meshwright_stage_seconds", "Seconds of a stage", ["task", "stage"], buckets=SECONDS,
                                 registry=self._registry)
        self._registry.register(_Gpus())

    def watch(self, waiting: Callable[[], int]) -> None:
        """Have the length of the queue asked for."""
        gauge = Gauge("meshwright_jobs_waiting", "Accepted jobs that have not ended", registry=self._registry)
        gauge.set_function(waiting)

    def count(self, record: Record) -> None:
        """Take a job that has ended."""
        task = f"{record.request.pipeline}/{record.request.task}"
        self._ended.labels(task, record.state).inc()
        self._retries.labels(task).inc(record.note.attempt - 1)
        self._whole.labels(task).observe(time.time() - (record.note.accepted or record.note.created))
        if isinstance(record.end, Failed):
            remedy = record.end.error.remedy
            self._errors.labels(task, remedy.value if remedy else "none").inc()
        if isinstance(record.end, Done):
            for stage, seconds in record.end.result.seconds.items():
                self._stages.labels(task, stage).observe(seconds)

    def routes(self) -> APIRouter:
        """The one route."""
        router = APIRouter(tags=["server"])

        @router.get("/metrics", summary="Metrics for Prometheus", operation_id="metrics", response_class=Response,
                    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}},
                                     "description": "Prometheus' text format"}})
        def metrics() -> Response:
            """Needs the token, as everything that says something about jobs."""
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

        return router


class _Gpus(Collector):
    """Memory of this machine's GPUs; on a cluster Ray has those of the other machines."""

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        family = GaugeMetricFamily("meshwright_gpu_memory_bytes", "Memory of a GPU", labels=["gpu", "kind"])
        for index, gpu in enumerate(gpus()):
            for kind in ("total", "used"):
                family.add_metric([f"{index} {gpu['name']}", kind], gpu[kind] * MEBIBYTE)
        yield family
