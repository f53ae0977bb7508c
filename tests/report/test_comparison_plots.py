"""Plots of comparisons: what they draw, and that every file is there and whole."""

from xml.etree import ElementTree

import numpy as np
import pytest

from mooring.evaluation.comparison import aggregate, performance_profile, sample_efficiency
from mooring.evaluation.results import Look
from mooring.evaluation.statistics import Estimate, mean

pytest.importorskip("matplotlib")

from mooring.report import comparison_plots

GENERATOR = np.random.default_rng(0)
RUNS = {
    "bc": {"hopper": GENERATOR.normal(30, 5, 4), "maze": GENERATOR.normal(10, 5, 4)},
    "iql": {"hopper": GENERATOR.normal(70, 5, 4), "maze": GENERATOR.normal(90, 5, 4)},
}


def intervals(axes):
    return [bars.lines[2][0].get_segments()[0][:, 0].tolist() for bars in axes.containers if hasattr(bars, "has_xerr")]


def test_aggregates_have_a_panel_each_and_a_bar_for_every_method():
    estimates = {
        "IQM": {name: aggregate(runs) for name, runs in RUNS.items()},
        "mean": {name: aggregate(runs, mean) for name, runs in RUNS.items()},
    }
    figure = comparison_plots.aggregate_bars(estimates)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["IQM", "mean"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["bc", "iql"]
    for axes, by_method in zip(figure.axes, estimates.values(), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [e.value for e in by_method.values()])
        np.testing.assert_allclose(intervals(axes), [[e.low, e.high] for e in by_method.values()])


def test_a_single_seed_has_a_bar_without_an_interval():
    figure = comparison_plots.aggregate_bars({"IQM": {"bc": Estimate(3.0, -np.inf, np.inf)}})
    assert intervals(figure.axes[0]) == []
    assert figure.axes[0].patches[0].get_width() == 3


def test_profiles_are_steps_within_their_bands():
    grid = comparison_plots.thresholds(list(RUNS.values()))
    assert grid[0] == 0
    assert grid[-1] == max(scores.max() for runs in RUNS.values() for scores in runs.values())
    bands = {name: performance_profile(runs, grid) for name, runs in RUNS.items()}
    axes = comparison_plots.profiles(bands).axes[0]
    for line, shade, band in zip(axes.lines, axes.collections, bands.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), band.value)
        reached = shade.get_paths()[0].vertices[:, 1]
        assert (reached.min(), reached.max()) == (band.low.min(), band.high.max())


def test_efficiency_draws_the_band():
    curves = {"hopper": (np.array([10, 20]), GENERATOR.normal(50, 5, (2, 4)))}
    band = sample_efficiency(curves)
    axes = comparison_plots.efficiency({"bc": band}).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), band.value)
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(band.high.max())
    one = {"hopper": (np.array([10, 20]), GENERATOR.normal(50, 5, (2, 1)))}
    assert not comparison_plots.efficiency({"bc": sample_efficiency(one)}).axes[0].collections


def test_improvement_bars_start_at_one_half():
    chances = {("a", "b"): Estimate(0.9, 0.6, 0.99), ("a", "c"): Estimate(0.4, 0.2, 0.7)}
    axes = comparison_plots.improvement_bars(chances).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a over b", "a over c"]
    np.testing.assert_allclose([(bar.get_x(), bar.get_width()) for bar in axes.patches], [(0.5, 0.4), (0.5, -0.1)])
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()
    np.testing.assert_allclose(intervals(axes), [[0.6, 0.99], [0.2, 0.7]])
    assert [text.get_text() for text in axes.texts] == ["0.90 [0.60, 0.99]", "0.40 [0.20, 0.70]"]


def looks(score=True, nan=False):
    return [
        Look(method, task, seed, step, 10, scores[seed] * step, (scores[seed] * step) if score else None, "run")
        for method, runs in RUNS.items()
        for task, scores in (runs | ({"maze": np.full(4, np.nan)} if nan and method == "bc" else {})).items()
        for seed in range(4)
        for step in (1, 2)
    ]


def test_every_plot_is_drawn():
    names = ("profiles_last", "aggregates_last", "profiles_best", "aggregates_best", "efficiency", "improvement")
    assert tuple(comparison_plots.draw_all(looks())) == names


def test_files_are_whole(tmp_path):
    from matplotlib.image import imread

    png, svg = comparison_plots.save_all(looks(score=False), tmp_path / "deep")
    assert (png.name, svg.name) == ("improvement.png", "improvement.svg")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert imread(png).std() > 0.05


def test_what_can_not_be_drawn_is_left_out():
    assert list(comparison_plots.draw_all(looks(nan=True))) == [
        "profiles_last",
        "profiles_best",
        "efficiency",
        "improvement",
    ]
    unlike = [look for look in looks() if (look.task, look.seed) != ("maze", 3)]
    assert "efficiency" not in comparison_plots.draw_all(unlike)
