"""Words that the trainer's pages have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cftime
import numpy as np

from catena.shared.report import number

GENERATED = (
    "The fields are GENERATED: a simple planet made them by formulas. Nothing here was measured, "
    "and no score says anything about forecasts of the Earth."
)

GLOSSARY: Mapping[str, Sequence[tuple[str, str]]] = {
    "training": (
        ("step", "One change of the weights, from one batch of samples."),
        ("loss", "What training makes small: how far it is from what was wanted, squared."),
        ("held-back samples", "Days of validation: their loss is looked at, not learned from."),
        ("mesh", "How processes share the work: layers, samples, weights, places, heads."),
    ),
    "evaluation": (
        ("lead", "Time between the initial fields and those that are forecast."),
        ("RMSE", "Root mean square error over space and initial times; rows count by their area."),
        ("ACC", "Anomaly correlation: 1 is perfect, 0 no better than climatology."),
        ("bias", "Mean error: forecast minus truth."),
        ("CRPS", "Error of an ensemble as a distribution; of one forecast its absolute error."),
        ("fair", "As an ensemble of endlessly many members would score."),
        ("spread", "How far members are from their mean; should be as large as its RMSE."),
        ("activity", "How lively fields are; a forecast that is too smooth has less than truth."),
        ("power", "How much of the field's variance each wavelength along a parallel holds."),
        ("persistence", "The forecast that everything stays as it is."),
        ("climatology", "The usual fields of the time of the year and the hour, from training."),
    ),
    "downscaling": (
        ("bicubic", "Smooth curves through the coarse cells: the reference without learning."),
        ("correlation", "Over all cells and times."),
        ("RMSE above a quantile", "Of cells where the truth is above it: how extremes come out."),
        ("SSIM", "Structural similarity of images: 1 where they are equal."),
    ),
    "plan": (
        ("MFU", "Share of the GPUs' peak that the model's own arithmetic makes use of."),
        ("folded", "The order of the arithmetic that this model has: same result, fewer FLOPs."),
        ("strong scaling", "More GPUs for the same batch."),
        ("weak scaling", "More GPUs, and as many more samples."),
        ("efficiency", "Samples a second and GPU, over that of the fewest GPUs."),
        ("stragglers", "GPUs that are late by chance: all others wait at the next exchange."),
    ),
}
"""Page -> its words."""


def words(names: Sequence[str], most: int = 8) -> str:
    """A list for people, cut where it is long."""
    if len(names) <= most:
        return ", ".join(names) or "none"
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def known(value: float, digits: int = 3) -> str:
    """A number for people; a dash where there is none."""
    return number(float(value), digits) if np.isfinite(value) else "-"


def lead_words(hours: float) -> str:
    """``6 h``, ``5 d``, ``30.44 d``."""
    return f"{hours / 24:.4g} d" if hours >= 72 else f"{hours:g} h"


def date_words(seconds: int, calendar: str) -> str:
    """``2001-03-05 06:00`` of seconds since 1970 in a calendar."""
    moment = cftime.num2date(seconds, "seconds since 1970-01-01", calendar=calendar)
    return str(moment.strftime("%Y-%m-%d %H:%M"))
