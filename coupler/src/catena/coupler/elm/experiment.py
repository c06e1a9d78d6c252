"""The stages of a configuration in turn, each from the restart file of the one before."""

from __future__ import annotations

from catena.coupler.elm.actions import Action
from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.outcome import Outcome


class ElmExperiment:
    """All stages: accelerated spin-up, final spin-up, transient.

    Parameters
    ----------
    config : ElmConfig

    Examples
    --------
    >>> experiment = ElmExperiment(ElmConfig.load(path))                   # doctest: +SKIP
    >>> print(experiment.plan_text())                                      # doctest: +SKIP
    >>> experiment.run()                                                   # doctest: +SKIP
    """

    def __init__(self, config: ElmConfig) -> None:
        self.config = config
        self.cases = tuple(ElmCase(config, run) for run in config.runs)

    def plan(self) -> list[Action]:
        """Every program and file of all stages in order; nothing is done."""
        return [action for case in self.cases for action in case.plan()]

    def plan_text(self) -> str:
        """The plan for reading."""
        lines = []
        for case in self.cases:
            run = case.stage
            lines.append(f"# {run.name}: years {run.start} to {run.end - 1}, case {run.case}")
            lines += [str(action) for action in case.plan()]
        return "\n".join(lines) + "\n"

    def run(self, attempts: int = 1, timeout_s: float | None = None) -> dict[str, Outcome]:
        """Run every stage that has not finished.

        Parameters
        ----------
        attempts, timeout_s
            As for :meth:`ElmCase.run`.

        Returns
        -------
        dict of Outcome
            By the stage's name.

        Raises
        ------
        JobFailed, FailedPrecondition, Unavailable
            As :meth:`ElmCase.run`; the stages after it are not begun. Calling again goes on.
        """
        return {case.stage.name: case.run(attempts, timeout_s) for case in self.cases}
