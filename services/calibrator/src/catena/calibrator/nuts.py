"""The No-U-Turn sampler, with the gradients of all chains evaluated as one batch.

Each chain is a plain sequential program, written as a generator that hands out the point at which
it needs the target and is sent back value and gradient. A driver collects one point from each
chain, evaluates them together and resumes the chains; none waits for another's longer trajectory.

Hoffman and Gelman (2014), J. Mach. Learn. Res. 15:1593 (doubling, dual averaging); Betancourt
(2017), arXiv 1701.02434, appendix A (multinomial choice of the draw, generalised turning
criterion); warm-up windows as in the Stan reference manual, chapter "HMC algorithm parameters".

Random numbers depend on seed, chain and iteration alone, so a run that is interrupted between two
iterations goes on exactly as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Target = Callable[[Array], tuple[Array, Array]]
"""(n, d) points to log densities (n,) and their gradients (n, d)."""

Ask = Generator[Array, tuple[float, Array], "Tree"]

MAX_DEPTH = 9
TARGET_ACCEPTANCE = 0.8
DIVERGENCE = 1000.0  # an energy error beyond this means that the integrator has left the level set


@dataclass(frozen=True)
class Phase:
    """A point of phase space with what is known there."""

    position: Array
    momentum: Array
    log_density: float
    gradient: Array


@dataclass(frozen=True)
class Tree:
    """A piece of trajectory.

    `left` and `right` are its ends, `chosen` the draw that stands for it, `log_weight` the log of
    its total weight, `momentum` the sum of its momenta.
    """

    left: Phase
    right: Phase
    chosen: Phase
    log_weight: float
    momentum: Array
    acceptance: float
    leaves: int
    turning: bool
    diverging: bool


@dataclass
class NutsState:
    """All that the chains carry from one iteration to the next; c chains, d dimensions.

    Attributes
    ----------
    iteration : int
        Iterations done, warm-up included.
    position, gradient, variance : (c, d) arrays
        Where each chain is, the gradient there, and the diagonal of its inverse mass matrix.
    log_density : (c,) array
    log_step, log_step_mean, error_mean, adapted, shrink_to : (c,) arrays
        Dual averaging of the step size.
    seen, seen_mean, seen_square : (c,), (c, d), (c, d) arrays
        Running moments of the current warm-up window.
    divergences : (c,) array
        Diverging trajectories after warm-up.
    gradients : (c,) array
        Gradient evaluations so far.
    """

    iteration: int
    position: Array
    gradient: Array
    log_density: Array
    variance: Array
    log_step: Array
    log_step_mean: Array
    error_mean: Array
    adapted: Array
    shrink_to: Array
    seen: Array
    seen_mean: Array
    seen_square: Array
    divergences: Array
    gradients: Array

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """For a checkpoint."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> NutsState:
        """Inverse of :meth:`to_arrays`."""
        values = {k: np.array(v, dtype=float) for k, v in arrays.items() if k != "iteration"}
        return cls(iteration=int(arrays["iteration"]), **values)


def start(target: Target, position: Array, *, step: float = 0.25) -> NutsState:
    """State of chains that begin at `position` (c, d)."""
    position = np.array(position, dtype=float)
    log_density, gradient = target(position)
    chains, _ = position.shape
    log_step = np.full(chains, np.log(step))
    return NutsState(
        iteration=0,
        position=position,
        gradient=gradient,
        log_density=log_density,
        variance=np.ones_like(position),
        log_step=log_step,
        log_step_mean=log_step.copy(),
        error_mean=np.zeros(chains),
        adapted=np.zeros(chains),
        shrink_to=log_step + np.log(10.0),
        seen=np.zeros(chains),
        seen_mean=np.zeros_like(position),
        seen_square=np.zeros_like(position),
        divergences=np.zeros(chains),
        gradients=np.zeros(chains),
    )


