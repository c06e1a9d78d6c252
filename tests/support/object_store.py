"""An S3 server in this process, as a context manager; nothing of it is left behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def s3_server(bucket: str = "catena-archive", *, credentials: bool = True) -> Iterator[str]:
    """Start it, point ``AWS_*`` at it, make a bucket; gives ``s3://<bucket>``.

    Parameters
    ----------
    bucket : str
        At least three characters.
    credentials : bool
        False: they are taken out of the environment when the bucket is there, as for a reader of a
        public archive.
    """
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "testing")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("NO_PROXY", ",".join(filter(None, [os.environ.get("NO_PROXY"), host])))
            s3fs.S3FileSystem.clear_instance_cache()
            filesystem = s3fs.S3FileSystem()
            filesystem.mkdir(bucket)
            if not credentials:
                # What a public bucket has: anybody may read.
                filesystem.call_s3("put_bucket_acl", Bucket=bucket, ACL="public-read")
                patch.delenv("AWS_ACCESS_KEY_ID")
                patch.delenv("AWS_SECRET_ACCESS_KEY")
            yield f"s3://{bucket}"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()  # its clients are for a server that is gone
        server.stop()
