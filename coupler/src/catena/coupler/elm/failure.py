"""What to say about a run that did not reach its end."""

from __future__ import annotations

from pathlib import Path

from catena.coupler.elm.commands import advice, essence
from catena.coupler.elm.outcome import Outcome


def failure(outcome: Outcome, case: str, end: int, output: Path) -> str:
    """The model's and CIME's own words, what to do, and where the next run goes on.

    Parameters
    ----------
    outcome : Outcome
        That has not finished.
    case : str
    end : int
        Year that was to be reached.
    output : Path
        What the job has printed; its errors are beside it.
    """
    texts = [path for path in (output, output.with_suffix(".err")) if path.exists()]
    said = essence("\n".join(path.read_text(errors="replace") for path in texts))
    quoted = f"\ncase.submit said:\n{said}" if said else ""
    todo = advice(quoted + outcome.reason) or "mend the cause"
    onwards = (
        f"from year {outcome.reached}, where its restart files are whole"
        if outcome.reached
        else "from its start"
    )
    return (
        f"{case} did not reach year {end}: {outcome.reason}{quoted}\nWhat to do: {todo}; then run "
        f"again: it goes on {onwards}"
    )
