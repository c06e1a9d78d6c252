"""The game whose players are groups of columns: what coalitions of them are worth."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.prediction import ROWS, Predict, predictions

# shap draws from numpy's global generator: one at a time, or two threads share their draws
_GLOBAL_DRAWS = threading.Lock()


class CoalitionGame:
    """What coalitions of the groups of one sample are worth.

    A coalition is worth the prediction when its groups are present and all others take the columns
    of a baseline, averaged over the baselines. A group that is the same in the sample and in all
    baselines changes nothing: it is no player, and its value is 0 at no cost.

    Parameters
    ----------
    predict : callable
        From rows (B, D) to predictions (B, K).
    sample, baselines : Tensor, (D,) and (M, D)
        A sample and its own baselines, see :func:`paired_baselines`.
    index : Tensor, (D,), int64
        The group that each column is in, of `groups`.
    groups : int
        Number of groups.
    rows : int
        Rows of inputs in one pass.
    """

    def __init__(
        self,
        predict: Predict,
        sample: Tensor,
        baselines: Tensor,
        index: Tensor,
        groups: int,
        rows: int = ROWS,
    ) -> None:
        self.predict, self.sample, self.baselines, self.rows = predict, sample, baselines, rows
        same = (baselines == sample) | (baselines.isnan() & sample.isnan())
        moving = torch.zeros(groups, dtype=torch.bool)
        moving[index.cpu()[~same.all(0).cpu()]] = True
        self.players = moving.nonzero().flatten()
        """Groups (P,) that play."""
        place = torch.full((groups,), len(self.players))
        place[self.players] = torch.arange(len(self.players))
        # columns of nobody point to a last player who is never absent
        self._player = place[index.cpu()]
        self.evaluations = 0

    def __len__(self) -> int:
        return len(self.players)

    def __call__(self, coalitions: NDArray[Any]) -> NDArray[np.float64]:
        """Worth (n, K), float64, of coalitions (n, P), not 0 where a player is present.

        Raises
        ------
        InvalidData
            As :func:`predictions`.
        """
        absent = torch.as_tensor(np.asarray(coalitions, dtype=np.float64) == 0)
        absent = torch.cat([absent, torch.zeros(len(absent), 1, dtype=torch.bool)], dim=1)
        size = len(self.baselines)
        worth = [
            predictions(self.predict, self._inputs(part), self.rows).view(len(part), size, -1)
            for part in torch.split(absent, max(1, self.rows // size))
        ]
        self.evaluations += len(absent) * size
        found: NDArray[np.float64] = torch.cat(worth).mean(1).cpu().numpy()
        return found

    def _inputs(self, absent: Tensor) -> Tensor:
        """Rows (n M, D) of coalitions whose absent players (n, P + 1) take the baselines."""
        columns = absent[:, None, self._player].to(self.sample.device)
        return torch.where(columns, self.baselines, self.sample).flatten(0, 1)


def draws_seed(seed: int, sample: int) -> int:
    """A seed of 32 bits, as shap takes it, for the draws of a sample."""
    return int(np.random.SeedSequence([seed % 2**63, sample]).generate_state(1)[0])


@contextmanager
def global_draws() -> Iterator[None]:
    """Numpy's global generator for one user at a time, left as it was found."""
    with _GLOBAL_DRAWS:
        state = np.random.get_state()  # noqa: NPY002  (it is shap that draws from it)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
