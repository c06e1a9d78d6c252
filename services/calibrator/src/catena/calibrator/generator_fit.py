"""Trains the generator on probability-flow labels."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.generator import Generator, GeneratorConfig
from catena.calibrator.generator_labels import LabelConfig, Labels, make_labels
from catena.calibrator.moments import Moments
from catena.calibrator.prior import Prior
from catena.calibrator.sir import Bank
from catena.calibrator.stages import ProgressReport, Stages, part
from catena.calibrator.training import child_seed, torch_generator, train


@dataclass(frozen=True)
class GeneratorTraining:
    """Effort of the training.

    Parameters
    ----------
    per_context : int
        Draws per simulated observation.
    bank : int
        Members of the bank that labels are made from.
    epochs, batch : int
        Passes over the observations; observations per step.
    learning_rate, weight_decay : float
    labels : LabelConfig
    """

    per_context: int = 8
    bank: int = 2**15
    epochs: int = 10
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    labels: LabelConfig = field(default_factory=LabelConfig)


def fit_generator(
    prior: Prior,
    bank: Bank,
    *,
    labels: int,
    error_range: tuple[float, float],
    seed: int,
    stages: Stages,
    progress: ProgressReport | None = None,
    training: GeneratorTraining | None = None,
) -> Generator:
    """Make labels and regress them.

    Parameters
    ----------
    prior : Prior
    bank : Bank
        Prior draws through the surrogate.
    labels : int
        Pairs (z, x) to learn from.
    error_range : (float, float)
        Observation errors to be ready for, as fractions of the outputs' spread.
    seed, stages, progress
        The seed; where to keep states; whom to tell.
    training : GeneratorTraining, optional
    """
    training = training or GeneratorTraining()
    contexts = max(labels // training.per_context, training.batch)
    saved = stages.get("labels")
    if saved is None:
        made = _labels(prior, bank, contexts, error_range, seed, training)
        stages.put("labels", {k: v.numpy() for k, v in vars(made).items()}, {})
    else:
        made = Labels(**{k: torch.as_tensor(v) for k, v in saved[0].items()})
    part(progress, 0.0, 1.0)(0.4, f"{contexts * training.per_context} labels made")
    model = Generator(
        GeneratorConfig(prior.size, bank.mean.shape[1]),
        torch.as_tensor(bank.variance.mean(0)),
        torch_generator(seed, 5),
    )
    _regress(model, made, seed, stages, part(progress, 0.4, 1.0), training)
    return model


def _labels(
    prior: Prior,
    bank: Bank,
    contexts: int,
    error_range: tuple[float, float],
    seed: int,
    training: GeneratorTraining,
) -> Labels:
    # every q-th member along the space-filling curve is again spread over the whole box
    skip = slice(None, None, max(1, len(bank) // training.bank))
    small = Bank(**{f.name: getattr(bank, f.name)[skip] for f in fields(Bank)})
    return make_labels(
        small,
        prior.unit_to_probit(small.unit),
        contexts=contexts,
        per_context=training.per_context,
        error_range=error_range,
        config=training.labels,
        rng=np.random.default_rng(child_seed(seed, 6)),
        generator=torch_generator(seed, 7),
    )


def _regress(
    model: Generator,
    labels: Labels,
    seed: int,
    stages: Stages,
    progress: ProgressReport,
    training: GeneratorTraining,
) -> None:
    """Mean squared error of whitened draws: each posterior counts in units of its own width."""
    contexts = len(labels.values)
    per_epoch = contexts // training.batch
    order: dict[int, Tensor] = {}
    d = labels.z.shape[2]
    # the correction lives in whitened space, where the moments are those of a standard normal
    whitened = Moments(torch.zeros(1, d), torch.eye(d)[None], torch.ones(1, d))

    def loss(step: int) -> Tensor:
        epoch, b = divmod(step, per_epoch)
        if epoch not in order:
            order.clear()
            order[epoch] = torch.randperm(contexts, generator=torch_generator(seed, 8, epoch))
        rows = order[epoch][b * training.batch : (b + 1) * training.batch]
        context = model.read(
            labels.values[rows], labels.error_sd[rows], labels.observed[rows], whitened
        )
        miss = model.bend(context, labels.z[rows]) - labels.bent[rows]
        return (miss.square().mean((1, 2)) * labels.trust[rows]).mean()

    train(
        list(model.parameters()),
        loss,
        steps=training.epochs * per_epoch,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        stages=stages,
        stage="generator",
        progress=progress,
        message="training the generator",
    )
