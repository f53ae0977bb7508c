"""Changes of data sets, against numbers worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mooring.data import Bounds, Dataset, load, save_npz
from mooring.data.changes import concatenate, n_step, returns_to_go, split, stack_frames, subsample
from mooring.errors import BadInput


def data(**changes) -> Dataset:
    """Rows 0-3 (terminated), 4-6 (time limit) and 7-8 (cut off by the end)."""
    obs = np.arange(9.0)[:, None]
    columns = {
        "obs": obs,
        "action": np.arange(9.0)[:, None] / 10,
        "reward": [1, 2, 4, 8, 16, 32, 64, 128, 256],
        "terminated": [0, 0, 0, 1, 0, 0, 0, 0, 0],
        "truncated": [0, 0, 0, 0, 0, 0, 1, 0, 0],
        "next_obs": obs + 1,
        "extra": {"tag": np.arange(9)},
    }
    return Dataset.build(**(columns | changes))


def many(episodes=40) -> Dataset:
    """Episodes of three rows; the return of episode e is 3 e."""
    rows = 3 * episodes
    reward = np.repeat(np.arange(episodes), 3)
    return Dataset.build(np.zeros((rows, 1)), np.zeros((rows, 1)), reward, np.arange(rows) % 3 == 2)


def test_subsample_takes_whole_episodes():
    some = subsample(many(), 0.25, seed=3)
    assert some.num_episodes == 10
    assert some.lengths.tolist() == [3] * 10
    assert np.all(np.diff(some.returns) > 0)
    assert some.fingerprint() == subsample(many(), 0.25, seed=3).fingerprint()
    assert some.fingerprint() != subsample(many(), 0.25, seed=4).fingerprint()
    assert subsample(many(), 1e-6).num_episodes == 1


def test_subsample_of_transitions_cuts_episodes_where_rows_are_left_out():
    some = subsample(data(), 0.5, seed=0, unit="transitions")
    tags = some.extra["tag"]
    assert len(some) == 4
    assert np.all(np.diff(tags) > 0)
    follows = np.append(np.diff(tags) == 1, False) & ~data().last[tags]
    np.testing.assert_array_equal(some.last, ~follows)
    np.testing.assert_array_equal(some.next_obs[:, 0], tags + 1)
    whole = subsample(data(), 1.0, unit="transitions")
    assert whole.fingerprint() == data().fingerprint()


def test_every_transition_is_as_likely():
    counts = np.zeros(9)
    for seed in range(900):
        counts[subsample(data(), 1 / 3, seed, "transitions").extra["tag"]] += 1
    assert counts.sum() == 2700
    assert np.abs(counts - 300).max() < 60  # 4 standard deviations


def test_split_keeps_episodes_whole_and_apart():
    training, validation = split(many(), 0.2, seed=1)
    assert (training.num_episodes, validation.num_episodes) == (32, 8)
    assert set(training.returns) | set(validation.returns) == set(many().returns)
    again = split(many(), 0.2, seed=1)[1]
    assert again.returns.tolist() == validation.returns.tolist()
    assert split(many(), 0.2, seed=2)[1].returns.tolist() != validation.returns.tolist()
    assert [part.num_episodes for part in split(many(2), 1.0)] == [1, 1]


def test_split_by_return_takes_one_of_each_stratum():
    _, validation = split(many(), 0.25, seed=0, by_return=True)
    np.testing.assert_array_equal(np.sort(validation.returns / 3) // 4, np.arange(10))


def test_concatenate_keeps_episodes_and_what_all_agree_on():
    one = data(env="Mine-v0", score_range=(0.0, 1.0), name="one")
    two = replace(data().select([0]), name="two", env="Mine-v0")
    both = concatenate([one, two])
    assert both.name == "one+two"
    assert both.lengths.tolist() == [4, 3, 2, 4]
    assert both.extra["tag"].tolist() == [*range(9), *range(4)]
    assert (both.env, both.score_range) == ("Mine-v0", None)
    np.testing.assert_array_equal(both.reward, np.concatenate([one.reward, two.reward]))
    assert concatenate([one], name="same").fingerprint() == one.fingerprint()


def test_concatenate_of_dicts():
    obs = {"a": np.zeros((4, 2)), "b": np.arange(4)}
    parts = Dataset.build(obs, [0, 1, 0, 1], np.ones(4), [0, 0, 0, 1], next_obs=obs)
    assert concatenate([parts, parts]).obs["b"].tolist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"obs": np.zeros((9, 2)), "next_obs": np.zeros((9, 2))}, "observations"),
        ({"action_space": Bounds.of(-2, 2, 1)}, r"actions .*-2.0.*; expected .*-1.0.*, as in data"),
        ({"action": np.arange(9)}, "actions Discrete"),
        ({"extra": {}}, "extra columns"),
        ({"labels": {"obs": ["x"]}}, "labels"),
    ],
)
def test_what_does_not_fit_together(other, message):
    with pytest.raises(BadInput, match=message):
        concatenate([data(), data(**other)])


def test_rewards_that_are_seen_otherwise_do_not_fit():
    with pytest.raises(BadInput, match=r"reward_shift -1.0; expected 0.0"):
        concatenate([data(), data().with_reward("minus_one")])


def test_returns_to_go():
    np.testing.assert_allclose(
        returns_to_go(data(), 0.5),
        [1 + 1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8, 16 + 16 + 16, 32 + 32, 64, 128 + 128, 256],
    )
    np.testing.assert_array_equal(returns_to_go(data(), 1.0), data().column("return_to_go"))
    slow = data(continues=[0.5, 1, 1, 0, 1, 1, 1, 1, 1])
    assert returns_to_go(slow, 0.5)[0] == 1 + 0.25 * (2 + 2 + 2)


def naive_n_step(logged: Dataset, row: int, steps: int, discount: float) -> tuple[float, float, float]:
    """Reward, next_obs and discount * continues of one row, by walking along its episode."""
    total, weight = 0.0, 1.0
    for _ in range(steps):
        total += weight * (logged.reward_scale * float(logged.reward[row]) + logged.reward_shift)
        weight *= discount * float(logged.continues[row])
        if logged.last[row]:
            break
        row += 1
    else:
        row -= 1
    return total, float(logged.next_obs[row, 0]), weight


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_n_step_is_what_walking_along_the_episode_gives(steps):
    logged = data(continues=[1, 0.5, 1, 0, 1, 1, 0.25, 1, 1]).with_reward(scale=2.0, shift=-1.0)
    ahead = n_step(logged, steps, 0.9)
    for row in range(9):
        reward, next_obs, bootstrap = naive_n_step(logged, row, steps, 0.9)
        assert ahead.reward[row] == pytest.approx(reward)
        assert ahead.next_obs[row, 0] == next_obs
        assert 0.9 * ahead.continues[row] == pytest.approx(bootstrap)
    assert (ahead.reward_scale, ahead.reward_shift) == (1.0, 0.0)


def test_two_steps_by_hand():
    two = n_step(data(), 2, 0.5)
    assert two.reward.tolist() == [2, 4, 8, 8, 32, 64, 64, 256, 256]
    assert two.next_obs[:, 0].tolist() == [2, 3, 4, 4, 6, 7, 7, 9, 9]
    assert two.continues.tolist() == [0.5, 0.5, 0, 0, 0.5, 0.5, 1, 0.5, 1]  # a time limit bootstraps after one step
    np.testing.assert_allclose(two.column("next_action")[:, 0], [0.2, 0.3, 0.3, 0.3, 0.6, 0.6, 0.6, 0.8, 0.8])
    assert n_step(data(), 1, 0.5).fingerprint() == data().fingerprint()


def test_many_steps_are_no_end():
    rows = 2000
    long = Dataset.build(
        np.zeros((rows, 1)), np.zeros((rows, 1)), np.ones(rows), np.zeros(rows), next_obs=np.ones((rows, 1))
    )
    assert n_step(long, 1500, 0.9).continues.min() > 0


def test_n_step_is_done_once_and_survives_saving(tmp_path):
    two = n_step(data(), 2, 0.5)
    with pytest.raises(BadInput, match="has n-step rewards already"):
        n_step(two, 2, 0.5)
    save_npz(two, tmp_path / "two.npz")
    assert load(tmp_path / "two.npz").ahead == 2
    with pytest.raises(BadInput, match="steps to next_obs 2; expected 1"):
        concatenate([data(), two])


def test_stacked_vectors_begin_with_the_first_observation():
    stacked = stack_frames(data(labels={"obs": ["x"]}), 3)
    expected = [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [4, 4, 4], [4, 4, 5], [4, 5, 6], [7, 7, 7], [7, 7, 8]]
    assert stacked.obs.tolist() == expected
    assert stacked.next_obs.tolist() == [[*row[1:], row[-1] + 1] for row in expected]
    assert stacked.labels["obs"] == ("x (2 before)", "x (1 before)", "x")
    assert stacked.spec().obs.low.shape == (3,)
    assert stack_frames(data(), 1).fingerprint() == data().fingerprint()


def test_stacked_bounds_images_and_parts():
    pixels = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 2), np.uint8)
    obs = {"eye": pixels, "hand": np.arange(8.0).reshape(4, 2)}
    space = {"hand": Bounds.of([0, 1], [8, 9], 2)}
    logged = Dataset.build(obs, [0, 1, 0, 1], np.ones(4), [0, 1, 0, 1], next_obs=obs, obs_space=space)
    stacked = stack_frames(logged, 2)
    assert stacked.obs["eye"].shape == (4, 2, 3, 4)
    assert stacked.obs["eye"].dtype == np.uint8
    assert stacked.obs["eye"][1, 0, 0].tolist() == [0, 0, 1, 1]
    assert stacked.obs["eye"][2, 0, 0].tolist() == [2, 2, 2, 2]
    assert stacked.obs["hand"][1].tolist() == [0, 1, 2, 3]
    assert stacked.obs_space["hand"].high.tolist() == [8, 9, 8, 9]
    assert stacked.spec().obs["eye"].shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: subsample(data(), 0.0), "fraction: found 0; expected above 0"),
        (lambda: subsample(data(), 0.5, unit="episode"), "did you mean episodes"),
        (lambda: split(data().select([0])), "one episode alone"),
        (lambda: split(data(), 1.5), "validation: found 1.5"),
        (lambda: concatenate([]), "no data sets"),
        (lambda: returns_to_go(data(), 1.1), "discount: found 1.1"),
        (lambda: n_step(data(), 0, 0.9), "steps: found 0"),
        (lambda: stack_frames(data(), 0), "frames: found 0"),
        (lambda: stack_frames(n_step(data(), 2, 0.9), 2), "stack frames first"),
        (lambda: stack_frames(data(obs=np.arange(9), next_obs=np.arange(9)), 2), "are integers"),
    ],
)
def test_what_can_not_be_done(change, message):
    with pytest.raises(BadInput, match=message):
        change()
