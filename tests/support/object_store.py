"""An S3 server in this process, as a context manager; nothing of it is left behind."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def s3_server(bucket: str = "catena-archive", *, credentials: bool = True) -> Iterator[str]:
    """Start it, point ``AWS_*`` at it, make a public bucket; gives ``s3://<bucket>``.

    Parameters
    ----------
    bucket : str
        At least three characters.
    credentials : bool
        False: they are taken out of the environment when the bucket is there, as for a reader of a
        public archive. Who then writes gives ``key="testing", secret="testing"`` to s3fs.
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
            # What a public bucket has: anybody may read.
            filesystem.call_s3("put_bucket_policy", Bucket=bucket, Policy=_public(bucket))
            if not credentials:
                patch.delenv("AWS_ACCESS_KEY_ID")
                patch.delenv("AWS_SECRET_ACCESS_KEY")
            try:
                yield f"s3://{bucket}"
            finally:
                # All servers of a process share what is in them.
                owner = s3fs.S3FileSystem(key="testing", secret="testing")
                owner.rm(bucket, recursive=True)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()  # its clients are for a server that is gone
        server.stop()


def _public(bucket: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        # The emulator has a word of its own for HEAD.
        "Action": ["s3:GetObject", "s3:HeadObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
