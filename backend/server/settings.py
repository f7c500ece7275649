# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever runs the server decides, once, at its start."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..contract import BadInput
from ..worker_client import WorkerSettings

SHORTEST_TOKEN = 16
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one server takes before it refuses.

    Attributes:
        waiting: accepted jobs that have not ended; more are refused with 429.
        upload_bytes: size of one uploaded file, and of any other request's body.
        files: input files of one job.
        attempts: how often a job is started when engines die under it.
        wrong_tokens: wrong tokens of one address within `wrong_token_window` seconds before it is refused for as long.
        keep_days: days after which an ended job's folder is deleted; 0 keeps it.
    """

    waiting: int = 200
    upload_bytes: int = 512 * MEGABYTE
    files: int = 64
    attempts: int = 3
    wrong_tokens: int = 10
    wrong_token_window: float = 60.0
    keep_days: float = 30.0


@dataclass(frozen=True)
class RaySettings:
    """How Ray spreads the engines.

    Attributes:
        address: of a running cluster ("auto" for the one of this machine); "" starts Ray here.
        gpus: GPUs of one engine; 0 for engines on the CPU.
        fewest: engines that stay when there is no work.
        most: engines at the highest load.
        idle_seconds: how long an engine stays without work.
    """

    address: str = ""
    gpus: float = 1.0
    fewest: int = 0
    most: int = 1
    idle_seconds: float = 300.0


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is, by the names that the settings have in the environment.

    `public_url` is where the bucket's files are for everybody; without one, links are signed and hold for a week.
    """

    bucket: str
    endpoint: str = ""
    access_key: str = ""
    secret_key: str = ""
    region: str = "us-east-1"
    public_url: str = ""
    addressing: Literal["path", "virtual", "auto"] = "path"
    verify: bool = True

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "StoreSettings | None":
        """From S3_BUCKET_NAME and its like; None without a bucket. Raises BadInput."""
        if not variables.get("S3_BUCKET_NAME"):
            return None
        style = variables.get("S3_ADDRESSING_STYLE") or "path"
        if style not in ("path", "virtual", "auto"):
            raise BadInput("S3_ADDRESSING_STYLE does not fit.", f"It is '{style}'.", "Use path or virtual.")
        verify = variables.get("S3_VALIDATE_SSL", "true").strip().lower() not in ("false", "0", "no")
        return cls(variables["S3_BUCKET_NAME"], variables.get("S3_ENDPOINT_URL", ""),
                   variables.get("S3_ACCESS_KEY", ""), variables.get("S3_SECRET_KEY", ""),
                   variables.get("S3_REGION") or "us-east-1", variables.get("S3_BUCKET_PUBLIC_URL", "").rstrip("/"),
                   style, verify)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ServerSettings:
    """One server.

    Attributes:
        data: folder of jobs; on a cluster one that every machine reaches under the same path.
        worker: how an engine's worker is started.
        token: what clients must send; "" asks for none, and then only this machine is served.
        fresh_token: whether it was made for this start, so that nobody knows it yet.
        ray: None runs one engine next to the server.
        store: where results go besides the disk; None for nowhere.
        downloads: whether clients may have weights downloaded.
    """

    data: Path
    worker: WorkerSettings
    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    fresh_token: bool = False
    certificate: Path | None = None
    key: Path | None = None
    ray: RaySettings | None = None
    store: StoreSettings | None = None
    downloads: bool = False
    version: str = ""
    limits: Limits = field(default_factory=Limits)

    def checked(self) -> "ServerSettings":
        """The same settings. Raises BadInput for some that would be unsafe or cannot work."""
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise BadInput("The token is too short.", f"It has {len(self.token)} characters, and could be guessed.",
                           f"Use at least {SHORTEST_TOKEN}, or leave it out to have one made.")
        if not self.token and not is_loopback(self.host):
            raise BadInput(f"{self.host} cannot be served without a token.", "Everyone in the network could use it.",
                           "Give a token, or serve 127.0.0.1.")
        if (self.certificate is None) != (self.key is None):
            raise BadInput("TLS needs both files.", "Only one of certificate and key was given.",
                           "Give both --tls-cert and --tls-key.")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is served at this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
