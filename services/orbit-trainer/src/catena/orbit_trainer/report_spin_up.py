"""What a page shows of an emulator of spin-ups: its skill by pool, and truth beside prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.shared.report import (
    FIRST,
    INK,
    LINE,
    STYLE,
    Picture,
    Section,
    Table,
    Text,
    number,
    plot,
)

__all__ = ["Judged", "pool_sections", "truth_plot"]

Array = NDArray[Any]

SHOWN = 6
"""Pools that are drawn."""
WIDTH = 9.2


@dataclass(frozen=True, eq=False)
class Judged:
    """Sites of test.

    Parameters
    ----------
    pools, units : tuple of str
        Units may be empty.
    skill : mapping
        Pool -> ``r2``, ``rmse``, ``coverage90``.
    made, truth : Array, (N, K)
    """

    pools: tuple[str, ...]
    units: tuple[str, ...]
    skill: Mapping[str, Mapping[str, float | None]]
    made: Array
    truth: Array

    def main(self) -> list[int]:
        """Pools that hold most: people look at these."""
        known = np.isfinite(self.truth)
        held = np.where(known, np.abs(self.truth), 0.0).sum(0) / np.maximum(known.sum(0), 1)
        return [int(place) for place in np.argsort(-held, kind="stable")[:SHOWN]]


def pool_sections(judged: Judged) -> list[Section]:
    """Sections of the page."""
    units = judged.units or ("",) * len(judged.pools)
    rows = [
        (
            pool,
            unit,
            *(_words(judged.skill[pool][one]) for one in ("r2", "rmse")),
            _share(judged.skill[pool]["coverage90"]),
        )
        for pool, unit in zip(judged.pools, units, strict=True)
    ]
    shown = ", ".join(judged.pools[place] for place in judged.main())
    alt = f"Predicted over true amounts at sites of test: {shown}"
    return [
        Section(
            "Pools at sites of test",
            [
                Text(_summary(judged)),
                Picture(
                    plot(truth_plot(judged), "pools", alt=alt),
                    "Each dot is a site; on the line the prediction is the truth. The pools that "
                    "hold most.",
                ),
                Table(
                    ("Pool", "Units", "R2", "RMSE", "In its interval"),
                    rows,
                    "The interval is made to hold 90 % of sites like those of validation.",
                    numeric=(2, 3, 4),
                ),
            ],
        )
    ]


def truth_plot(judged: Judged) -> Figure:
    """Prediction over truth, a panel for each of the main pools."""
    main = judged.main()
    columns = min(len(main), 3)
    rows = -(-len(main) // columns)
    units = judged.units or ("",) * len(judged.pools)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9 * rows), layout="constrained")
        panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
        for axes, place in zip(panels, main, strict=False):
            known = np.isfinite(judged.truth[:, place])
            truth, made = judged.truth[known, place], judged.made[known, place]
            axes.scatter(truth, made, s=7, color=FIRST, alpha=0.5, linewidths=0)
            ends = (
                [min(truth.min(), made.min()), max(truth.max(), made.max())] if known.any() else []
            )
            axes.plot(ends, ends, color=INK, linewidth=0.7)
            axes.set_title(_title(judged.pools[place]), fontsize=9)
            axes.set_xlabel(f"truth ({units[place]})" if units[place] else "truth")
            axes.set_ylabel("prediction")
            axes.grid(color=LINE, linewidth=0.4)
        for axes in panels[len(main) :]:
            axes.set_visible(False)
    return figure


def _summary(judged: Judged) -> str:
    """How right the pools are, and how often the truth lies where it was said to."""
    scores = {pool: one["r2"] for pool, one in judged.skill.items() if one["r2"] is not None}
    inside = [one["coverage90"] for one in judged.skill.values() if one["coverage90"] is not None]
    told = f"{len(judged.truth):,} sites were neither trained on nor chosen on."
    if scores:
        worst = min(scores, key=lambda pool: scores[pool] or 0.0)
        told += (
            f" R2 is {float(np.median(list(scores.values()))):.3f} for the middle one of "
            f"{len(scores)} pools, and {scores[worst]:.3f} for the worst, {worst}."
        )
    if inside:
        told += f" Intervals of 90 % hold {_share(float(np.mean(inside)))} of the truth."
    return told


def _title(pool: str) -> str:
    """Pool and plant on lines of their own: ``leafc``, ``needleleaf evergreen temperate tree``."""
    return pool.replace(".", "\n", 1).replace("_", " ")


def _words(value: float | None) -> str:
    return "-" if value is None else number(value, 3)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
