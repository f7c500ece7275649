# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pipeline's own HTTP interface may ask of the server that it is part of.

A pipeline whose published version has a server of its own offers the same endpoints in its `service.py`:
`routes(host: ServiceHost) -> fastapi.APIRouter`. The server finds it through the registry.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .event import Event


class ServiceHost(Protocol):
    """The server, as a pipeline sees it. Raises `MeshwrightError` wherever something cannot be done."""

    async def submit(self, pipeline: str, task: str, files: Mapping[str, Mapping[str, bytes]],
                     parameters: Mapping[str, object], seed: int = 0, weights: str = "", job: str = "") -> str:
        """Start a job with these input files by slot and name; returns its id. Options that are left out have their
        defaults, "" as weights means the first installed set.
        """

    async def wait(self, job: str) -> Event:
        """The terminal event of a job."""

    def end(self, job: str) -> Event | None:
        """The terminal event, or None while the job goes on. Raises MeshwrightError for an unknown job."""

    def cancel(self, job: str) -> None:
        """Stop a job that nobody waits for any more."""

    async def export(self, job: str, kind: str) -> Path:
        """The meshes of a finished job as one file: "glb", "obj", "ply" or "stl"."""

    async def public_url(self, job: str, base: str) -> str:
        """Where the job's GLB is: in the store if there is one, else on this server below `base`."""

    async def stored(self, key: str) -> bytes:
        """A file of the store's bucket."""

    def installed(self, pipeline: str, weights: str) -> bool:
        """Whether a set of weights is there."""

    def note(self, job: str, data: Mapping[str, Any]) -> None:
        """Keep the service's own words with a job."""

    def noted(self, job: str) -> dict[str, Any]:
        """What was kept; empty for nothing. Raises MeshwrightError for an unknown job."""

    def gpus(self) -> list[dict[str, Any]]:
        """Name, and MiB of memory as `total` and `used`, of every GPU of this machine."""

    @property
    def waiting(self) -> int:
        """Accepted jobs that have not ended."""

    @property
    def start_id(self) -> str:
        """Names this start of the server."""
