from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from mooring.data.dataset import Dataset
from mooring.errors import BadInput
from mooring.sources import Mixture, Offline, Prioritized, Replay, add_rows, to_device
from mooring.testing import check_source
from mooring.types import Batch, Source

KEY = jax.random.key(0)


def dataset(rows, first=0):
    """Every column of row r tells r."""
    row = np.arange(first, first + rows)
    obs, action = row[:, None] * np.ones(2), row[:, None] / 1000
    return Dataset.build(obs, action, row, np.zeros(rows), next_obs=obs + 0.5)


def numbered(*rows):
    """A batch of rows that tell their numbers."""
    row = jnp.asarray(rows, jnp.float32)
    obs = row[:, None] * jnp.ones((1, 2))
    return Batch(obs, row[:, None] / 1000, row, obs + 0.5, jnp.ones(len(rows)))


def aligned(batch):
    row = batch.reward
    assert jnp.array_equal(batch.obs, row[:, None] * jnp.ones((1, 2)))
    assert jnp.array_equal(batch.next_obs, batch.obs + 0.5)
    assert jnp.allclose(batch.action[:, 0], row / 1000)
    return row.astype(int).tolist()


def test_offline_draws_every_row_equally_often():
    source = Offline.of(dataset(50))
    batch = source.sample((), KEY, 20_000)
    assert chisquare(np.bincount(aligned(batch), minlength=50)).pvalue > 0.01


def test_offline_gives_the_columns_that_are_asked_for():
    batch = Offline.of(dataset(9), ("row", "next_action")).sample((), KEY, 32)
    row = batch["row"]
    assert row.dtype == jnp.int32
    assert aligned(batch) == row.tolist()
    assert jnp.allclose(batch["next_action"][:, 0], jnp.minimum(row + 1, 8) / 1000)


def empty(capacity):
    return Replay(jax.tree.map(lambda leaf: leaf[:0], numbered(0)), capacity)


def held(replay, state):
    """The rows that can be drawn."""
    return set(aligned(replay.sample(state, KEY, 500)))


def test_a_ring_holds_the_newest_rows():
    replay = empty(5)
    state = replay.init(KEY)
    for new, contents in (
        ((1, 2, 3), {1, 2, 3}),
        ((4, 5), {1, 2, 3, 4, 5}),  # full to the last place
        ((6,), {2, 3, 4, 5, 6}),
        ((7, 8, 9, 10), {6, 7, 8, 9, 10}),  # over the edge
        ((11, 12, 13, 14, 15), {11, 12, 13, 14, 15}),  # as many as the capacity
    ):
        state = replay.add(state, numbered(*new))
        assert held(replay, state) == contents
        assert state.count == max(contents)


def test_a_ring_overwrites_the_oldest_place():
    replay = empty(4)
    state = replay.add(replay.add(replay.init(KEY), numbered(1, 2, 3)), numbered(4, 5))
    assert state.rows.reward.tolist() == [5, 2, 3, 4]


def test_a_ring_draws_every_row_equally_often_before_and_after_it_is_full():
    replay = empty(8)
    state = replay.add(replay.init(KEY), numbered(*range(5)))
    drawn = np.bincount(aligned(replay.sample(state, KEY, 5000)), minlength=8)
    assert drawn[5:].sum() == 0
    assert chisquare(drawn[:5]).pvalue > 0.01
    state = replay.add(state, numbered(*range(5, 13)))
    drawn = np.bincount(aligned(replay.sample(state, KEY, 5000)), minlength=13)
    assert drawn[:5].sum() == 0
    assert chisquare(drawn[5:]).pvalue > 0.01


def test_a_ring_begins_with_data():
    replay = Replay.of(dataset(6), 8)
    state = replay.init(KEY)
    assert held(replay, state) == set(range(6))
    assert held(replay, replay.add(state, numbered(6, 7, 8))) == set(range(1, 9))


