"""How an order of policies is held against what they get."""

import numpy as np

from mooring.data import Dataset
from mooring.environments.guide import Guide
from mooring.environments.pointmass import Pointmass
from mooring.evaluation.statistics import Estimate
from mooring.ope.estimating import Judgments
from mooring.ope.judgment import Judgment
from mooring.ope.selecting import truth_of


def said(value: float, low: float, high: float) -> Judgments:
    judgment = Judgment("dm", Estimate(value, value - 1, value + 1), Estimate(value, low, high))
    return Judgments(0.99, Estimate(0.0, -1.0, 1.0), (judgment,))


def test_an_order_that_has_the_worst_first() -> None:
    maze = Pointmass.named("easy")
    policies = [Guide.through(maze, epsilon) for epsilon in (1.0, 0.0, 0.5)]
    judged = [said(3.0, 1.0, 5.0), said(2.0, -1.0, 5.0), said(1.0, -2.0, 4.0)]
    logged = Dataset.build(np.zeros((2, 2)), np.zeros(2, int), np.full(2, -20.0), np.ones(2, bool))
    truth = truth_of(policies, judged, logged, "mooring/Pointmass-easy-v0", 12, 0, sampled=True)
    assert [len(each) for each in truth.returns] == [12, 12, 12]
    assert truth.spearman == -0.5  # it should have been 1, 2, 0
    assert truth.regret == (1.0, 0.0, 0.0)
    assert truth.false_better == 1 / 3  # the wanderer gets less than -20
