"""The page has a figure for each part that there is, and no hole for those that are not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from support.explained import NAMES, explained

from catena.explainer.report.knowledge import check_knowledge
from catena.explainer.report.page import GENERATED, explanation_page

SMALL: dict[str, Any] = {"samples": 6, "window": 24, "leads": 4}
TINY: dict[str, Any] = {"samples": 5, "window": 10, "leads": 1}
FIGURES = {
    "Contributions of inputs": ["contribution"],
    "Contributions by day": ["contribution"],
    "Contributions to a flood": ["contribution"],
    "Pairs of inputs": ["interaction"],
    "Gate by lead": ["gate"],
    "Attention of leads to past days": ["fusion_attention"],
    "Weights of variables and of past days": ["variable_importance"],
    "Completeness and agreement of methods": [],
}
"""What is said of each figure to those who cannot see it, and what it is drawn from."""


def figures(page: str) -> list[str]:
    return re.findall(r'role="img" aria-label="([^"]+)"', page)


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>", page)


@pytest.mark.slow
def test_the_page_of_three_basins_is_whole() -> None:
    dataset, about = explained(samples=12, window=60, leads=30)
    page = explanation_page(dataset, about)
    assert figures(page) == list(FIGURES)
    assert page.count("<figcaption>") == len(FIGURES)
    assert headings(page)[0] == "In words"
    for basin in NAMES.values():
        assert basin in page
    for check in check_knowledge(dataset, about):
        assert check.claim.replace("'", "&#39;") in page
    assert "1 min 1 s" in page  # CPU time of the dear method
    assert GENERATED in page


@pytest.mark.slow
def test_the_same_explanation_has_the_same_page(one_basin: str) -> None:
    assert explanation_page(*explained(("rain",), **SMALL)) == one_basin


@pytest.fixture(scope="module")
def one_basin() -> str:
    return explanation_page(*explained(("rain",), **SMALL))


def test_one_basin_has_each_figure(one_basin: str) -> None:
    assert figures(one_basin) == list(FIGURES)


def test_the_page_follows_dark_mode_and_loads_nothing(one_basin: str) -> None:
    assert "var(--ink)" in one_basin
    assert "<script" not in one_basin
    assert not re.search(r'(src|href)="(?!data:|#)', one_basin)


def test_no_number_is_nan(one_basin: str) -> None:
    text = re.sub(r"<svg.*?</svg>", "", one_basin, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\binf\b", re.sub(r"<[^>]+>", " ", text))


def test_parts_that_are_missing_leave_no_hole() -> None:
    dataset, about = explained(("rain",), **TINY)
    kept = ["prediction", "reference", "contribution"]
    about |= {"methods": {}, "agreement": None, "basins": {}}
    page = explanation_page(dataset[kept], about)
    assert figures(page) == [name for name, of in FIGURES.items() if of == ["contribution"]]
    assert "What counts together" not in headings(page)
    assert "What the network shows of itself" not in headings(page)
    assert "Can it be trusted?" not in headings(page)


def test_without_contributions_the_rest_is_shown() -> None:
    dataset, about = explained(("rain",), **TINY)
    page = explanation_page(
        dataset.drop_vars(["contribution", "attribute_contribution", "interaction"]), about
    )
    assert "Gate by lead" in figures(page)
    assert "Contributions of inputs" not in figures(page)
    assert "What counts" not in headings(page)


def test_one_sample_and_one_lead_and_missing_values_are_shown() -> None:
    dataset, about = explained(("snow",), samples=1, window=10, leads=1)
    dataset["observed"].values[:] = np.nan
    dataset["interaction"].values[:] = np.nan
    dataset["gate"].values[:] = np.nan
    page = explanation_page(dataset, about)
    assert "Contributions of inputs" in figures(page)
    assert "Pairs of inputs" not in figures(page)
    assert "not known" in page


def test_checks_of_many_basins_are_counted() -> None:
    dataset, about = explained(("rain",), samples=60, window=10, leads=1)
    names = [f"b{place % 10}" for place in range(60)]
    about["basins"] = {name: {"class": "rain", "recession_days": 3.0} for name in names}
    kept = dataset[["prediction", "contribution", "value"]]
    page = explanation_page(kept.assign_coords(basin=("sample", names)), about)
    assert "Holds in basins" in page
    assert "10 of 10" in page
    assert "rain (10 basins), lead 1" in page


def test_a_title_cannot_break_the_page() -> None:
    dataset, about = explained(("rain",), **TINY)
    about["title"] = "<script>alert(1)</script>"
    about["basins"][NAMES["rain"]]["class"] = "<b>$x_y$"
    page = explanation_page(dataset[["prediction", "reference", "contribution"]], about)
    assert "<script>" not in page
    assert "<b>$" not in page
