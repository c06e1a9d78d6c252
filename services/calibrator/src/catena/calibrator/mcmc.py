"""Markov chains on the surrogate's likelihood: the yardstick that amortised posteriors are held to.

The chains move in probit space, ``u = Phi^-1((x - low) / (high - low))``. There the uniform prior
is a standard normal (the Jacobian of the map is exactly its density), bounds cannot be crossed, and
no draw is ever rejected for leaving the box.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from catena.calibrator import ensemble_sampler, nuts
from catena.calibrator.chains import Chains
from catena.calibrator.likelihood import LogLikelihood
from catena.calibrator.prior import Prior
from catena.calibrator.stages import Checkpoint, ProgressReport
from catena.calibrator.surrogate import Surrogate
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

__all__ = ["METHODS", "Chains", "ProbitTarget", "run_mcmc"]

METHODS = ("ensemble", "nuts")
BLOCKS = 20  # checkpoints of a run, about
POOL = 1000  # prior draws, at least, among which a chain's first points are chosen
KEPT_STEPS = 2000  # of each walker, for the diagnostics: bounds memory


class ProbitTarget:
    """Log posterior density in probit space, up to a constant; counts what it is asked.

    Parameters
    ----------
    likelihood : LogLikelihood
        Of one site.
    """

    def __init__(self, likelihood: LogLikelihood) -> None:
        self._likelihood = likelihood

    def _log_density(self, u: torch.Tensor) -> torch.Tensor:
        return self._likelihood.unit(torch.special.ndtr(u)) - 0.5 * (u * u).sum(-1)

    def value(self, u: Array) -> Array:
        """(n, d) to (n,)."""
        with torch.no_grad():
            return self._log_density(torch.as_tensor(u, dtype=torch.float64)).numpy()

    def with_gradient(self, u: Array) -> tuple[Array, Array]:
        """(n, d) to (n,) and (n, d)."""
        point = torch.tensor(u, dtype=torch.float64, requires_grad=True)
        value = self._log_density(point)
        (gradient,) = torch.autograd.grad(value.sum(), point)
        return value.detach().numpy(), gradient.numpy()


def run_mcmc(
    surrogate: Surrogate,
    values: Array,
    error_sd: Array,
    observed: NDArray[np.bool_] | None = None,
    *,
    method: str = "ensemble",
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    seed: int = 0,
    progress: ProgressReport | None = None,
    checkpoint: Checkpoint | None = None,
) -> Chains:
    """Sample the posterior of one site by Markov chains.

    Parameters
    ----------
    surrogate : Surrogate
        Its predictive variance is part of the likelihood.
    values, error_sd : (k,) arrays
        Observation and the standard deviation of its error, physical units.
    observed : (k,) bool array, optional
        All, if left out.
    method : {"ensemble", "nuts"}
        Ensembles of walkers, or the No-U-Turn sampler on the surrogate's gradient.
    chains : int
        Independent chains (for "ensemble": independent ensembles), >= 2.
    draws : int
        Kept per chain. An ensemble takes as many steps with each of its walkers and keeps `draws`
        of their positions.
    warmup : int
        Iterations before that, thrown away.
    seed : int
        The same seed gives the same draws, interrupted or not.
    progress, checkpoint : optional
        See :mod:`catena.calibrator.stages`.

    Returns
    -------
    Chains
        Chains that have not mixed are no error; see `Chains.remarks`.

    Raises
    ------
    InvalidData
        A bad observation, an unknown method, or too few chains or draws.
    """
    if method not in METHODS:
        raise InvalidData(f"MCMC method {method!r}; choose one of {', '.join(METHODS)}")
    for name, count, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 1)):
        if count < least:
            raise InvalidData(f"{count} {name}; want at least {least}")
    target = ProbitTarget(LogLikelihood(surrogate, values, error_sd, observed))
    sampler: _Nuts | _Ensembles = (_Nuts if method == "nuts" else _Ensembles)(
        target, surrogate.prior, chains, draws, warmup, seed
    )
    settings = {"method": method, "chains": chains, "draws": draws, "warmup": warmup, "seed": seed}
    cost = {"wall_s": 0.0, "cpu_s": 0.0}
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is not None and saved[1].get("settings") == settings:
        sampler.restore(saved[0])
        cost = dict(saved[1]["cost"])
    for end in _block_ends(warmup, draws):
        if end <= sampler.done:
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        sampler.advance(end - sampler.done)
        cost["wall_s"] += time.perf_counter() - wall
        cost["cpu_s"] += time.process_time() - cpu
        if checkpoint is not None:
            checkpoint.save(sampler.to_arrays(), {"settings": settings, "cost": cost})
        if progress is not None:
            stage = "warming up" if end <= warmup else "sampling"
            progress(
                0.98 * end / (warmup + draws), f"{stage}: {end} of {warmup + draws} iterations"
            )
    result = sampler.result({**cost, "evaluations": sampler.evaluations})
    if progress is not None:
        progress(1.0, "chains done")
    return result


def _block_ends(warmup: int, draws: int) -> list[int]:
    """Iterations at which the state is saved; the end of the warm-up is one of them."""
    size = max(25, -(-(warmup + draws) // BLOCKS))
    ends = [*range(size, warmup, size), warmup]
    return [*ends, *range(warmup + size, warmup + draws, size), warmup + draws]


class _Nuts:
    """NUTS as `run_mcmc` needs it: blocks, checkpoint, result."""

    def __init__(
        self, target: ProbitTarget, prior: Prior, chains: int, draws: int, warmup: int, seed: int
    ) -> None:
        self.target, self.prior, self.warmup, self.seed = target, prior, warmup, seed
        first = _first_points(target, prior, chains, 1, seed)[:, 0]
        self.state = nuts.start(target.with_gradient, first)
        self.kept = np.zeros((chains, draws, prior.size))

    @property
    def done(self) -> int:
        return self.state.iteration

    @property
    def evaluations(self) -> float:
        return float(self.state.gradients.sum())

    def advance(self, iterations: int) -> None:
        at = self.state.iteration - self.warmup
        moved = nuts.advance(
            self.target.with_gradient, self.state, iterations, warmup=self.warmup, seed=self.seed
        )
        if at >= 0:
            self.kept[:, at : at + iterations] = moved

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        return {**self.state.to_arrays(), "kept": self.kept}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        rest = dict(arrays)
        self.kept = np.array(rest.pop("kept"), float)
        self.state = nuts.NutsState.from_arrays(rest)

    def result(self, cost: dict[str, float]) -> Chains:
        rhat = _per_parameter("rhat", self.kept)
        bulk, tail = (_per_parameter("ess", self.kept, method=m) for m in ("bulk", "tail"))
        most = self.kept.shape[0] * self.kept.shape[1]
        return Chains(
            self.prior.from_probit(self.kept),
            rhat,
            np.minimum(bulk, most),
            np.minimum(tail, most),
            np.nan,
            int(self.state.divergences.sum()),
            cost,
            "nuts",
            self.prior.names,
        )


def _first_points(target: ProbitTarget, prior: Prior, chains: int, points: int, seed: int) -> Array:
    """Where chains begin, (c, points, d): prior draws chosen by likelihood, a pool per chain.

    From anywhere in the prior, a chain or a walker may end on a side peak that holds next to
    nothing of the posterior, and stay there. Chosen without replacement (Gumbel's trick), so that
    the walkers of an ensemble are all different.
    """
    first = np.empty((chains, points, prior.size))
    for c in range(chains):
        rng = np.random.default_rng([seed, 1, c])
        pool = rng.standard_normal((max(POOL, 50 * points), prior.size))
        # the pool comes from the prior already: weigh it by the likelihood alone
        log_weight = target.value(pool) + 0.5 * (pool * pool).sum(axis=1)
        first[c] = pool[np.argsort(log_weight + rng.gumbel(size=len(pool)))[-points:]]
    return first


class _Ensembles:
    """Ensembles of walkers as `run_mcmc` needs them."""

    def __init__(
        self, target: ProbitTarget, prior: Prior, chains: int, draws: int, warmup: int, seed: int
    ) -> None:
        self.target, self.prior, self.warmup, self.seed = target, prior, warmup, seed
        walkers = ensemble_sampler.walkers_for(prior.size)
        first = _first_points(target, prior, chains, walkers, seed)
        self.state = ensemble_sampler.start(target.value, first)
        # positions that are returned: all walkers, at evenly spaced steps
        snapshots = -(-draws // walkers)
        self.at = np.linspace(0, draws, snapshots + 1)[1:].astype(int) - 1
        self.draws = draws
        self.kept = np.zeros((chains, snapshots, walkers, prior.size))
        # positions for the diagnostics: every walker's path, thinned when it is long
        self.stride = -(-draws // KEPT_STEPS)
        self.path = np.zeros((chains, draws // self.stride, walkers, prior.size), np.float32)

    @property
    def done(self) -> int:
        return self.state.step

    @property
    def evaluations(self) -> float:
        return self.state.evaluations

    def advance(self, steps: int) -> None:
        first = self.state.step - self.warmup
        moved = ensemble_sampler.advance(
            self.target.value, self.state, steps, warmup=self.warmup, seed=self.seed
        )
        if first < 0:
            return
        for snapshot in np.flatnonzero((self.at >= first) & (self.at < first + steps)):
            self.kept[:, snapshot] = moved[:, self.at[snapshot] - first]
        for place in range(self.path.shape[1]):
            step = (place + 1) * self.stride - 1
            if first <= step < first + steps:
                self.path[:, place] = moved[:, step - first]

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        return {**self.state.to_arrays(), "kept": self.kept, "path": self.path}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        rest = dict(arrays)
        self.kept = np.array(rest.pop("kept"), float)
        self.path = np.array(rest.pop("path"), np.float32)
        self.state = ensemble_sampler.EnsembleState.from_arrays(rest)

    def result(self, cost: dict[str, float]) -> Chains:
        chains, steps, walkers, d = self.path.shape
        path = self.path.astype(float)
        # R-hat compares ensembles with each other and the first half of each with the second;
        # autocorrelation lies along each walker's path
        rhat = _per_parameter("rhat", path.reshape(chains, steps * walkers, d))
        paths = path.transpose(0, 2, 1, 3).reshape(chains * walkers, steps, d)
        bulk, tail = (_per_parameter("ess", paths, method=m) for m in ("bulk", "tail"))
        flat = self.kept.reshape(chains, -1, d)[:, -self.draws :]
        moves = walkers * self.draws * chains
        return Chains(
            self.prior.from_probit(flat),
            rhat,
            np.minimum(bulk, chains * self.draws),
            np.minimum(tail, chains * self.draws),
            float(self.state.accepted.sum() / moves),
            0,
            cost,
            "ensemble",
            self.prior.names,
        )


def _per_parameter(name: str, chains: Array, **options: str) -> Array:
    """An arviz diagnostic of each parameter of (c, n, d) chains."""
    import arviz

    function = getattr(arviz, name)
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that stand still give NaN
        return np.array(
            [float(function(chains[:, :, j], **options)) for j in range(chains.shape[2])]
        )
