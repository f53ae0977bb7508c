"""Charts as inline SVG, each with the table of its numbers: lines with bands, and estimates with their intervals.

page.js lets a chart tell its numbers to mouse, touch and keyboard: the i-th of its stops is where the i-th row of its
table belongs. Without the script it is a picture and a table still. Colors are classes of page.css.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from jaxtyping import Float

from mooring.report.html import table
from mooring.report.scale import Scalars, Scale, Values, estimate, mark, number

WIDTH, HEIGHT = 400, 260  # a phone shows it at four fifths of its size, so texts stay readable
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 12, 42
ROW, REMARK = 38, 15  # heights of an estimate, and of what is remarked on it
COLORS = 7
MOST_STOPS = 60
FAR = 10.0  # median distances from the median, beyond which an estimate is an arrow at the edge
SPAN_OF_LOGARITHM = 1000.0  # from where on positive values are shown by their logarithm


@dataclass(frozen=True)
class Line:
    """K points and, where they are known, the bounds of a band around them. What is not finite is a gap.

    A band that is far wider than its line is cut, where it is an interval and not a `range` of what was seen.
    """

    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None
    range: bool = False


@dataclass(frozen=True)
class Bar:
    """An estimate, its interval (not finite where there is none), what it was made of, what else is known."""

    value: float
    low: float = np.nan
    high: float = np.nan
    dots: Sequence[float] = ()
    remark: str = ""
    notes: Sequence[str] = field(default=())

    @property
    def text(self) -> str:
        return estimate(self.value, self.low, self.high)


def lines(
    title: str,
    words: str,
    series: Mapping[str, Line],
    colors: Mapping[str, int],
    *,
    xlabel: str = "updates",
    ylabel: str = "",
    levels: Mapping[str, float] | None = None,
    uprights: Mapping[str, float] | None = None,
) -> str:
    """A chart of lines, each with a button that hides it. Levels and uprights are dashed lines across, with names.

    Empty where no value is finite.
    """
    levels, uprights = levels or {}, uprights or {}
    finite = np.concatenate([*map(_shown, series.values()), np.array(list(levels.values()))])
    if not series or not np.isfinite(finite).any():
        return ""
    x = np.unique(np.concatenate([line.x for line in series.values()]))
    across = Scale(float(x.min()), float(x.max()), LEFT, WIDTH - RIGHT)
    up = _upward(finite[np.isfinite(finite)])
    drawn = "".join(
        f'<g class="{_color(colors[name])}" data-series="{index}">{_line(line, across, up)}</g>\n'
        for index, (name, line) in enumerate(series.items())
    )
    marks = "".join(_level(name, value, up) for name, value in levels.items())
    marks += "".join(_upright(name, across.at(value)) for name, value in uprights.items())
    stops = x[np.unique(np.linspace(0, len(x) - 1, min(MOST_STOPS, len(x))).round().astype(int))]
    rows = [(number(stop), *(_told(line, stop) for line in series.values())) for stop in stops]
    cross = f'<rect class="cross" x="-.5" y="{TOP}" width="1" height="{HEIGHT - TOP - BOTTOM}"/>'
    picture = _axes(across, up, xlabel, ylabel) + cross + marks + drawn
    numbers = table((xlabel, *series), rows)
    return _chart(title, words, _svg(title, HEIGHT, picture), numbers, "x", across(stops), _legend(series, colors))


def bars(
    title: str,
    words: str,
    rows: Mapping[str, Bar],
    colors: Mapping[str, int],
    *,
    xlabel: str,
    heads: Sequence[str] = (),
    reference: float | None = None,
    from_zero: bool = True,
) -> str:
    """Estimates under each other: as bars from zero, or as points; a dashed line stands at the reference.

    `heads` stand over what the bars note. A name without a color is gray. Empty where no value is finite.
    """
    if not any(np.isfinite(bar.value) for bar in rows.values()):
        return ""
    within = ([0.0] if from_zero else []) + ([] if reference is None else [reference])
    across = _sideways(_typical(rows.values()) if not from_zero else list(rows.values()), within)
    row = ROW + REMARK * any(bar.remark for bar in rows.values())
    height = TOP + row * len(rows) + BOTTOM
    drawn = "" if reference is None else _vertical("level", across.at(reference), height)
    for index, (name, bar) in enumerate(rows.items()):
        top = TOP + row * index
        told = _names(name, bar, top) + _bar(bar, top + row - 12, across, from_zero)
        drawn += f'<g class="{_color(colors.get(name))}">{told}</g>\n'
    cells = [(name, bar.text, *bar.notes) for name, bar in rows.items()]
    stops = TOP + row * (np.arange(len(rows)) + 0.5)
    cross = f'<rect class="cross" x="0" y="{-row / 2}" width="{WIDTH}" height="{row}"/>'
    picture = cross + _bottom(across, xlabel, height) + drawn
    return _chart(title, words, _svg(title, height, picture), table(("", xlabel, *heads), cells), "y", stops)


def _shown(line: Line) -> Scalars:
    """What a chart has to have room for: the line, and its band, all of it or as `_near` has it."""
    if line.low is None or line.high is None:
        return line.y
    if line.range:
        return np.concatenate([line.y, line.low, line.high])
    return np.concatenate([line.y, _near(line.y, line.low, line.high)])


def _near(values: Scalars, lows: Scalars, highs: Scalars) -> Scalars:
    """Of bounds, those that are no farther beyond all values than these reach: others would flatten the picture."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return finite
    low, high = float(finite.min()), float(finite.max())
    room = (high - low) or abs(high)
    return np.concatenate([lows[lows > low - room], highs[highs < high + room]])


