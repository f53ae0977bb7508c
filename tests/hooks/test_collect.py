"""Collecting while training: what the buffer holds, and that a run that was broken off goes on as if it was not."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.algorithms.online.dqn import DQN
from mooring.data.collecting import Task, roll_out, uniform_policy
from mooring.errors import BadInput
from mooring.hooks.collect import Collect
from mooring.sources import Offline, Replay, newest, to_device
from mooring.testing import quick_compilation
from mooring.training import train

EASY = "mooring/Pointmass-easy-v0"
TINY = DQN(hidden=(8,), batch_size=8, epsilon=0.5)
TASK = Task.of(EASY)
FIRST = roll_out(uniform_policy(TASK), TASK, 20, "first", envs=2)


def buffer(capacity=200, last=True, column="action_log_prob"):
    """It begins with the rows of FIRST."""
    rows = to_device(FIRST, (column,))
    return Replay(replace(rows, extra={**rows.extra, "last": jnp.asarray(FIRST.last)}) if last else rows, capacity)


def trained(updates, source, folder=None, resume=False, every=10, steps=6):
    collect = Collect(EASY, every, steps, envs=2)
    settings = {"seeds": 2, "source": source, "hooks": [collect], "save_every": 30, "chunk": 50}
    try:
        with quick_compilation():
            return train(TINY, FIRST, updates, folder=folder, resume=resume, **settings)
    finally:
        collect.close()


def test_the_buffer_holds_what_was_lived():
    run = trained(200, buffer()).run
    assert run.source.count.tolist() == [140, 140]
    rows = jax.tree.map(np.asarray, newest(buffer(), run.source, 140))
    np.testing.assert_array_equal(rows.obs[:, :20], np.stack([FIRST.obs] * 2))
    assert not np.array_equal(rows.action[0, 20:], rows.action[1, 20:])
    for place in range(2):
        stream = jax.tree.map(lambda column: column[:, 20 + place :: 2], rows)  # noqa: B023
        goes_on = ~stream.extra["last"][:, :-1]
        np.testing.assert_array_equal(stream.next_obs[:, :-1][goes_on], stream.obs[:, 1:][goes_on])
        np.testing.assert_allclose(stream.obs[:, 1:][~goes_on], 0.1)  # the start
    assert (rows.extra["last"] & (rows.continues == 1))[:, 20:].any()
    greedy, other = np.log(0.6), np.log(0.1)
    near = np.isclose(rows.extra["action_log_prob"][:, 20:, None], [greedy, other]).any(axis=(0, 1))
    assert near.all()


def test_returns_of_episodes_are_logged():
    logged = [row for row in trained(200, buffer()).rows if row["kind"] == "collect"]
    assert logged
    assert all(-50 <= value <= 0 for row in logged for value in row["return"] if np.isfinite(value))


def test_the_next_action_is_that_of_the_step_after(tmp_path):
    """Blocks are of three steps in two environments; what is told late is told to the buffer that a resumed run has."""
    first = buffer(column="next_action")
    trained(60, first, tmp_path)
    for run in (trained(200, first).run, trained(200, first, tmp_path, resume=True).run):
        rows = jax.tree.map(np.asarray, newest(first, run.source, 140))
        np.testing.assert_array_equal(rows.extra["next_action"][:, :20], np.stack([FIRST.column("next_action")] * 2))
        changed = 0
        for place in range(2):
            stream = jax.tree.map(lambda column: column[:, 20 + place :: 2], rows)  # noqa: B023
            ends = stream.extra["last"] | (np.arange(60) == 59)
            expected = np.where(ends, stream.action, np.roll(stream.action, -1, axis=1))
            np.testing.assert_array_equal(stream.extra["next_action"], expected)
            changed += (stream.extra["next_action"] != stream.action).sum()
        assert changed > 50


def test_a_broken_run_ends_where_the_unbroken_one_ends(tmp_path):
    trained(60, buffer(), tmp_path)
    resumed = trained(120, buffer(), tmp_path, resume=True)
    unbroken = trained(120, buffer())
    data = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    for one, other in zip(jax.tree.leaves(resumed.run), jax.tree.leaves(unbroken.run), strict=True):
        np.testing.assert_array_equal(data(one), data(other))
    np.testing.assert_equal(resumed.rows, unbroken.rows)


def test_episodes_that_can_not_be_gone_on_with_are_cut_and_said_to_be(tmp_path):
    """Twenty steps of each environment are lived, of which the buffer keeps the newest five."""
    trained(70, buffer(21), tmp_path)
    with pytest.warns(UserWarning, match="4 episodes under way"):
        run = trained(80, buffer(21), tmp_path, resume=True).run
    rows = newest(buffer(21), run.source, 8)
    np.testing.assert_array_equal(rows["last"][:, :2], np.ones((2, 2), bool))
    np.testing.assert_allclose(rows.obs[:, 2:4], 0.1)


def test_without_the_column_last_new_episodes_begin(tmp_path):
    trained(30, buffer(last=False), tmp_path)
    with pytest.warns(UserWarning, match="no column last"):
        run = trained(60, buffer(last=False), tmp_path, resume=True).run
    assert run.source.count.tolist() == [56, 56]


def test_what_does_not_fit_is_refused():
    with pytest.raises(BadInput, match="multiples of the environments"):
        Collect(EASY, 10, 5, envs=2)
    collect = Collect(EASY, 10, 6, envs=2)
    with pytest.raises(BadInput, match="the source is a Offline"):
        collect(SimpleNamespace(members=[0], source=Offline.of(FIRST)))
    with pytest.raises(BadInput, match="a column next_action"):  # and none that tells where episodes end
        trained(10, Replay(to_device(FIRST, ("next_action",)), 50))
    with pytest.raises(BadInput, match="a column timestep"):
        trained(10, Replay(to_device(FIRST, ("timestep",)), 50))
