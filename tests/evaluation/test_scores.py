"""`evaluate`: which policies it takes, and what it says of them."""

import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import mooring
from mooring.algorithms.imitation.bc import BC
from mooring.data import Dataset
from mooring.data.catalog import normalized
from mooring.environments.guide import Guide
from mooring.environments.making import versions
from mooring.environments.pointmass import Pointmass
from mooring.errors import BadInput
from mooring.evaluation import Evaluation, Returns, evaluate, rollout
from mooring.evaluation.statistics import iqm, mean, summarize
from mooring.loop import stack
from mooring.networks.actors import CategoricalActor
from mooring.normalizer import Normalizer
from mooring.policies import ActorPolicy
from mooring.types import Box, Discrete, Spec, scalar

EASY = "mooring/Pointmass-easy-v0"


def evaluation(returns, env="Hopper-v5", score_range=(-20.0, 3220.0)) -> Evaluation:
    returns = np.array(returns, np.float64)
    lengths = np.full(returns.shape, 7, np.int64)
    return Evaluation(env, returns, lengths, score_range, seed=3, sampled=False, versions={"gymnasium": "1"})


@pytest.fixture
def guide():
    return Guide.through(Pointmass.named("easy"))


@pytest.fixture
def actor():
    low, high = jnp.zeros(2), jnp.ones(2)
    spec = Spec(Box(low, high, low, high), Discrete(5), scalar(1.0), scalar(0.0), 50)
    return lambda seed: ActorPolicy(CategoricalActor.of(jax.random.key(seed), 2, 5, (8,)), Normalizer(spec, True))


def test_one_policy_a_list_and_a_population(actor):
    one, other = actor(0), actor(1)
    expected = rollout(stack([one, other]), EASY, 3, seed=4, sampled=True)
    single = mooring.evaluate(one, EASY, episodes=3, seed=4, sampled=True)
    assert single.returns.shape == (1, 3)
    np.testing.assert_array_equal(single.returns[0], expected.returns[0])
    for policies in ([one, other], stack([one, other])):
        found = evaluate(policies, EASY, episodes=3, seed=4, sampled=True)
        np.testing.assert_array_equal(found.returns, expected.returns)
        np.testing.assert_array_equal(found.lengths, expected.lengths)
        assert (found.env, found.seed, found.sampled, found.versions) == (EASY, 4, True, versions())


def test_policies_without_a_normalizer(guide):
    assert evaluate(guide, EASY, episodes=2).returns.shape == (1, 2)
    assert evaluate([guide] * 3, EASY, episodes=2).returns.shape == (3, 2)


def test_scores_and_estimates():
    returns = [[1600.0, 1600.0], [800.0, 900.0], [100.0, 100.0], [3220.0, 3220.0]]
    found = evaluation(returns)
    np.testing.assert_allclose(found.scores, normalized(np.array(returns), (-20.0, 3220.0)))
    assert found.scores[3, 0] == 100
    assert found.iqm == summarize(found.scores, iqm)
    assert found.mean == summarize(found.scores, mean)
    assert found.iqm.value == pytest.approx((found.scores[0].mean() + found.scores[1].mean()) / 2)


def test_without_a_score_range_estimates_are_of_returns(guide):
    found = evaluate(guide, EASY, episodes=4)
    assert found.scores is None
    assert found.mean.value == pytest.approx(found.returns.mean())


def test_score_range_comes_with_the_environment():
    played = Returns(np.zeros((1, 1)), np.ones((1, 1), np.int64))
    assert Evaluation.of(played, "Hopper-v5", 0, False).score_range == pytest.approx((-20.272305, 3234.3))


def test_json_is_strict():
    found = evaluation([[1.0, np.nan]], score_range=None).to_json()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == {
        "env": "Hopper-v5",
        "returns": [[1.0, None]],
        "lengths": [[7, 7]],
        "score_range": None,
        "seed": 3,
        "sampled": False,
        "versions": {"gymnasium": "1"},
        "scores": None,
        "iqm": None,
        "mean": None,
    }
    alone = json.loads(json.dumps(evaluation([[1.0]]).to_json(), allow_nan=False))
    assert alone["mean"] == {"value": pytest.approx(100 * 21 / 3240), "low": None, "high": None}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (evaluation([[1600.0], [1600.0]]), ["Hopper-v5, 1 episodes each", "1600.0", "50.0", "score: IQM 50.0"]),
        (evaluation([[5.0, 7.0]], score_range=None), ["6.0", "7.0", "return: IQM 6.0"]),
        (evaluation([[np.nan]]), ["nan", "IQM diverged"]),
    ],
)
def test_table(found, expected):
    console = Console(width=100, file=io.StringIO())
    console.print(found.table())
    text = console.file.getvalue()
    assert all(part in text for part in expected), text


def test_no_environment(guide):
    with pytest.raises(BadInput, match="evaluate: no environment is given; expected env, a Gymnasium id"):
        evaluate(guide)


def test_a_run_folder_and_a_policy_file(tmp_path):
    rows = np.random.default_rng(0)
    data = mooring.load(
        Dataset.build(
            obs=rows.random((40, 2)),
            action=rows.integers(5, size=40),
            reward=np.ones(40),
            terminated=np.arange(40) % 20 == 19,
            action_space=Discrete(5),
            env=EASY,
        )
    )
    trained = mooring.train(BC(hidden=(8,)), data, steps=2, seeds=2, folder=tmp_path / "run")
    expected = evaluate(trained.policies, EASY, episodes=2)
    found = evaluate(tmp_path / "run", episodes=2)
    assert found.env == EASY
    np.testing.assert_array_equal(found.returns, expected.returns)
    one = evaluate(str(tmp_path / "run" / "policies" / "seed-1.safetensors"), EASY, episodes=2)
    np.testing.assert_array_equal(one.returns, expected.returns[1:])
    with pytest.raises(BadInput, match="no environment is given"):
        evaluate(tmp_path / "run" / "policies" / "seed-1.safetensors")
