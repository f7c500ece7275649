# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines as replicas of Ray Serve: one a GPU (or pair), as many as there is work for, on every machine of a cluster.

Ray decides where they run, how many there are, and which of them gets a job: one that has used the job's model
before, if it is free (multiplexing). The job folder is on a disk that all machines share.
"""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayError

from ..worker_client import WorkerSettings
from .engine import Engine, EngineLost, EngineUnreachable
from .settings import ServerSettings

logger = logging.getLogger(__name__)

APPLICATION = "meshwright"
MODELS_KNOWN = 8
"""As many models count as loaded by one engine; which really stay, its worker decides by the memory that is free."""
UPSCALE_SECONDS = 1.0


class Replica:
    """One engine on some machine of the cluster. Jobs come one at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._engine = Engine(settings)

    @serve.multiplexed(max_num_models_per_replica=MODELS_KNOWN)
    async def model(self, model_id: str) -> str:
        """Tells Ray that this replica has used the model; the worker loads it with the job."""
        return model_id

    async def run(self, job: str, path: str, attempt: int) -> str:
        """One attempt at a job; returns the device. Raises EngineLost."""
        await self.model(serve.get_multiplexed_model_id())
        await self._engine.run(job, Path(path), attempt)
        return self._engine.device


class RayEngines:
    """See `Engines`."""

    def __init__(self, settings: ServerSettings) -> None:
        assert settings.ray is not None
        self._settings, self._ray = settings, settings.ray
        self._handle: Any = None
        self._device = ""

    async def start(self) -> None:
        """Join the cluster, or start one here, and deploy. Raises what Ray raises when there is none."""
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        await asyncio.to_thread(self._deploy)
        for number, handler in handlers.items():  # Ray has put its own in their place, which abort
            signal.signal(number, handler)

    async def run(self, model: str, job: str, path: Path, attempt: int) -> None:
        """See `Engines`."""
        handle = self._handle.options(multiplexed_model_id=model)
        try:
            self._device = await handle.run.remote(job, str(path), attempt) or self._device
        except RayActorError as error:
            raise EngineUnreachable(_first_line(error)) from error
        except RayError as error:
            if isinstance(cause := getattr(error, "cause", None), EngineLost):
                raise cause from error
            raise EngineLost(_first_line(error)) from error

    async def close(self) -> None:
        """See `Engines`. A cluster that was joined goes on; its replicas end."""
        await asyncio.to_thread(self._end)

    @property
    def device(self) -> str:
        """The device of the engine that worked last, and how many there may be."""
        return f"{self._device or 'engines'}, up to {self._ray.most}"

    def _deploy(self) -> None:
        if not ray.is_initialized():
            # The server keeps its own handlers of logs and signals.
            ray.init(address=self._ray.address or None, namespace=APPLICATION, configure_logging=False,
                     log_to_driver=False, include_dashboard=False, ignore_reinit_error=True)
        options: dict[str, Any] = {"num_gpus": self._ray.gpus, "num_cpus": 1 if not self._ray.gpus else 0}
        deployment = serve.deployment(
            name="engine", max_ongoing_requests=1, max_queued_requests=-1, ray_actor_options=options,
            graceful_shutdown_timeout_s=5, health_check_period_s=5, health_check_timeout_s=30,
            autoscaling_config={
                "min_replicas": self._ray.fewest, "initial_replicas": max(self._ray.fewest, 1),
                "max_replicas": self._ray.most, "target_ongoing_requests": 1, "upscale_delay_s": UPSCALE_SECONDS,
                "downscale_delay_s": self._ray.idle_seconds, "metrics_interval_s": 1, "look_back_period_s": 2})
        self._handle = serve.run(deployment(Replica).bind(self._settings.worker), name=APPLICATION, route_prefix=None,
                                 blocking=False)

    def _end(self) -> None:
        serve.delete(APPLICATION)
        if not self._ray.address:
            serve.shutdown()
        ray.shutdown()


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
