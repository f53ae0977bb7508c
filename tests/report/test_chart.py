"""Charts: what is drawn, what the table says, and that a stop is where its row belongs."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from mooring.report.chart import MOST_STOPS, Bar, Line, bars, lines
from mooring.report.scale import Scale, estimate, mark, number


class Cells(HTMLParser):
    """The rows of all tables, as texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.within = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.within = tag in ("td", "th")

    def handle_endtag(self, tag):
        self.within = False

    def handle_data(self, data):
        if self.within:
            self.rows[-1][-1] += data


def stops(text: str) -> list[float]:
    found = re.search(r'data-stops="([^"]*)"', text)
    assert found
    return [float(stop) for stop in found[1].split()]


def test_a_scale_maps_its_ends_and_marks_round_values():
    scale = Scale(-1.0, 1.0, 100, 300)
    assert scale(np.array([-1.0, 0.0, 1.0, 9.0])).tolist() == [100, 200, 300, 300]
    assert scale.ticks() == [-1, -0.5, 0, 0.5, 1]
    assert Scale(0.0, 103_000.0, 0, 1).ticks(5) == [0, 50_000, 100_000]
    assert Scale(1.0, 1e6, 0, 1, logarithmic=True).ticks(6) == [1, 10, 100, 1000, 1e4, 1e5, 1e6]


def test_a_scale_of_one_value_puts_it_in_the_middle():
    assert Scale(5.0, 5.0, 0, 10).at(5.0) == 5
    assert Scale(0.0, 0.0, 0, 10).at(0.0) == 5


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.51394, "0.514"), (104.44, "104.4"), (12135.4, "12,135"), (-2.664, "-2.66"), (np.nan, "-"), (3e12, "3e+12")],
)
def test_numbers_in_words(value, text):
    assert number(value) == text


def test_marks_and_estimates_in_words():
    assert [mark(value) for value in (1000.0, 20_000.0, 2e6, 0.5)] == ["1000", "20k", "2M", "0.5"]
    assert estimate(5.0, 1.0, 9.0) == "5 [1, 9]"
    assert estimate(5.0, -np.inf, np.inf) == "5"


def test_lines_tell_each_series_at_each_stop():
    x = np.array([0.0, 10.0, 20.0])
    text = lines(
        "A <chart>",
        "words & more",
        {"one": Line(x, np.array([1.0, 2.0, 3.0]), x - 1, x + 1), "<b>two": Line(x[1:], np.array([5.0, np.nan]))},
        {"one": 0, "<b>two": 1},
        levels={"behavior": 4.0},
        uprights={"cast off": 10.0},
    )
    assert Cells(text).rows == [
        ["updates", "one", "<b>two"],
        ["0", "1 [-1, 1]", ""],
        ["10", "2 [9, 11]", "5"],
        ["20", "3 [19, 21]", "-"],
    ]
    assert len(stops(text)) == 3
    assert stops(text)[1] == pytest.approx((stops(text)[0] + stops(text)[2]) / 2)
    assert "<b>" not in text
    assert "<chart>" not in text
    assert text.count('class="level"') == 2
    assert text.count("<button") == 2


def test_a_gap_breaks_a_line_and_a_lone_point_is_a_dot():
    y = np.array([1.0, 2.0, np.nan, 3.0, np.nan, 4.0, 5.0])
    text = lines("gaps", "", {"a": Line(np.arange(7.0), y)}, {"a": 0})
    assert text.count("<polyline") == 2
    assert text.count("<circle") == 1


def test_many_points_have_few_stops_and_the_ends_are_among_them():
    x = np.arange(1000.0)
    text = lines("long", "", {"a": Line(x, x)}, {"a": 0})
    rows = Cells(text).rows[1:]
    assert len(rows) == len(stops(text)) == MOST_STOPS
    assert (rows[0][0], rows[-1][0]) == ("0", "999")


