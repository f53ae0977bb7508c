"""Plots: what they draw, and that the files are whole."""

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.evaluation.statistics import iqm, mean, summarize

pytest.importorskip("matplotlib")

from mooring.report import plots

GENERATOR = np.random.default_rng(0)
STEPS = np.array([100, 200, 300])
CURVE = GENERATOR.normal(50, 10, (3, 4))
SCORES = {"BC": GENERATOR.normal(20, 5, (4, 10)), "IQL": GENERATOR.normal(70, 5, (4, 10))}
DATA = GENERATOR.normal(25, 10, 200)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def lines(figure):
    """The data of each labeled line."""
    return {line.get_label(): line.get_ydata() for line in figure.axes[0].lines if line.get_label()[0] != "_"}


def test_learning_curves_show_the_iqm_its_interval_and_references():
    figure = plots.learning_curves({"IQL": (STEPS, CURVE)}, {"behavior policy": 30.0})
    estimates = [summarize(scores, iqm) for scores in CURVE]
    np.testing.assert_allclose(lines(figure)["IQL"], [each.value for each in estimates])
    np.testing.assert_allclose(lines(figure)["behavior policy"], [30.0, 30.0])
    (band,) = figure.axes[0].collections
    reached = band.get_paths()[0].vertices[:, 1]
    assert reached.max() == pytest.approx(max(each.high for each in estimates))
    assert reached.min() == pytest.approx(min(each.low for each in estimates))
    assert legend(figure) == ["IQL", "behavior policy"]
    assert figure.axes[0].get_xlabel() == "Updates"


def test_one_seed_has_no_band_and_a_diverged_one_is_left_out():
    assert not plots.learning_curves({"IQL": (STEPS, CURVE[:, :1])}).axes[0].collections
    broken = CURVE.copy()
    broken[2, 0] = np.nan
    figure = plots.learning_curves({"IQL": (STEPS, broken)})
    assert lines(figure)["IQL"][2] == pytest.approx(iqm(CURVE[2, 1:]))


def test_curve_of_rows():
    rows = [
        {"stage": "vae", "step": 5, "kind": "train", "loss": [1.0, 2.0]},
        {"stage": "main", "step": 20, "kind": "train", "loss": [1.0, 2.0]},
        {"stage": "main", "step": 20, "kind": "evaluate", "score": [3.0, 4.0]},
        {"stage": "main", "step": 10, "kind": "evaluate", "score": [1.0, 2.0]},
    ]
    steps, scores = plots.curve(rows)
    np.testing.assert_array_equal(steps, [10, 20])
    np.testing.assert_array_equal(scores, [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(plots.curve(rows, "loss", "train", "vae")[1], [[1.0, 2.0]])


def test_bars_show_iqm_intervals_seeds_and_the_behavior_policy():
    figure = plots.score_bars(SCORES, DATA)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["behavior policy", "BC", "IQL"]
    expected = [summarize(DATA, mean), *(summarize(scores, iqm) for scores in SCORES.values())]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [each.value for each in expected])
    assert [text.get_text() for text in axes.texts] == [str(each) for each in expected]
    intervals = [bars.lines[2][0].get_segments()[0][:, 0] for bars in axes.containers if hasattr(bars, "has_xerr")]
    np.testing.assert_allclose(intervals, [[each.low, each.high] for each in expected])
    dots = [dots.get_offsets()[:, 0] for dots in axes.collections if len(dots.get_offsets()) == 4]
    np.testing.assert_allclose(dots, [scores.mean(axis=1) for scores in SCORES.values()])


def test_histogram_counts_every_episode_and_marks_the_policies():
    figure = plots.return_histogram(DATA, SCORES, bins=20)
    (bars,) = figure.axes[0].containers
    assert len(bars) == 20
    assert sum(bar.get_height() for bar in bars) == len(DATA)
    expected = {f"{name}: {summarize(scores, iqm)}": summarize(scores, iqm).value for name, scores in SCORES.items()}
    assert legend(figure) == [f"logged episodes: mean {DATA.mean():.1f}", *expected]
    marks = {line.get_label(): line.get_xdata()[0] for line in figure.axes[0].lines}
    assert marks == pytest.approx(expected)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.learning_curves({"IQL": (STEPS, CURVE), "BC": (STEPS, CURVE - 20)}, {"behavior policy": 1.0}),
        lambda: plots.score_bars(SCORES, DATA),
        lambda: plots.score_bars({"diverged": np.full((2, 3), np.nan), **SCORES}),
        lambda: plots.return_histogram(DATA, SCORES),
    ],
)
def test_files_are_whole_and_the_same_each_time(draw, tmp_path):
    from matplotlib.image import imread

    png, svg = plots.save(draw(), tmp_path / "deep" / "plot")
    picture = imread(png)
    assert picture.shape[0] > 200
    assert picture.shape[1] > 1000
    assert picture.std() > 0.05
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    again, _ = plots.save(draw(), tmp_path / "again")
    assert again.read_bytes() == png.read_bytes()
    assert again.with_suffix(".svg").read_bytes() == svg.read_bytes()


def test_missing_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r"plots: needs the package matplotlib; pip install 'mooring\[plot\]'"):
        plots.score_bars(SCORES)
