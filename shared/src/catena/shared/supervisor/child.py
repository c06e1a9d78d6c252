"""One server under the supervisor: ``python -m catena.shared.supervisor.child NAME``.

Its standard input is a pipe of which only the supervisor holds the other end. One line comes
through it: the address of Ray. The server's code is loaded while Ray still starts, which saves
seconds of every ``catena up``. After that the pipe says one thing only, by its end: the supervisor
is gone, however it went. Then the server ends at once; the next supervisor starts a new one, and
clients ask again. (Watching the parent's pid would need polling, and the kernel's parent-death
signal exists on Linux only.)
"""

from __future__ import annotations

import os
import sys
import threading

_LIFELINE = 0


def _end_with_supervisor() -> None:
    while os.read(_LIFELINE, 4096):
        pass
    os._exit(1)


def _read_line() -> str:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_LIFELINE, 1)
        if not byte:
            os._exit(1)
        line += byte
    return line.decode("ascii").strip()


def main() -> None:
    """Load the code, wait for Ray's address, become the server."""
    name = sys.argv[1]
    from catena.shared.jobs import safety
    from catena.shared.server import load_services, run

    add = load_services(name)
    os.environ["CATENA_RAY_ADDRESS"] = _read_line()
    if not safety.removed("lifeline"):
        threading.Thread(target=_end_with_supervisor, daemon=True, name="lifeline").start()
    run(name, add)


if __name__ == "__main__":
    main()
