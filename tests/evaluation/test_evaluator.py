"""Evaluation beside training: the same numbers as evaluation alone, in order."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.environments.guide import Guide
from mooring.environments.gymnasium_pointmass import PointmassEnv
from mooring.environments.pointmass import Pointmass
from mooring.errors import BadInput
from mooring.evaluation import Evaluator, evaluate
from mooring.evaluation.rollouts import Environments
from mooring.loop import stack
from mooring.types import Box, Discrete, Spec, scalar

EASY = "mooring/Pointmass-easy-v0"


def guides(count):
    return stack([Guide.through(Pointmass.named("easy"))] * count)


def lost(count):
    """Policies that only walk up."""
    return stack([Guide(jnp.full((10, 10), 3), scalar(0.0))] * count)


@pytest.fixture
def evaluator():
    evaluator = Evaluator(EASY, members=2, episodes=3, seed=5)
    yield evaluator
    evaluator.close()


def test_results_are_those_of_evaluate_and_in_order(evaluator):
    good, bad = guides(2), lost(2)
    for step, policies in ((10, good), (20, bad), (30, good)):
        evaluator.submit(step, policies)
    assert evaluator.finished(before=10) == []
    (first, found), (second, worse) = evaluator.finished(before=30)
    assert (first, second) == (10, 20)
    expected = evaluate([Guide.through(Pointmass.named("easy"))] * 2, EASY, episodes=3, seed=5)
    np.testing.assert_array_equal(found.returns, expected.returns)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    assert (found.env, found.seed, found.sampled) == (EASY, 5, False)
    assert (worse.returns == -50).all()
    ((third, again),) = evaluator.finished(before=31)
    assert third == 30
    np.testing.assert_array_equal(again.returns, found.returns)
    assert evaluator.finished(before=100) == []


def test_donated_buffers_do_not_matter(evaluator):
    policies = guides(2)
    evaluator.submit(1, policies)
    jax.tree.map(lambda leaf: leaf.delete(), policies)  # what donating them to the next update does
    ((_, found),) = evaluator.finished(before=2)
    assert found.returns.shape == (2, 3)


def test_submit_does_not_wait(evaluator, monkeypatch):
    go, played = threading.Event(), Environments.rollout

    def slow(*arguments):
        assert go.wait(timeout=60)
        return played(*arguments)

    monkeypatch.setattr(Environments, "rollout", slow)
    evaluator.submit(1, guides(2))
    evaluator.submit(2, guides(2))
    go.set()  # reached only if neither waited
    assert [step for step, _ in evaluator.finished(before=3)] == [1, 2]


def test_errors_come_out_where_results_would(evaluator, monkeypatch):
    monkeypatch.setattr(evaluator._environments.group.envs[4], "step", lambda action: 1 / 0)
    evaluator.submit(2, guides(2))
    with pytest.raises(BadInput, match="member 1, episode 1, step 0: ZeroDivisionError"):
        evaluator.finished(before=3)


def test_close_with_work_begun(monkeypatch):
    closed = []
    monkeypatch.setattr(PointmassEnv, "close", lambda env: closed.append(threading.current_thread().name))
    evaluator = Evaluator(EASY, members=2, episodes=3)
    for step in (1, 2, 3):
        evaluator.submit(step, guides(2))
    evaluator.close()
    assert closed == ["evaluate_0"] * 6  # by the thread that made and stepped them


def test_what_does_not_fit_is_refused_before_training():
    box = Box(*(jnp.full(3, value) for value in (0.0, 1.0, 0.5, 1.0)))
    with pytest.raises(BadInput, match="observations: 2 floats; expected as in the data: 3 floats"):
        Evaluator(EASY, 1, 1, spec=Spec(box, Discrete(5), scalar(1.0), scalar(0.0), 50))
    with pytest.raises(BadInput, match="environment 'Hoper-v5': does not exist"):
        Evaluator("Hoper-v5", 1, 1)
