"""Plots of calibration: what they draw."""

import numpy as np
import pytest

from mooring.ope.calibration import Ranks, Reliability

pytest.importorskip("matplotlib")

from mooring.report.calibration import calibration

RNG = np.random.default_rng(0)


def test_reliability_draws_each_bin_against_the_truth():
    probability = RNG.dirichlet(np.full(5, 0.3), 3000)
    action = (RNG.uniform(size=(3000, 1)) > probability.cumsum(1)).sum(1)
    found = Reliability.of(probability, action)
    figure = calibration(found)
    axes = figure.axes[0]
    truth, points = axes.lines[:2]
    np.testing.assert_allclose(truth.get_xdata(), truth.get_ydata())
    np.testing.assert_allclose(points.get_ydata(), found.taken)
    assert axes.get_title(loc="left").endswith(": calibrated")


def test_ranks_draw_the_entries_that_stray_the_farthest():
    uniform = RNG.uniform(size=(2000, 9))
    uniform[:, 7] **= 2
    figure = calibration(Ranks(uniform))
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == 7
    assert any(label.startswith("entry 7: strays by 0.2") for label in labels)
    assert axes.get_title(loc="left").endswith(": not calibrated")