def advance(target: Target, state: NutsState, iterations: int, *, warmup: int, seed: int) -> Array:
    """Run all chains for some iterations, updating `state` in place.

    Parameters
    ----------
    target : callable
        See `Target`.
    state : NutsState
    iterations : int
        To do now.
    warmup : int
        Iterations, counted from the very first, during which step size and masses adapt.
    seed : int

    Returns
    -------
    (c, iterations, d) array of positions.
    """
    chains, d = state.position.shape
    out = np.empty((chains, iterations, d))
    running = {c: _chain(state, c, out[c], warmup=warmup, seed=seed) for c in range(chains)}
    asked = {c: next(program) for c, program in running.items()}
    while asked:
        order = list(asked)
        log_density, gradient = target(np.stack([asked[c] for c in order]))
        for row, c in enumerate(order):
            try:
                asked[c] = running[c].send((float(log_density[row]), gradient[row]))
            except StopIteration:
                del asked[c]
    state.iteration += iterations
    return out


def _chain(
    state: NutsState, c: int, out: Array, *, warmup: int, seed: int
) -> Generator[Array, tuple[float, Array], None]:
    """The program of chain `c`: asks for gradients, fills `out` (iterations, d)."""
    windows = set(window_ends(warmup))
    d = out.shape[1]
    for i in range(len(out)):
        iteration = state.iteration + i
        rng = np.random.default_rng([seed, c, iteration])
        adapting = iteration < warmup
        log_step = state.log_step[c] if adapting else state.log_step_mean[c]
        variance = state.variance[c]
        momentum = rng.standard_normal(d) / np.sqrt(variance)
        here = Phase(state.position[c], momentum, state.log_density[c], state.gradient[c])
        tree = yield from _trajectory(here, float(np.exp(log_step)), variance, rng)
        state.position[c] = out[i] = tree.chosen.position
        state.log_density[c] = tree.chosen.log_density
        state.gradient[c] = tree.chosen.gradient
        state.gradients[c] += tree.leaves
        if not adapting:
            state.divergences[c] += tree.diverging
            continue
        _adapt_step(state, c, tree.acceptance / max(tree.leaves, 1))
        if warmup * 0.15 <= iteration < warmup * 0.9:
            _see(state, c)
        if iteration + 1 in windows:
            _adapt_masses(state, c)


def window_ends(warmup: int) -> list[int]:
    """Iterations after which masses are re-estimated: windows that double, between two buffers."""
    first, last = int(warmup * 0.15), int(warmup * 0.9)
    ends, width, at = [], 25, first
    while at + width <= last:
        # a window too short to be followed by one of twice its length takes all the rest
        at = at + width if at + 3 * width <= last else last
        ends.append(at)
        width *= 2
    return ends


def _adapt_step(state: NutsState, c: int, acceptance: float) -> None:
    """Dual averaging, Hoffman and Gelman (2014), section 3.2, with their constants."""
    state.adapted[c] += 1
    t = state.adapted[c]
    rate = 1.0 / (t + 10.0)
    state.error_mean[c] += rate * (TARGET_ACCEPTANCE - acceptance - state.error_mean[c])
    state.log_step[c] = state.shrink_to[c] - np.sqrt(t) / 0.05 * state.error_mean[c]
    weight = t**-0.75
    state.log_step_mean[c] += weight * (state.log_step[c] - state.log_step_mean[c])


def _see(state: NutsState, c: int) -> None:
    """Running mean and sum of squares (Welford 1962)."""
    state.seen[c] += 1
    off = state.position[c] - state.seen_mean[c]
    state.seen_mean[c] += off / state.seen[c]
    state.seen_square[c] += off * (state.position[c] - state.seen_mean[c])


def _adapt_masses(state: NutsState, c: int) -> None:
    """Variances of the window, drawn a little towards a small one (as Stan does), and a step."""
    n = state.seen[c]
    if n > 1:
        estimate = state.seen_square[c] / (n - 1)
        state.variance[c] = (n * estimate + 5e-3) / (n + 5.0)
    state.seen[c] = 0.0
    state.seen_mean[c] = state.seen_square[c] = 0.0
    state.shrink_to[c] = state.log_step[c] + np.log(10.0)
    state.log_step_mean[c] = state.log_step[c]
    state.error_mean[c] = state.adapted[c] = 0.0


