"""One server that ends with its supervisor: ``python -m catena.shared.supervisor.child FD NAME``.

FD is the reading end of a pipe whose other end only the supervisor holds. When the supervisor is
gone, however it went, the kernel closes that end, and the server ends at once: the next supervisor
starts a new one, and clients retry. (Watching the parent's pid would need polling, and the kernel's
parent-death signal exists on Linux only.)
"""

from __future__ import annotations

import os
import sys
import threading


def _end_with(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os._exit(1)


def main() -> None:
    """Watch the lifeline in a thread and become the server."""
    lifeline, name = int(sys.argv[1]), sys.argv[2]
    os.set_inheritable(lifeline, False)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True, name="lifeline").start()

    from catena.shared import server

    server.main(name)


if __name__ == "__main__":
    main()
