"""The Ray actor that runs one job. Ray restarts it when its process dies."""

from __future__ import annotations

import logging
import os
import threading
import time

import ray

from catena.shared.jobs import attempt, safety

log = logging.getLogger(__name__)


class JobActor:
    """Runs the job of its name in a thread, and removes itself when the job has ended.

    The constructor starts the job. No method call does: Ray repeats constructors after a crash, and
    nobody may be there any more to call a method.

    Parameters
    ----------
    assignment : Assignment
    """

    def __init__(self, assignment: attempt.Assignment) -> None:
        os.environ[safety.VARIABLE] = assignment.sabotage
        # Threads inherit the niceness of the thread that starts them, so this comes first; Ray's
        # own threads, which run already, keep theirs and go on answering.
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(own, assignment.nice))
        context = ray.get_runtime_context()
        self._me = context.current_actor
        self._node = context.get_node_id()
        threading.Thread(
            target=self._run, args=(assignment,), name="catena-job", daemon=True
        ).start()

    def _run(self, assignment: attempt.Assignment) -> None:
        try:
            attempt.run(assignment, self._node, self._leave)
        finally:
            self._leave()

    def _leave(self) -> None:
        # Ray restarts an actor whose process only exits, so it must be removed.
        try:
            ray.kill(self._me, no_restart=True)
            time.sleep(10)
        except Exception:
            log.exception("the actor could not be removed")
        # Ray does not answer: then it does not restart anything either.
        os._exit(1)