def _sideways(rows: Sequence[Bar], more: Sequence[float]) -> Scale:
    """Has room for `more` and all values, and for intervals as `_near` has; longer ones leave without an end."""
    lows, highs = (np.array([getattr(bar, end) for bar in rows]) for end in ("low", "high"))
    values = np.array([*(value for bar in rows for value in (bar.value, *bar.dots)), *more])
    finite = np.concatenate([values, _near(values, lows, highs)])
    finite = finite[np.isfinite(finite)]
    room = 0.03 * float(finite.max() - finite.min())
    return Scale(float(finite.min()) - room, float(finite.max()) + room, 8, WIDTH - RIGHT)


def _typical(rows: Iterable[Bar]) -> list[Bar]:
    """Without estimates that lie so far from all others that nothing could be told of these."""
    known = [bar for bar in rows if np.isfinite(bar.value)]
    far = np.abs(np.array([bar.value for bar in known]) - np.median([bar.value for bar in known]))
    most = FAR * float(np.median(far)) or np.inf
    return [bar for bar, distance in zip(known, far, strict=True) if distance <= most]


def _upward(finite: Values) -> Scale:
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high / low > SPAN_OF_LOGARITHM:
        return Scale(low, high, HEIGHT - BOTTOM, TOP, logarithmic=True)
    room = 0.04 * (high - low)
    return Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)


def _line(line: Line, across: Scale, up: Scale) -> str:
    x, y = across(line.x), up(line.y)
    band = ""
    if line.low is not None and line.high is not None:
        low, high = up(line.low), up(line.high)
        known = np.isfinite(low) & np.isfinite(high)
        edge = np.concatenate([np.stack([x, high], 1)[known], np.stack([x, low], 1)[known][::-1]])
        band = f'<polygon points="{_points(edge)}"/>' if known.sum() > 1 else ""
    parts = np.split(np.stack([x, y], 1), np.flatnonzero(~np.isfinite(y)))
    parts = [part[np.isfinite(part).all(axis=1)] for part in parts]
    drawn = [f'<polyline points="{_points(part)}"/>' for part in parts if len(part) > 1]
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for part in parts if len(part) == 1 for x, y in part]
    return band + "".join(drawn)


def _told(line: Line, stop: float) -> str:
    """What the table says of a line at a stop; nothing where it has no point there."""
    (found,) = np.nonzero(line.x == stop)
    if not len(found):
        return ""
    at = found[0]
    if line.low is None or line.high is None:
        return number(line.y[at])
    return estimate(line.y[at], line.low[at], line.high[at])


