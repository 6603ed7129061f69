"""Growth as SVG, by hand: lines in a double logarithmic frame need no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["plot"]

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 46, 56
COLOURS = ("#f37726", "#2e86c8", "#2a8f4a", "#9467bd", "#7f7f7f", "#d62728")
"""Ours come first, and are orange."""
STYLE = (
    ".growth text{font:13px sans-serif;fill:currentColor}.growth .title{font-size:15px;font-weight:600}"
    ".growth .grid{stroke:currentColor;stroke-opacity:.2}.growth .line{fill:none;stroke-width:2}"
)
"""For a plot by itself as for one inside a page, whose colour it takes and whose other elements it leaves alone."""


def plot(title: str, unit: str, sizes: Sequence[int], lines: Mapping[str, Sequence[float]]) -> str:
    """Milliseconds over a size, both logarithmic.

    Parameters
    ----------
    unit
        What the size counts, below the horizontal axis.
    lines
        Seconds by name, one for each size.
    """
    values = [1000 * seconds for line in lines.values() for seconds in line]
    across = _Axis(min(sizes), max(sizes), LEFT, WIDTH - RIGHT)
    up = _Axis(10 ** math.floor(_log(min(values))), 10 ** math.ceil(_log(max(values))), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="growth" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        *(_horizontal(up(value), _time(value)) for value in up.decades()),
        *(_vertical(across(size), f"{size:,}") for size in sizes),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(unit)}</text>',
    ]
    places = _spaced([up(1000 * line[-1]) for line in lines.values()])
    for (name, line), colour, place in zip(lines.items(), COLOURS * len(lines), places, strict=False):
        points = [(across(size), up(1000 * seconds)) for size, seconds in zip(sizes, line, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{place + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """From a value to its place."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self._low, self._begin = _log(low), begin
        self._decades = max(_log(high) - self._low, 1e-9)
        self._scale = (end - begin) / self._decades

    def __call__(self, value: float) -> float:
        return self._begin + (_log(value) - self._low) * self._scale

    def decades(self) -> list[float]:
        """1, 10, 100 … as far as they are in the frame."""
        first = math.ceil(self._low - 1e-9)
        return [10.0**power for power in range(first, math.floor(self._low + self._decades + 1e-9) + 1)]


def _time(milliseconds: float) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"  # noqa: PLR2004  a second


def _log(value: float) -> float:
    return math.log10(max(value, 1e-3))


def _spaced(places: Sequence[float], least: float = 16) -> list[float]:
    """Labels that don't lie on one another, in the order of their lines."""
    free = HEIGHT - float(BOTTOM)
    found: dict[int, float] = {}
    for index in sorted(range(len(places)), key=lambda index: -places[index]):
        found[index] = min(places[index], free)
        free = found[index] - least
    return [found[index] for index in range(len(places))]


def _horizontal(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _vertical(x: float, label: str) -> str:
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    return f'{line}<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>'
