from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before numpy and torch are loaded: one thread, as jobs have; two processes share two cores better
# than their threads do, and sums are the same everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings
from support.ray_cluster import RayCluster
from support.servers import Running, serving
from support.site import Site

# Machines that run tests are busy; a slow example is no wrong one.
settings.register_profile("catena", deadline=None)
settings.load_profile("catena")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see the defaults, whatever the shell they are run in has set."""
    for name in list(os.environ):
        if name.startswith("CATENA_") and name != "CATENA_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """``serve(add_services, **settings)``: a running server, ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda add, **settings: stack.enter_context(serving(add, **settings))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A private Ray, one for all tests, that this process may join: 2 CPUs, 2 places for jobs."""
    cluster = RayCluster().start()
    before = {name: os.environ.get(name) for name in cluster.client_environment}
    os.environ.update(cluster.client_environment)
    if "ray" in sys.modules:
        # Ray has read its environment when it was imported.
        sys.modules["ray"]._raylet.Config.initialize("")
    try:
        yield cluster
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()  # a driver of a dead Ray waits for it, then is ended
        cluster.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def site(ray_cluster: RayCluster, tmp_path: Path) -> Iterator[Site]:
    """A store and a namespace of this test's own on the shared Ray."""
    import ray

    if not ray.is_initialized():
        # One connection for all tests: it outlives each test's manager.
        ray.init(address=ray_cluster.address, namespace="tests", log_to_driver=False)
    place = Site(ray_cluster, tmp_path, namespace=tmp_path.name)
    try:
        yield place
    finally:
        place.close()