def test_each_member_of_a_population_fills_its_own_ring():
    replay = empty(4)
    states = jax.vmap(replay.init)(jax.random.split(KEY, 2))
    rows = jax.tree.map(lambda *leaves: jnp.stack(leaves), numbered(1, 2), numbered(3, 4))
    states = add_rows(replay, states, rows)
    assert states.rows.reward.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0]]
    assert states.count.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("shares", "size", "sizes"),
    [
        ((0.5, 0.5), 8, (4, 4)),
        ((0.05, 0.95), 256, (13, 243)),
        ((1.0, 0.0), 7, (7, 0)),
        ((0.25, 0.25, 0.5), 10, (2, 3, 5)),
        ((0.5, 0.5, 0.0), 3, (2, 1, 0)),
        ((0.25, 0.25, 0.25, 0.25), 6, (2, 1, 1, 2)),
    ],
)
def test_a_mixture_shares_out_the_whole_batch(shares, size, sizes):
    parts = tuple(Offline.of(dataset(10, 100 * index)) for index in range(len(shares)))
    mixture = Mixture(parts, shares)
    assert mixture.sizes(size) == sizes
    rows = aligned(mixture.sample(mixture.init(KEY), KEY, size))
    assert [row // 100 for row in rows] == sorted(row // 100 for row in rows)
    assert np.bincount([row // 100 for row in rows], minlength=len(shares)).tolist() == list(sizes)


def test_the_parts_of_a_mixture_draw_different_numbers():
    part = Offline.of(dataset(1000))
    mixture = Mixture((part, part), (0.5, 0.5))
    rows = aligned(mixture.sample(mixture.init(KEY), KEY, 64))
    assert rows[:32] != rows[32:]


class Listener(Offline):
    """Remembers what it was fed, and what it was refreshed with."""

    def init(self, key):
        return ()

    def refresh(self, state, algorithm, agent, key):
        return (*state, key)

    def feedback(self, state, batch, metrics):
        return (*state, (batch, metrics))


def test_a_mixture_feeds_each_part_its_own_rows():
    data = to_device(dataset(10))
    mixture = Mixture((Listener(data), Listener(data), Listener(data)), (0.5, 0.2, 0.3))
    batch = numbered(*range(10))
    metrics = {"td_error": jnp.arange(10.0), "loss": jnp.asarray(3.0)}
    fed = [part[0] for part in mixture.feedback(mixture.init(KEY), batch, metrics)]
    assert [aligned(own) for own, _ in fed] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
    assert [own["td_error"].tolist() for _, own in fed] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


def test_a_mixture_refreshes_each_part_with_a_key_of_its_own():
    data = to_device(dataset(10))
    mixture = Mixture((Listener(data), Listener(data)), (0.5, 0.5))
    one, other = (part[0] for part in mixture.refresh(mixture.init(KEY), None, None, KEY))
    assert not jnp.array_equal(jax.random.key_data(one), jax.random.key_data(other))


def tree_of(priorities):
    """The array of sums, by brute force."""
    leaves = 2 ** max(1, (len(priorities) - 1).bit_length())
    tree = np.zeros(2 * leaves)
    tree[leaves : leaves + len(priorities)] = priorities
    for node in range(leaves - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 13])
def test_priorities_begin_equal(rows):
    source = Prioritized.of(dataset(rows))
    assert source.init(KEY).tolist() == tree_of(np.ones(rows)).tolist()


def feed(source, state, rows, errors):
    batch = replace(numbered(*rows), extra={"row": jnp.asarray(rows)})
    return source.feedback(state, batch, {"td_error": jnp.asarray(errors, jnp.float32)})


@pytest.mark.parametrize("rows", [5, 8, 13])
def test_the_tree_holds_the_sums_after_many_feedbacks(rows):
    source = Prioritized.of(dataset(rows), alpha=0.6, least=0.01)
    rng = np.random.default_rng(rows)
    state, priorities = source.init(KEY), np.ones(rows)
    for _ in range(50):
        picked, errors = rng.integers(0, rows, 6), rng.normal(size=rows) * 10
        state = feed(source, state, picked, errors[picked])  # a row that comes twice has one error
        priorities[picked] = np.maximum(np.abs(errors[picked]), 0.01) ** 0.6
        np.testing.assert_allclose(state, tree_of(priorities), rtol=1e-5)


def test_a_row_that_comes_twice_with_two_errors_takes_one_of_them_in_all_sums():
    source = Prioritized.of(dataset(6), alpha=1.0, least=0.0)
    state = np.asarray(feed(source, source.init(KEY), [2, 4, 2, 2], [5.0, 7.0, 11.0, 13.0]))
    leaves = state[8:14]
    assert leaves[2] in (5, 11, 13)
    assert leaves[4] == 7
    np.testing.assert_allclose(state, tree_of(leaves))


def test_priorities_are_those_of_the_papers():
    lap = Prioritized.of(dataset(4))  # eq. 9 of LAP: max(|error|^0.4, 1)
    state = feed(lap, lap.init(KEY), [0, 1, 2], [-32.0, 0.5, 1.0])
    np.testing.assert_allclose(state[4:], [4, 1, 1, 1], rtol=1e-6)


def test_an_error_that_was_not_measured_leaves_its_priority():
    source = Prioritized.of(dataset(4), alpha=1.0)
    state = feed(source, source.init(KEY), [0, 1], [3.0, 5.0])
    state = feed(source, state, [0, 1, 2], [np.nan, 7.0, np.nan])
    np.testing.assert_allclose(state, tree_of([3, 7, 1, 1]))


def test_priorities_need_the_errors():
    source = Prioritized.of(dataset(4))
    batch = source.sample(source.init(KEY), KEY, 3)
    with pytest.raises(BadInput, match="has no metric td_error"):
        source.feedback(source.init(KEY), batch, {"loss": jnp.asarray(1.0)})


def test_rows_are_drawn_in_proportion_to_their_priority():
    rows = 11
    source = Prioritized.of(dataset(rows), alpha=1.0, least=0.0)
    errors = np.asarray([0, 1, 2, 0, 0, 5, 3, 4, 0, 1, 0.5])
    state = feed(source, source.init(KEY), range(rows), errors)
    batches = jax.vmap(lambda key: source.sample(state, key, 16))(jax.random.split(KEY, 1000))
    batch = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batches)
    assert aligned(batch) == batch["row"].tolist()
    drawn, possible = np.bincount(batch["row"], minlength=rows), errors > 0
    assert drawn[~possible].sum() == 0
    expected = errors / errors.sum() * drawn.sum()
    assert chisquare(drawn[possible], expected[possible]).pvalue > 0.01  # strata can only make it more even
    assert np.abs(drawn - expected).max() < 0.02 * drawn.sum()


def mixture():
    return Mixture((Offline.of(dataset(40), ("row",)), Prioritized.of(dataset(40, 100))), (0.25, 0.75))


def full_ring():
    return Replay.of(dataset(40), 40)


@pytest.mark.parametrize(
    "source",
    [Offline.of(dataset(40)), Prioritized.of(dataset(40)), full_ring(), mixture()],
    ids=lambda x: type(x).__name__,
)
def test_every_source_passes_the_checks(source: Source):
    check_source(source, None if isinstance(source, Mixture) else dataset(40))
