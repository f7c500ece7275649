# SPDX-License-Identifier: GPL-3.0-or-later
"""Any S3-compatible store: results go there, and named inputs come from there. All calls wait; use a thread."""

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .refusal import Refusal
from .settings import StoreSettings

LINK_SECONDS = 7 * 86400
LARGEST_INPUT = 512 * 2**20


class StoreDown(Exception):
    """The store does not answer, or refuses. The text says why; it is worth another try."""


class ObjectStore:
    """One bucket, made when it is not there."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._ready = False
        self._client: Any = boto3.client(
            "s3", endpoint_url=settings.endpoint or None, region_name=settings.region, verify=settings.verify,
            aws_access_key_id=settings.access_key or None, aws_secret_access_key=settings.secret_key or None,
            config=Config(s3={"addressing_style": settings.addressing}, connect_timeout=5, read_timeout=60,
                          retries={"max_attempts": 1}, signature_version="s3v4"))

    def put(self, key: str, path: Path, media_type: str) -> None:
        """Store a file. Raises StoreDown."""
        try:
            self._demand_bucket()
            self._client.upload_file(str(path), self._settings.bucket, key, ExtraArgs={"ContentType": media_type})
        except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError) as error:
            raise StoreDown(str(error)) from error

    def get(self, key: str) -> bytes:
        """A file's content. Raises Refusal for one that is not there or too large, StoreDown."""
        try:
            answer = self._client.get_object(Bucket=self._settings.bucket, Key=key)
            if answer["ContentLength"] > LARGEST_INPUT:
                raise Refusal(413, f"{key} is too large.", f"It has {answer['ContentLength']} bytes.", "Use another.")
            return answer["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                raise Refusal(404, f"There is no {key} in the bucket.", "It was deleted, or never existed.",
                              "Check the key.") from error
            raise StoreDown(str(error)) from error
        except (BotoCoreError, OSError) as error:
            raise StoreDown(str(error)) from error

    def url(self, key: str) -> str:
        """Where everybody who has the link gets the file."""
        if self._settings.public_url:
            return f"{self._settings.public_url}/{key}"
        return self._client.generate_presigned_url("get_object", {"Bucket": self._settings.bucket, "Key": key},
                                                   ExpiresIn=LINK_SECONDS)

    def _demand_bucket(self) -> None:
        if self._ready:
            return
        try:
            self._client.head_bucket(Bucket=self._settings.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            self._client.create_bucket(Bucket=self._settings.bucket)
        self._ready = True
