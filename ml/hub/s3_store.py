"""Releases in an S3 bucket: Amazon S3, Cloudflare R2, or any server that speaks it."""

from typing import Any

from ml.hub.errors import HubError, HubUnavailable, ReleaseMissing
from ml.hub.secrets import Secrets
from ml.hub.settings import HubSettings
from ml.hub.store import Contents, at_most

_REFUSED = ("403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class S3Store:
    """A bucket, under `hub.prefix`."""

    def __init__(self, settings: HubSettings, secrets: Secrets) -> None:
        if not settings.bucket:
            raise HubError("hub.bucket: the name of a bucket is needed in ml_config.json")
        self._bucket = settings.bucket
        self._prefix = settings.prefix
        self._secrets = secrets
        self._client = _client(settings, secrets)

    @property
    def name(self) -> str:
        return f"the bucket {self._bucket}"

    def listed(self) -> list[str]:
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            found = [each["Key"] for page in pages for each in page.get("Contents", [])]
        except _failures() as error:
            raise self._failed(error, "cannot be listed") from None
        return [key.removeprefix(self._prefix) for key in found]

    def read(self, key: str, most_bytes: int) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            content = answer["Body"].read(most_bytes + 1)
        except _failures() as error:
            if _code(error) in ("NoSuchKey", "404"):
                raise ReleaseMissing(f"{self.name}: {key} is not there") from None
            raise self._failed(error, f"{key} cannot be read") from None
        return at_most(content, most_bytes, f"{self.name}: {key}")

    def write(self, contents: Contents, message: str) -> None:
        for key, content in contents:
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=content)
            except _failures() as error:
                raise self._failed(error, f"{key} cannot be written") from None

    def _failed(self, error: Exception, what: str) -> HubUnavailable:
        code = _code(error)
        if code in _REFUSED:
            hint = (
                f"the key is not let in; check {self._secrets.S3_KEY_ID} and {self._secrets.S3_KEY}"
            )
        elif code == "NoSuchBucket":
            hint = "there is no such bucket; create it or mend hub.bucket"
        else:
            hint = "check hub.endpoint_url and the network"
        said = self._secrets.hidden(str(error))
        return HubUnavailable(f"{self.name}: {what}: {hint} ({said})")


def _client(settings: HubSettings, secrets: Secrets) -> Any:
    import boto3
    from botocore.config import Config

    # R2 and other servers refuse the checksum headers that boto3 adds by itself.
    config = Config(
        region_name=settings.region,
        signature_version="s3v4",
        connect_timeout=min(settings.timeout_s, 10.0),
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": 3},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    key_id, key = secrets.s3()
    session = boto3.session.Session(aws_access_key_id=key_id, aws_secret_access_key=key)
    return session.client("s3", endpoint_url=settings.endpoint_url or None, config=config)


def _failures() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, OSError


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
