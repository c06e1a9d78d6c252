"""What Ray's command line has no switch for; Ray calls this through its RAY_START_HOOK."""

from __future__ import annotations

from typing import Any


def local_only(ray_params: Any, head: bool) -> None:
    """Leave out what an embedded Ray does not need.

    The Ray Client server would be a port that takes code from others, and a fixed one (10001), so
    two installations would collide; the autoscaler has nothing to scale.

    Parameters
    ----------
    ray_params : ray._private.parameter.RayParams
        What Ray is about to start; changed in place.
    head : bool
        Whether it is a head node; it always is here.
    """
    ray_params.ray_client_server_port = None
    ray_params.no_monitor = True
