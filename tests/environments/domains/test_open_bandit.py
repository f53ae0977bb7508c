"""The Open Bandit log as a contextual bandit: rows made up in its columns, and the real ones where they are."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROWS, ITEMS = 30, 34
COLUMNS = [
    *("", "timestamp", "item_id", "position", "click", "propensity_score"),
    *(f"user_feature_{index}" for index in range(4)),
    *(f"user-item_affinity_{index}" for index in range(ITEMS)),
]


@pytest.fixture
def log(tmp_path):
    """30 rows: items in turn from the last one down, with a click in every tenth."""
    file = tmp_path / "shop.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        for row in range(ROWS):
            stamp = f"2019-11-24 00:01:{row:02}.500000+00:00"
            shown = [row, stamp, ITEMS - 1 - row, 1 + row % 3, int(row % 10 == 0), 0.25 if row % 2 else 0.5]
            customer = [f"{column}{row % 2}" for column in "abcd"]
            writer.writerow([*shown, *customer, *(float(item == row) for item in range(ITEMS))])
    return file


def test_each_row_is_an_episode_and_keeps_its_true_probability(example, log):
    data = example("open_bandit.py:load")(str(log))
    assert data.num_episodes == len(data) == ROWS
    assert data.horizon == 1
    assert not data.continues.any()
    assert data.action_space.n == ITEMS
    np.testing.assert_array_equal(data.action, ITEMS - 1 - np.arange(ROWS))
    np.testing.assert_allclose(np.exp(data.extra["action_log_prob"]), np.tile([0.5, 0.25], ROWS // 2), rtol=1e-6)
    assert data.reward.sum() == 3
    assert data.labels["obs"][:4] == ("position=1", "position=2", "position=3", "user_feature_0=a0")
    assert data.obs.shape == (ROWS, 3 + 4 * 2 + ITEMS)


def test_the_recipe_leaves_probabilities_of_all_items(example, log, capsys):
    trained = example("open_bandit.py:main")(str(log), updates=20)
    assert "click rate 10.00%" in capsys.readouterr().out
    policy, obs = trained.policy(), jnp.zeros(3 + 4 * 2 + ITEMS)
    log_probs = jax.vmap(lambda item: policy.log_prob(policy.begin(), obs, item))(jnp.arange(ITEMS))
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-5)


def test_the_real_log(example, real_data):
    file = real_data / "obd" / "bts" / "men" / "men.csv"
    if not file.exists():
        pytest.skip("needs obd/bts/men/men.csv in MOORING_TEST_DATA")
    data = example("open_bandit.py:load")(str(file))
    assert (data.num_episodes, data.action_space.n, data.reward.sum()) == (10_000, 34, 69)
    assert np.exp(data.extra["action_log_prob"]).max() == pytest.approx(0.72529)
