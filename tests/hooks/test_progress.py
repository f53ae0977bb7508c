"""The bar on a terminal, and the lines where there is none."""

import io

from rich.console import Console

from mooring.hooks import progress
from mooring.hooks.progress import Progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def made(terminal):
    clock, text = Clock(), io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100, highlight=False, color_system=None)
    return Progress(console=console, clock=clock), clock, text


def test_plain_lines_now_and_then_and_at_the_end():
    bar, clock, text = made(terminal=False)
    for second in range(1, 101):
        clock.now = float(second)
        score, alarm = (None if second < 50 else second / 2), ("" if second < 80 else "2 red")
        bar.update("main", second * 1000, 100_000, score, alarm)
    bar.close()
    assert text.getvalue().splitlines() == [
        "main: 30,000 of 100,000 updates, 1,000/s, 1:10 left",
        "main: 60,000 of 100,000 updates, 1,000/s, 0:40 left, score 30.0",
        "main: 90,000 of 100,000 updates, 1,000/s, 0:10 left, score 45.0, values: 2 red",
        "main: 100,000 of 100,000 updates, 1,000/s, score 50.0, values: 2 red",
    ]


def test_the_rate_of_a_resumed_run_counts_only_its_own_updates():
    bar, clock, text = made(terminal=False)
    for second, step in ((20.0, 80_000), (30.0, 81_000), (40.0, 82_000)):
        clock.now = second
        bar.update("main", step, 90_000)
    assert text.getvalue().splitlines() == [
        "main: 81,000 of 90,000 updates, 100/s, 1:30 left",
    ]


def test_first_update_and_each_stage_have_their_own_line():
    bar, clock, text = made(terminal=False)
    bar.update("vae", 100, 100)
    clock.now = progress.INTERVAL + 1
    bar.update("main", 100, 1000, score=-3.25)
    assert text.getvalue().splitlines() == [
        "vae: 100 of 100 updates",
        "main: 100 of 1,000 updates, score -3.2",
    ]


def test_bar_on_a_terminal():
    bar, clock, text = made(terminal=True)
    bar.update("main", 1000, 4000)
    clock.now = 2.0
    bar.update("main", 2000, 4000, score=12.0)
    bar.close()
    shown = text.getvalue()
    assert "main" in shown
    assert "2,000 of 4,000 updates, 500/s, 0:04 left, score 12.0" in shown


def test_nothing_where_it_is_not_enabled():
    text = io.StringIO()
    for terminal in (True, False):
        bar = Progress(enabled=False, console=Console(file=text, force_terminal=terminal))
        bar.update("main", 10, 10, score=1.0)
        bar.close()
    assert text.getvalue() == ""
