"""How far training is, for whoever sits before it: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich import progress
from rich.console import Console

INTERVAL = 30.0
"""Seconds between plain lines."""


class Progress:
    """Stage, updates, rate, time left, the latest score and alarms, on stderr; nothing where it is not enabled."""

    def __init__(
        self,
        enabled: bool = True,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "updates",
    ) -> None:
        self._unit = unit
        self._enabled, self._clock, self._spoken = enabled, clock, clock()
        self._console = console or Console(stderr=True, highlight=False)
        self._first: dict[str, tuple[int, float]] = {}  # of each stage: the first step that was told of, and when
        self._bar: progress.Progress | None = None

    def update(self, stage: str, step: int, steps: int, score: float | None = None, alarm: str = "") -> None:
        """`step` of `steps` of a stage are made. Rates leave out what came before the first call.

        `alarm` is how many members' lights are not green.
        """
        if not self._enabled:
            return
        state = ", ".join(self._parts(stage, step, steps, score, alarm))
        if self._console.is_terminal:
            self._draw(stage, step, steps, state)
        elif step >= steps or self._clock() - self._spoken >= INTERVAL:
            self._spoken = self._clock()
            self._console.print(f"{stage}: {state}", soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar:
            self._bar.stop()

    def _parts(self, stage: str, step: int, steps: int, score: float | None, alarm: str) -> Iterator[str]:
        yield f"{step:,} of {steps:,} {self._unit}"
        first, since = self._first.setdefault(stage, (step, self._clock()))
        if step > first:
            rate = (step - first) / max(self._clock() - since, 1e-9)
            yield f"{rate:,.0f}/s"
            if step < steps:
                minutes, seconds = divmod(round((steps - step) / rate), 60)
                yield f"{minutes}:{seconds:02} left"
        if score is not None:
            yield f"score {score:.1f}"
        if alarm:
            yield f"values: {alarm}"

    def _draw(self, stage: str, step: int, steps: int, state: str) -> None:
        if self._bar is None:
            columns = (
                progress.TextColumn("{task.description}"),
                progress.BarColumn(30),
                progress.TextColumn("{task.fields[state]}"),
            )
            self._bar = progress.Progress(*columns, console=self._console)
            self._bar.start()
        task = next((task.id for task in self._bar.tasks if task.description == stage), None)
        if task is None:
            task = self._bar.add_task(stage, total=steps, state=state)
        self._bar.update(task, completed=step, state=state)