def test_lines_that_share_a_color_are_told_apart():
    x = np.arange(2.0)
    text = lines("many", "", {"a": Line(x, x), "b": Line(x, x)}, {"a": 0, "b": 7})
    assert text.count('class="c0"') == text.count('class="c0 again"') == 2


def test_a_wide_interval_does_not_flatten_its_line_but_the_range_of_what_was_seen_does():
    x, heights = np.arange(2.0), []
    for seen in (False, True):
        text = lines("wide", "", {"a": Line(x, x, x - 1000, x + 1000, seen)}, {"a": 0})
        places = [point.split(",") for point in re.search(r'polyline points="([^"]*)"', text)[1].split()]
        heights.append(abs(float(places[0][1]) - float(places[1][1])))
    assert heights[0] > 50
    assert heights[1] < 1


def test_values_over_many_magnitudes_are_on_a_logarithmic_scale():
    x = np.arange(3.0)
    text = lines("log", "", {"a": Line(x, np.array([1.0, 1e3, 1e6]))}, {"a": 0})
    places = [float(point.split(",")[1]) for point in re.search(r'polyline points="([^"]*)"', text)[1].split()]
    assert places[0] - places[1] == pytest.approx(places[1] - places[2], abs=0.2)


def test_nothing_is_drawn_of_what_is_not_finite():
    x = np.arange(2.0)
    assert lines("none", "", {"a": Line(x, x * np.nan)}, {"a": 0}) == ""
    assert lines("none", "", {}, {}, levels={"alarm": 1.0}) == ""
    assert bars("none", "", {"a": Bar(np.nan)}, {"a": 0}, xlabel="x") == ""


def test_bars_tell_their_interval_and_notes():
    text = bars(
        "forest",
        "",
        {"known": Bar(2.0, 1.0, 3.0, (1.5, 2.5), "better", ("many",)), "diverged": Bar(np.nan, notes=("none",))},
        {"known": 0},
        xlabel="value",
        heads=("size",),
        reference=1.5,
        from_zero=False,
    )
    assert Cells(text).rows == [["", "value", "size"], ["known", "2 [1, 3]", "many"], ["diverged", "-", "none"]]
    assert text.count('class="dot"') == 2
    assert text.count('class="whisker"') == 1
    assert 'class="gray"' in text
    assert "better" in text
    assert len(stops(text)) == 2


def test_an_interval_that_is_far_too_long_leaves_the_picture_without_an_end():
    rows = {"a": Bar(1.0, 0.5, 1.5), "b": Bar(2.0, 1.8, 1e6)}
    text = bars("long", "", rows, {}, xlabel="x", from_zero=False)
    short, long = re.findall(r'class="whisker" d="([^"]*)"', text)
    assert (short.count("v10"), long.count("v10")) == (2, 1)
    assert "2 [1.8, 1,000,000]" in text


def test_an_estimate_that_is_far_from_all_others_is_an_arrow_at_the_edge():
    rows = {"a": Bar(-32.0, -33.0, -31.0), "b": Bar(-1362.0, -3890.0, 1165.0), "c": Bar(-15.0, -18.0, -12.0)}
    text = bars("far", "", rows, {}, xlabel="x", reference=-32.0, from_zero=False)
    assert text.count('class="beyond"') == 1
    assert text.count('class="whisker"') == 2
    first, second = (float(x) for x in re.findall(r'<circle cx="([^"]*)"', text))
    assert second - first > 100
    assert "-1,362 [-3,890, 1,165]" in text


def test_bars_begin_at_zero():
    text = bars("bars", "", {"a": Bar(-2.0), "b": Bar(2.0)}, {"a": 0, "b": 1}, xlabel="x")
    (left, width), (start, same) = re.findall(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"', text)
    assert float(left) + float(width) == pytest.approx(float(start), abs=0.2)
    assert float(width) == pytest.approx(float(same), abs=0.2)