def _points(places: Float[np.ndarray, "K 2"]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _axes(across: Scale, up: Scale, xlabel: str, ylabel: str) -> str:
    marks = "".join(
        f'<path class="grid" d="M{LEFT} {up.at(tick):.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{up.at(tick) + 4:.1f}" text-anchor="end">{mark(tick)}</text>\n'
        for tick in up.ticks()
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    name = f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(ylabel)}</text>\n'
    return marks + name + _bottom(across, xlabel, HEIGHT)


def _bottom(across: Scale, xlabel: str, height: int) -> str:
    floor = height - BOTTOM
    places = {tick: across.at(tick) for tick in across.ticks(5)}
    marks = "".join(
        f'<text x="{x:.1f}" y="{floor + 15}" text-anchor="{_anchor(x)}">{mark(tick)}</text>\n'
        for tick, x in places.items()
    )
    axis = f'<path class="axis" d="M{across.start} {floor}H{across.end}"/>'
    middle = (across.start + across.end) / 2
    return f'{axis}{marks}<text x="{middle}" y="{height - 6}" text-anchor="middle">{escape(xlabel)}</text>\n'


def _anchor(place: float) -> str:
    """Labels at the right edge stay within the picture."""
    return "end" if place > WIDTH - 24 else "middle"


def _level(name: str, value: float, up: Scale) -> str:
    if not np.isfinite(value):
        return ""
    y = up.at(value)
    text = (
        f'<text class="halo" x="{WIDTH - RIGHT - 2}" y="{max(y - 5, TOP):.1f}" text-anchor="end">{escape(name)}</text>'
    )
    return f'<path class="level" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>{text}\n'


def _upright(name: str, x: float) -> str:
    text = f'<text class="halo" x="{x + 4:.1f}" y="{TOP + 8}">{escape(name)}</text>'
    return _vertical("level", x, HEIGHT) + text


def _vertical(kind: str, x: float, height: int) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {TOP}V{height - BOTTOM}"/>'


def _names(name: str, bar: Bar, top: int) -> str:
    """Name and numbers, and the remark below them."""
    remark = f'<text class="halo" x="8" y="{top + 13 + REMARK}">{escape(bar.remark)}</text>' if bar.remark else ""
    return (
        f'<text class="halo name" x="8" y="{top + 13}">{escape(_short(name))}</text>{remark}'
        f'<text class="halo" x="{WIDTH - RIGHT}" y="{top + 13}" text-anchor="end">{bar.text}</text>'
    )


def _bar(bar: Bar, middle: int, across: Scale, from_zero: bool) -> str:
    if not np.isfinite(bar.value):
        return ""
    value = across.at(bar.value)
    if not across.low <= bar.value <= across.high:
        tip = 8 if bar.value > across.high else -8
        return f'<path class="beyond" d="M{value:.1f} {middle}l{-tip} -6v12z"/>'
    drawn = f'<circle cx="{value:.1f}" cy="{middle}" r="5"/>'
    if from_zero:
        zero = across.at(0.0)
        drawn = f'<rect x="{min(zero, value):.1f}" y="{middle - 7}" width="{abs(value - zero):.1f}" height="14"/>'
    if np.isfinite([bar.low, bar.high]).all():
        low, high = across.at(bar.low), across.at(bar.high)
        caps = [place for place, end in ((low, bar.low), (high, bar.high)) if across.low <= end <= across.high]
        ends = "".join(f"M{place:.1f} {middle - 5}v10" for place in caps)
        drawn += f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}{ends}"/>'
    places = across(np.array(bar.dots if len(bar.dots) > 1 else [], np.float64))
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{middle}" r="3"/>' for x in places if np.isfinite(x))
    return drawn + dots


def _short(name: str, most: int = 32) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _color(index: int | None) -> str:
    """Classes of page.css: where there are more lines than colors, the next ones are dashed."""
    if index is None:
        return "gray"
    return f"c{index % COLORS}" + (" again" if index >= COLORS else "")


def _legend(names: Iterable[str], colors: Mapping[str, int]) -> str:
    buttons = (
        f'<button type="button" class="{_color(colors[name])}" aria-pressed="true" data-series="{index}">'
        f"{escape(name)}</button>\n"
        for index, name in enumerate(names)
    )
    return f'<div class="legend" role="group" aria-label="Show or hide lines">\n{"".join(buttons)}</div>\n'


def _svg(title: str, height: int, picture: str) -> str:
    name = escape(f"{title}. The arrow keys read its numbers; they stand in the table below, too.")
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="group" aria-roledescription="chart" aria-label="{name}" '
        f'tabindex="0">\n{picture}</svg>'
    )


def _chart(title: str, words: str, svg: str, numbers: str, along: str, stops: Values, legend: str = "") -> str:
    places = " ".join(f"{stop:.1f}" for stop in stops)
    return f"""<figure class="chart" data-along="{along}" data-stops="{places}">
<h3>{escape(title)}</h3>
{legend}<div class="canvas">{svg}<div class="tip" role="status" hidden></div></div>
<figcaption>{escape(words)}</figcaption>
<details><summary>Numbers</summary>
{numbers}</details>
</figure>
"""
