"""Training from files: each row once an epoch, the same after a kill, as from memory, and within bounds."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from mooring import loop
from mooring.algorithms.imitation.bc import BC
from mooring.data import Dataset, load, write_rows
from mooring.data.mapped import MappedDataset
from mooring.errors import BadInput
from mooring.sources import Mixture, Offline, Streamed, Windows, uniform
from mooring.testing import check_source
from mooring.training import train
from mooring.types import Algorithm, Policy, static

EPISODES = 60
BATCH = 16


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Rows whose entries all tell which row they are of."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 30, EPISODES)
    count = int(lengths.sum())
    ends = np.cumsum(lengths) - 1
    terminated, truncated = np.zeros(count, bool), np.zeros(count, bool)
    terminated[ends[::2]], truncated[ends[1::2]] = True, True
    row = np.arange(count, dtype=np.float32)
    obs = np.stack([row, -row, rng.normal(size=count)], axis=1)
    extra = {"weight": 10 * row}
    action = np.tanh(rng.normal(size=(count, 2)))
    return Dataset.build(
        obs, action, row / 100, terminated, truncated, next_obs=obs + 0.5, extra=extra, name="small", env="Hopper-v5"
    )


@pytest.fixture(scope="module")
def mapped(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "small.rows"
    with write_rows(path, name="small") as rows:
        for first in range(0, EPISODES, 7):
            rows.append(data.select(range(first, min(first + 7, EPISODES))))
    return load(path)


BLOCK_BYTES = 7 * BATCH * 60
KEYS = jax.random.split(jax.random.key(0), 3)


def small_blocks(mapped, columns=(), **options):
    """Blocks of a few batches, runs of a few rows."""
    return Streamed.of(mapped, columns, BATCH, block_bytes=BLOCK_BYTES, **options)


@jax.jit
def drawn(source, states):
    """A batch of each member, and the states after it."""

    def one(state, key):
        batch = source.sample(state, key, BATCH)
        return batch, source.feedback(state, batch, {})

    return jax.vmap(one)(states, KEYS)


def batches(source, count):
    """What each of three members draws in its first `count` updates, as a loop that exchanges blocks gives it."""
    states = jax.vmap(source.init)(KEYS)
    for step in range(count):
        source = source.at(step)
        batch, states = drawn(source, states)
        yield batch
    source.close()


def test_every_row_comes_once_an_epoch_to_every_member(mapped):
    source = small_blocks(mapped, ("weight",))
    shown = list(batches(source, 3 * len(mapped) // BATCH + 1))
    rows = np.concatenate([np.asarray(batch.obs[..., 0], int) for batch in shown], axis=1)
    weight = np.concatenate([np.asarray(batch["weight"]) for batch in shown], axis=1)
    np.testing.assert_array_equal(weight, 10 * rows)
    blocks = rows.shape[1] // (source.lasts * BATCH)
    whole = blocks * source.lasts * BATCH
    for member in range(3):
        times = np.bincount(rows[member, :whole], minlength=len(mapped))
        assert {times.min(), times.max()} <= {whole // len(mapped), whole // len(mapped) + 1}
    assert (rows[0, : 5 * BATCH] != rows[1, : 5 * BATCH]).mean() > 0.6
    assert set(rows[0, : source.lasts * BATCH]) == set(rows[1, : source.lasts * BATCH])


def test_an_epochs_order_is_random_and_is_not_that_of_the_next(mapped):
    source = small_blocks(mapped)
    count = len(mapped) // BATCH
    rows = np.concatenate([np.asarray(b.obs[0, :, 0]) for b in batches(source, 2 * count)])
    one, two = rows[: count * BATCH], rows[count * BATCH :]
    for order in (one, two):
        assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.3
    assert (one == two).mean() < 0.05
    other = next(batches(small_blocks(mapped, seed=1), 1))
    assert set(np.asarray(other.obs[0, :, 0])) != set(one[:BATCH])


def test_the_runs_of_all_blocks_are_all_rows_of_all_epochs(mapped):
    reader = small_blocks(mapped).reader
    rows = np.concatenate([np.arange(*run) for index in range(40) for run in reader.runs(index)])
    for epoch in range(len(rows) // len(mapped)):
        np.testing.assert_array_equal(
            np.sort(rows[epoch * len(mapped) : (epoch + 1) * len(mapped)]), np.arange(len(mapped))
        )


def test_derived_columns_are_those_of_the_whole(data, mapped):
    names = ("next_action", "return_to_go", "timestep", "row", "weight")
    for batch in batches(small_blocks(mapped, names), 9):
        row = np.asarray(batch.obs[0, :, 0], int)
        for name in names:
            np.testing.assert_allclose(np.asarray(batch[name][0]), data.column(name)[row], rtol=1e-5, err_msg=name)
        np.testing.assert_array_equal(np.asarray(batch.action[0]), data.action[row])
        np.testing.assert_array_equal(np.asarray(batch.continues[0]), data.continues[row])


def test_it_passes_the_checks_of_sources(data, mapped):
    check_source(Streamed.of(mapped, (), 32), data)
    source = small_blocks(mapped)
    with pytest.raises(BadInput, match="a batch of 8 rows was asked for; expected 16"):
        source.sample(source.init(jax.random.key(0)), jax.random.key(0), 8)


def test_a_set_smaller_than_a_batch_is_repeated(data, tmp_path):
    with write_rows(tmp_path / "tiny.rows") as rows:
        rows.append(data.select([0]))
    tiny = load(tmp_path / "tiny.rows")
    source = Streamed.of(tiny, (), 64)
    assert source.order.shape == (64,)
    times = np.bincount(np.asarray(source.rows.obs[:, 0], int), minlength=len(tiny))
    assert times.max() - times.min() <= 1


def test_the_form_of_the_data_picks_the_source(data, mapped):
    assert isinstance(uniform(data, (), BATCH), Offline)
    assert isinstance(BC(batch_size=BATCH).source(mapped), Streamed)
    assert isinstance(BC(batch_size=BATCH, top=0.5).source(mapped), Offline)


def test_what_draws_from_everywhere_refuses_what_does_not_fit(mapped, monkeypatch):
    assert len(Windows.of(mapped, 4).rows.reward) == len(mapped)
    monkeypatch.setattr("mooring.sources.rows.os.sysconf", lambda name: 100)
    with pytest.raises(BadInput, match="do not fit in half of this machine"):
        Windows.of(mapped, 4)


def test_in_a_mixture(data, mapped):
    mixture = Mixture((Streamed.of(mapped, (), 8, block_bytes=4000), Offline.of(data)), (0.5, 0.5))
    assert mixture.exchanges() == mixture.parts[0].exchanges()
    later = mixture.at(mixture.exchanges()[0])
    assert int(later.parts[0].block) == 1
    assert later.sample(later.init(jax.random.key(0)), jax.random.key(1), 16).reward.shape == (16,)
    later.close()


class Still(Policy):
    """Stays where it is."""

    seen: Float[Array, " O"]

    def act(self, memory, obs, key):
        return jnp.zeros(2), memory


class Average(Algorithm):
    """Sums up what it is shown: quick to compile, and its result is known."""

    name = "average"
    actions = ("continuous",)
    batch_size: int = static(BATCH)

    def init(self, key, spec):
        return {"obs": jnp.zeros(3), "random": jax.random.normal(key)}

    def update(self, agent, batch, key, step):
        noise = agent["random"] + 0.1 * jax.random.normal(key)
        return {"obs": agent["obs"] + batch.obs.sum(axis=0), "random": noise}, {"reward": batch.reward}

    def policy(self, agent):
        return Still(agent["obs"])


def small(data, steps, **options):
    """Trains, from blocks of a few batches where the data lies in files."""
    source = small_blocks(data) if isinstance(data, MappedDataset) else None
    assert source is None or source.lasts < 20
    return train(Average(), data, steps, seeds=2, chunk=10, save_every=10, source=source, **options)


def test_a_run_that_was_cut_ends_where_the_unbroken_one_ends(mapped, tmp_path):
    unbroken = small(mapped, 40, folder=tmp_path / "one")
    small(mapped, 23, folder=tmp_path / "two")
    resumed = small(mapped, 40, folder=tmp_path / "two", resume=True)
    for one, two in zip(jax.tree.leaves(unbroken.run.agent), jax.tree.leaves(resumed.run.agent), strict=True):
        np.testing.assert_array_equal(one, two)


def test_training_sees_what_training_from_memory_sees(data, mapped):
    """Over whole epochs exactly what is in the data; from memory the same on average."""
    updates = 60  # nearly an epoch
    assert updates == len(data) // BATCH
    streamed = np.asarray(small(mapped, updates).run.agent["obs"]) / (updates * BATCH)
    memory = np.asarray(small(data, updates).run.agent["obs"]) / (updates * BATCH)
    mean, error = data.moments("obs")[0], data.moments("obs")[1] / np.sqrt(updates * BATCH)
    assert (np.abs(streamed - mean[None]) < 0.1 * error[None]).all()
    assert (np.abs(memory - mean[None]) < 5 * error[None]).all()


def test_memory_holds_blocks_and_not_the_data(tmp_path):
    rng, block_bytes = np.random.default_rng(0), 2**21
    with write_rows(tmp_path / "large.rows") as rows:
        for _ in range(8):
            obs = rng.normal(size=(20_001, 25))
            ends = np.arange(20_000) % 1000 == 999
            rows.append(Dataset.build(obs[:-1], obs[:-1, :1] / 9, obs[:-1, 0], 0 * ends, ends, next_obs=obs[1:]))
    large = load(tmp_path / "large.rows")
    assert sum(column.nbytes for column in large.columns().values()) > 15 * block_bytes
    source = Streamed.of(large, (), 256, block_bytes=block_bytes)
    tracemalloc.start()
    try:
        for block in range(1, 10):
            source = source.at(block * source.lasts)
        source.close()
        assert tracemalloc.get_traced_memory()[1] < 4 * block_bytes
    finally:
        tracemalloc.stop()


def test_one_compilation_serves_all_blocks(mapped):
    source = small_blocks(mapped)
    algorithms = loop.stack([Average(), Average()])
    run = loop.start(algorithms, source, mapped.spec(), loop.keys_of([0, 1]))
    run, _ = loop.advance(algorithms, source, run, 1)
    compiled = loop.advance._cache_size()
    for block in range(1, 4):
        run, _ = loop.advance(algorithms, source.at(block * source.lasts), run, 1)
    run, _ = loop.advance(algorithms, small_blocks(mapped, seed=1), run, 1)
    assert loop.advance._cache_size() == compiled
    source.close()
