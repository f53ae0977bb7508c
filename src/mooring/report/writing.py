"""`report`: folders of runs in, one page out; and its plots as files for papers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mooring.checkpoint import write_atomically
from mooring.errors import BadInput
from mooring.evaluation.collecting import collect
from mooring.report import plots
from mooring.report.comparison_plots import save_all
from mooring.report.gathered import Task, gather
from mooring.report.html import anchor
from mooring.report.logged import read
from mooring.report.runs_page import page


def report(
    runs: str | Path | Iterable[str | Path],
    file: str | Path = "report.html",
    *,
    films: int = 3,
    audit: bool = True,
    figures: str | Path | None = None,
) -> Path:
    """Writes a page about the runs in a folder or several, which needs nothing beside it, and returns its path.

    `films` runs at most are filmed, the best first. The data are loaded, audited and compared with where `audit`. In
    the folder `figures` plots of all comparisons are left as PNG and SVG, which needs the extra `plot`.

    Raises BadInput where a folder holds no run, or where what it holds is damaged. What a run only lacks
    (evaluations, estimates, a simulator to film it in) is named on the page.
    """
    file = Path(file)
    if films < 0:
        raise BadInput("films", f"found {films}", "0 or more")
    if file.is_dir():
        raise BadInput(str(file), "is a folder", "the name of a file, as report.html")
    tasks = gather([runs] if isinstance(runs, str | Path) else runs)
    if figures is not None:
        draw(tasks, Path(figures))
    write_atomically(file, page(tasks, films, audit).encode())
    return file


def draw(tasks: Sequence[Task], folder: Path) -> list[Path]:
    """As PNG and SVG, learning curves and last scores of each task, and comparisons of methods; returns the files.

    Raises BadInput where matplotlib is missing, and as `collect` does.
    """
    evaluated = [run.path for task in tasks for run in task.runs if run.evaluations]
    written = save_all(collect(evaluated), folder) if evaluated else []
    for task in tasks:
        stem, label = folder / anchor(task.name), plots.SCORE if task.measure == "score" else "Return"
        episodes = read(task).episodes
        several = {name: group.curve(task.measure) for name, group in task.evaluated.items()}
        curves = {name: curve for name, curve in several.items() if len(curve[0]) > 1}
        if curves:
            levels = {} if episodes is None else {"behavior policy": float(episodes.mean())}
            written += plots.save(plots.learning_curves(curves, levels, ylabel=label), f"{stem}-learning-curves")
        if several:
            last = {name: values[-1][:, None] for name, (_, values) in several.items()}
            written += plots.save(plots.score_bars(last, episodes, xlabel=label), f"{stem}-scores")
    return written
