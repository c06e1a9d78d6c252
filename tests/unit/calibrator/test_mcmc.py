"""Both samplers find a posterior that is known in closed form, resume, and say when they fail.

The surrogate here is a straight line with a known error, so that the posterior of a wide prior is
Gaussian: observed y = slope * x + noise, both variances added.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from catena.calibrator.chains import Chains
from catena.calibrator.mcmc import run_mcmc
from catena.calibrator.prior import Prior
from catena.shared.errors import InvalidData

SLOPE = np.array([2.0, 0.5])
SURROGATE_SD, ERROR_SD = 0.3, np.array([0.4, 0.05])


class Line:
    """y_j = slope_j * x_j, exact but for a constant error of its own; outputs are standardised."""

    prior = Prior(("a", "b"), np.array([-10.0, 0.0]), np.array([10.0, 1.0]), ("m", "s"))
    center, spread, outputs = np.zeros(2), np.ones(2), 2

    def standard_moments(self, unit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        low, high = torch.as_tensor(self.prior.low), torch.as_tensor(self.prior.high)
        x = low + unit * (high - low)
        mean = x * torch.as_tensor(SLOPE)
        return mean, torch.full_like(mean, SURROGATE_SD**2)


class Memory:
    """A checkpoint in memory that remembers every state and can be cut short."""

    def __init__(self, state=None):
        self.states = [] if state is None else [state]

    def load(self):
        return self.states[-1] if self.states else None

    def save(self, arrays, meta):
        self.states.append(({k: np.array(v) for k, v in arrays.items()}, dict(meta)))


def sample(method, **options):
    settings = {"chains": 4, "draws": 600, "warmup": 300, "seed": 1} | options
    observation = settings.pop("values", np.array([3.0, 0.25]))
    observed = settings.pop("observed", None)
    return run_mcmc(Line(), observation, ERROR_SD, observed, method=method, **settings)


@pytest.fixture(scope="module", params=["ensemble", "nuts"])
def chains(request) -> Chains:
    return sample(request.param)


def test_moments_are_those_of_the_closed_form(chains):
    # a: the prior is wide, the posterior normal with the two variances added
    sd = np.sqrt(SURROGATE_SD**2 + ERROR_SD[0] ** 2) / SLOPE[0]
    a = chains.draws[:, 0]
    assert a.mean() == pytest.approx(1.5, abs=0.05 * sd * 2)
    assert a.std() == pytest.approx(sd, rel=0.08)


def test_a_posterior_cut_by_the_bounds_has_the_moments_of_the_cut_normal(chains):
    from scipy.stats import truncnorm

    sd = np.sqrt(SURROGATE_SD**2 + ERROR_SD[1] ** 2) / SLOPE[1]
    law = truncnorm((0 - 0.5) / sd, (1 - 0.5) / sd, loc=0.5, scale=sd)
    b = chains.draws[:, 1]
    levels = np.array([0.1, 0.5, 0.9])
    assert [(b < q).mean() for q in law.ppf(levels)] == pytest.approx(levels, abs=0.03)


def test_draws_are_inside_the_box_in_physical_units(chains):
    assert chains.values.shape == (4, 600, 2)
    assert Line.prior.contains(chains.draws).all()


def test_diagnostics_of_good_chains(chains):
    assert chains.rhat.max() < 1.01
    assert min(chains.ess_bulk.min(), chains.ess_tail.min()) > 400
    assert max(chains.ess_bulk.max(), chains.ess_tail.max()) <= 2400
    assert chains.converged and chains.remarks == ()
    assert chains.cost["evaluations"] > 2400 and chains.cost["cpu_s"] > 0


def test_effective_size_is_honest(chains):
    # the error of the mean over many seeds is sd / sqrt(ESS)
    # (walkers need a longer warm-up than trajectories do)
    runs, warmup = (10, 250) if chains.method == "ensemble" else (8, 100)
    runs = [sample(chains.method, chains=2, draws=60, warmup=warmup, seed=s) for s in range(runs)]
    means = [run.draws[:, 0].mean() for run in runs]
    ess = np.mean([run.ess_bulk[0] for run in runs])
    expected = chains.draws[:, 0].std() / np.sqrt(ess)
    # a spread of so few numbers is known to a factor of about two
    assert 0.4 < np.std(means, ddof=1) / expected < 2.2


@pytest.mark.parametrize("method", ["ensemble", "nuts"])
@pytest.mark.parametrize("saves", [1, 4])
def test_a_resumed_run_gives_the_same_bytes(method, saves):
    options = {"chains": 2, "draws": 80, "warmup": 40}
    first = Memory()
    whole = sample(method, checkpoint=first, **options)
    assert len(first.states) > saves
    second = Memory(first.states[saves - 1])
    resumed = sample(method, checkpoint=second, **options)
    assert resumed.values.tobytes() == whole.values.tobytes()
    assert resumed.rhat.tobytes() == whole.rhat.tobytes()
    assert resumed.ess_tail.tobytes() == whole.ess_tail.tobytes()
    # only what was missing was done again
    assert len(second.states) - 1 == len(first.states) - saves


def test_the_same_seed_gives_the_same_bytes_without_a_checkpoint():
    first, second = (sample("nuts", chains=2, draws=20, warmup=20) for _ in range(2))
    assert first.values.tobytes() == second.values.tobytes()


def test_a_checkpoint_of_another_request_is_not_used():
    memory = Memory()
    sample("ensemble", draws=60, warmup=30, checkpoint=memory)
    other = sample("ensemble", draws=60, warmup=30, seed=2, checkpoint=memory)
    assert (
        other.values.tobytes() == sample("ensemble", draws=60, warmup=30, seed=2).values.tobytes()
    )


@pytest.mark.parametrize("method", ["ensemble", "nuts"])
def test_a_masked_output_leaves_its_parameter_at_the_prior(method):
    chains = sample(method, values=np.array([3.0, np.nan]), observed=np.array([True, False]))
    b = chains.draws[:, 1]
    levels = np.array([0.1, 0.5, 0.9])
    assert [(b < q).mean() for q in levels] == pytest.approx(levels, abs=0.04)


@pytest.mark.parametrize("method", ["ensemble", "nuts"])
def test_chains_that_were_too_short_say_so_and_do_not_raise(method):
    chains = sample(method, chains=2, draws=6, warmup=1)
    assert not chains.converged
    assert any("more draws" in remark or "mixed" in remark for remark in chains.remarks)


def test_chains_that_disagree_are_named():
    values = np.random.default_rng(0).standard_normal((4, 500, 2))
    names = ("a", "b")
    good = {"acceptance": 0.3, "divergences": 0, "cost": {}, "method": "nuts", "names": names}
    many = np.full(2, 1500.0)
    assert Chains(values, np.array([1.0, 1.0]), many, many, **good).converged
    remarks = Chains(values, np.array([1.0, 1.3]), many, many, **good).remarks
    assert len(remarks) == 1 and "R-hat of b is 1.300" in remarks[0]
    remarks = Chains(values, np.array([1.0, np.nan]), many, many, **good).remarks
    assert "R-hat of b is nan" in remarks[0]
    remarks = Chains(values, np.ones(2), many, many, **{**good, "divergences": 50}).remarks
    assert "50 trajectories diverged" in remarks[0]


def test_arrays_bring_the_chains_back(chains):
    arrays, meta = chains.to_arrays()
    again = Chains.from_arrays(arrays, meta)
    assert again.values.tobytes() == chains.values.tobytes()
    assert again.method == chains.method and again.names == ("a", "b")
    assert again.remarks == chains.remarks
    assert np.isnan(again.acceptance) == np.isnan(chains.acceptance)


def test_progress_rises_to_one():
    seen: list[float] = []
    sample(
        "ensemble", draws=50, warmup=30, progress=lambda fraction, message: seen.append(fraction)
    )
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gibbs"}, "choose one of"),
        ({"method": "nuts", "chains": 1}, "at least 2"),
        ({"method": "nuts", "draws": 0}, "at least 4"),
        ({"method": "nuts", "values": np.array([np.nan, 1.0])}, "cannot be used"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(InvalidData, match=message):
        sample(**options)
