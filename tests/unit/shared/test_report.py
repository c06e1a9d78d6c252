"""Plots on pages: small, with every label as it was drawn."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from catena.shared.report import plot


def test_labels_keep_their_decimals_and_paths_do_not() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0.0, 1.0 / 3.0, 1.0], [0.0, 0.004, 0.01])
    axes.set_yticks([0.0, 0.005, 0.01], ["0.000", "0.005", "0.010"])
    axes.set_title("a<b & c>1.2345")
    markup = plot(figure, "small", alt="a line")
    shown = re.findall(r"<text[^>]*>([^<]*)<", markup)
    assert {"0.000", "0.005", "0.010", "a&lt;b &amp; c&gt;1.2345"} <= set(shown)
    assert not re.search(r' d="[^"]*\d\.\d{3}', markup)
