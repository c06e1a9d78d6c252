"""Reports: one self-contained HTML page, readable in light, in dark and on paper.

A page is a list of sections, a section a list of blocks. Everything is escaped; the page loads
nothing from anywhere (its own security policy forbids it), so it can be mailed and archived.

>>> page = Page(title="A site", sections=[Section("Data", [Text("900 runs.")])])
>>> render(page).startswith("<!doctype html>")
True
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jinja2
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure as PlotFigure

Status = Literal["passed", "doubtful", "failed", "unknown"]

INKS = {
    "#101820": "--ink",
    "#5b6873": "--soft",
    "#d3dae0": "--line",
    "#fdfefe": "--paper",
    "#1f6f8b": "--first",
    "#c8553d": "--second",
    "#7b6d9c": "--third",
    "#3c8d5a": "--good",
    "#b8891f": "--mark",
}
"""Colours for plots. In an SVG each becomes a variable of the page, so that it follows light and
dark; plots should use no others."""

INK, SOFT, LINE, PAPER, FIRST, SECOND, THIRD, GOOD, MARK = INKS

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
"""Settings of matplotlib (its rcParams) under which plots for a page are drawn."""

LARGEST_SVG = 300_000
"""Bytes; a larger plot is put on the page as PNG."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Facts:
    """Short labelled values, side by side."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table; the columns in `numeric` are set flush right."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: Sequence[int] = ()


@dataclass(frozen=True)
class Picture:
    """A plot with its caption; `alt` says in words what it shows."""

    kind: ClassVar[str] = "picture"
    image: Markup
    caption: str
    alt: str = ""


@dataclass(frozen=True)
class Finding:
    """Result of one check, and what to do about it."""

    status: Status
    title: str
    said: str
    todo: str = ""


@dataclass(frozen=True)
class Findings:
    """Results of checks, as a list with marks."""

    kind: ClassVar[str] = "findings"
    items: Sequence[Finding]


@dataclass(frozen=True)
class Terms:
    """A glossary."""

    kind: ClassVar[str] = "terms"
    items: Sequence[tuple[str, str]]


Block = Text | Facts | Table | Picture | Findings | Terms


@dataclass(frozen=True)
class Section:
    """A headed part of a page."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title : str
        Heading.
    sections : sequence of Section
        Its parts, in order.
    kicker : str
        Small line over the heading: what kind of report it is.
    lead : str
        One or two sentences under the heading.
    notices : sequence of str
        What a reader must not miss (data that were generated, an observation that is synthetic).
    verdict : Finding, optional
        The answer, in a box.
    footer : str
        Last line.
    """

    title: str
    sections: Sequence[Section]
    kicker: str = ""
    lead: str = ""
    notices: Sequence[str] = field(default=())
    verdict: Finding | None = None
    footer: str = ""


def render(page: Page) -> str:
    """HTML of a page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("catena.shared", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(page=page)


def plot(figure: PlotFigure, name: str, *, alt: str) -> Markup:
    """Matplotlib figure as markup for a page: SVG, or PNG where that would be large.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn with the colours of :data:`INKS` under :data:`STYLE`.
    name : str
        Unique on the page; letters and digits.
    alt : str
        What it shows, for those who cannot see it.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = _inline(buffer.getvalue(), name, alt)
    if len(svg) <= LARGEST_SVG:
        return svg
    data = base64.b64encode(png(figure)).decode()
    return Markup('<img class="plate" alt="{}" src="data:image/png;base64,{}">').format(alt, data)


def png(figure: PlotFigure) -> bytes:
    """Matplotlib figure as a PNG file on the page's paper; the same bytes for the same figure."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=170, facecolor=PAPER, metadata={"Software": None})
    return picture.getvalue()


def _inline(svg: str, name: str, alt: str) -> Markup:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Names are unique in a file, not on a page that holds several.
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    # Two decimals of a point are finer than any screen; paths shrink to half. Text keeps its own.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)
    for colour, variable in INKS.items():
        svg = svg.replace(colour, f"var({variable})")
    # Text without a colour of its own is black, which vanishes on a dark page.
    size = re.search(r'viewBox="0 0 ([0-9.]+) ', svg)
    width = f"max-width:{float(size[1]) * 4 / 3:.0f}px" if size else ""
    head, _, rest = svg.partition(">")
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = Markup(' role="img" aria-label="{}" style="{}">').format(alt, width)
    # The text is matplotlib's own, with every label escaped by it.
    return Markup(head) + label + Markup(rest.strip())  # noqa: S704


def number(value: float, digits: int = 3) -> str:
    """A number for people: so many significant digits, no needless exponent."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    if 0 <= int(exponent) < 7:
        return f"{float(text):.0f}"
    return f"{mantissa} × 10{raised(int(exponent))}"


def raised(exponent: int) -> str:
    """An exponent in raised digits: ``⁻³``."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def duration(seconds: float) -> str:
    """Seconds for people: ``3.1 ms``, ``12 s``, ``4 min 10 s``, ``5 h 12 min``."""
    if seconds < 1:
        return f"{number(seconds * 1e3, 2)} ms"
    if seconds < 60:
        return f"{number(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def unit_label(units: str) -> str:
    """CF units with raised exponents: ``W m-2`` becomes ``W m⁻²``; "1" becomes nothing."""
    if units in ("", "1"):
        return ""
    return re.sub(r"(?<=[A-Za-z])(-?\d+)\b", lambda found: raised(int(found[1])), units)