def _trajectory(start: Phase, step: float, variance: Array, rng: np.random.Generator) -> Ask:
    """One transition: double the trajectory until it turns, choose a draw on the way."""
    origin = _energy(start, variance)
    tree = Tree(start, start, start, 0.0, start.momentum, 0.0, 0, False, False)
    for depth in range(MAX_DEPTH):
        forward = bool(rng.random() < 0.5)
        end = tree.right if forward else tree.left
        new = yield from _grow(end, depth, step if forward else -step, variance, origin, rng)
        counted = replace(
            tree, acceptance=tree.acceptance + new.acceptance, leaves=tree.leaves + new.leaves
        )
        if new.turning or new.diverging:
            return replace(counted, diverging=new.diverging)
        # biased progressive choice: the new half is preferred, so that draws move far
        accept = np.log(rng.random()) < new.log_weight - tree.log_weight
        tree = _join(counted, new, forward, variance, new.chosen if accept else tree.chosen)
        if tree.turning:
            break
    return tree


def _grow(
    end: Phase, depth: int, step: float, variance: Array, origin: float, rng: np.random.Generator
) -> Ask:
    """A tree of 2**depth leaves that starts one step beyond `end`."""
    if depth == 0:
        half = end.momentum + 0.5 * step * end.gradient
        position = end.position + step * variance * half
        log_density, gradient = yield position
        if not np.isfinite(log_density):
            log_density, gradient = -np.inf, np.zeros_like(position)
        leaf = Phase(position, half + 0.5 * step * gradient, log_density, gradient)
        error = _energy(leaf, variance) - origin
        error = error if np.isfinite(error) else np.inf
        acceptance = float(np.exp(min(0.0, -error)))
        return Tree(
            leaf, leaf, leaf, -error, leaf.momentum, acceptance, 1, False, error > DIVERGENCE
        )
    first = yield from _grow(end, depth - 1, step, variance, origin, rng)
    if first.turning or first.diverging:
        return first
    forward = step > 0
    edge = first.right if forward else first.left
    second = yield from _grow(edge, depth - 1, step, variance, origin, rng)
    counted = replace(
        first, acceptance=first.acceptance + second.acceptance, leaves=first.leaves + second.leaves
    )
    if second.turning or second.diverging:
        return replace(counted, turning=second.turning, diverging=second.diverging)
    share = second.log_weight - np.logaddexp(first.log_weight, second.log_weight)
    chosen = second.chosen if np.log(rng.random()) < share else first.chosen
    return _join(counted, second, forward, variance, chosen)


def _join(old: Tree, new: Tree, forward: bool, variance: Array, chosen: Phase) -> Tree:
    """Put two neighbouring pieces together; counts of leaves are taken from `old`."""
    first, second = (old, new) if forward else (new, old)
    momentum = first.momentum + second.momentum
    turning = (
        _turns(momentum, first.left, second.right, variance)
        # across the seam: catches turns that the whole is too symmetric to show
        or _turns(first.momentum + second.left.momentum, first.left, second.left, variance)
        or _turns(second.momentum + first.right.momentum, first.right, second.right, variance)
    )
    log_weight = float(np.logaddexp(old.log_weight, new.log_weight))
    return Tree(
        first.left, second.right, chosen, log_weight, momentum, old.acceptance, old.leaves,
        turning, False,
    )  # fmt: skip


def _turns(momentum: Array, left: Phase, right: Phase, variance: Array) -> bool:
    velocity = variance * momentum
    return bool(velocity @ left.momentum <= 0.0 or velocity @ right.momentum <= 0.0)


def _energy(at: Phase, variance: Array) -> float:
    return float(0.5 * (variance * at.momentum) @ at.momentum - at.log_density)
