"""Decision Transformer: its losses and optimizer by hand, acting against training, and learning."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mooring.algorithms.sequence.dt import DT, Agent, ReturnConditioned, cross_entropy_loss, square_loss, window_of
from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode
from mooring.data.spaces import Bounds
from mooring.errors import BadInput
from mooring.loop import advance, keys_of, policies, stack, start
from mooring.networks.trajectory import TrajectoryModel, Window
from mooring.population import members, varied
from mooring.testing import best_value, cloned_value, policy_value, small_data
from mooring.types import ActionKind, Discrete

KINDS: tuple[ActionKind, ...] = ("continuous", "discrete")
DAILY = ["continuous", pytest.param("discrete", marks=pytest.mark.every)]
TINY: dict[str, Any] = {"layers": 1, "width": 8, "heads": 2, "context": 3, "batch_size": 4, "return_scale": 4.0}
MASK = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])


def lived(kind: ActionKind, steps: int = 7) -> Episode:
    """Rewards are quarters, so that sums of them are exact in any order."""
    rng = np.random.default_rng(3)
    action = rng.uniform(-2, 2, (steps, 2)) if kind == "continuous" else rng.integers(0, 4, steps)
    return Episode(rng.normal(size=(steps + 1, 3)), action, rng.integers(-8, 8, steps) / 4, terminated=True)


def logged(episode: Episode, steps: int, kind: ActionKind) -> Dataset:
    """The first steps of an episode."""
    part = Episode(episode.obs[: steps + 1], episode.action[:steps], episode.reward[:steps], terminated=True)
    space = Bounds(-np.full(2, 2, np.float32), np.full(2, 3, np.float32)) if kind == "continuous" else Discrete(4)
    return Dataset.from_episodes([part], action_space=space, horizon=9)


def fresh(algorithm: DT, data: Dataset) -> Agent:
    """An agent whose parameters are large enough for each input to matter."""
    agent = jax.jit(algorithm.init)(jax.random.key(0), data.spec())
    larger = lambda leaf: jnp.asarray(leaf + 0.3 * np.cos(np.arange(leaf.size).reshape(leaf.shape)), jnp.float32)
    return replace(agent, model=replace(agent.model, model=jax.tree.map(larger, agent.model.model)))


@jax.jit
def greedy_step(policy: ReturnConditioned, memory: Any, obs: Any) -> Any:
    return policy.act(memory, obs, None)


@jax.jit
def predict(model: TrajectoryModel, window: Window) -> Any:
    return model(jax.tree.map(lambda column: column[None], window))[0, -1]


def test_square_loss_is_the_mean_over_what_is_real() -> None:
    rng = np.random.default_rng(0)
    prediction, action = rng.normal(size=(2, 2, 3, 4))
    loss, metrics = square_loss(*(jnp.asarray(x, jnp.float32) for x in (prediction, action, MASK)))
    expected = np.mean([(prediction[b, t] - action[b, t]) ** 2 for b in range(2) for t in range(3) if MASK[b, t]])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert metrics == {"actor_loss": loss}


def test_cross_entropy_loss_is_the_mean_over_what_is_real() -> None:
    rng = np.random.default_rng(0)
    logits, action = 3 * rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    loss, _ = cross_entropy_loss(jnp.asarray(logits, jnp.float32), jnp.asarray(action), jnp.asarray(MASK, jnp.float32))
    chance = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = np.mean([-np.log(chance[b, t, action[b, t]]) for b in range(2) for t in range(3) if MASK[b, t]])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_optimizer_clips_warms_up_and_decays() -> None:
    rate, warmup, decay, clip = 0.1, 4.0, 0.02, 0.25
    optimizer = DT(learning_rate=rate, warmup=warmup, weight_decay=decay, clip=clip).optimizer()
    weight, m, v = np.array([0.5, -2.0]), np.zeros(2), np.zeros(2)
    model = jnp.asarray(weight, jnp.float32)
    state = optimizer.init(model)
    for count in range(1, 7):
        gradient = np.array([3.0, -4.0]) * 0.02 * count  # of norm 0.1 count: clipped from the third on
        change, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, model)
        model = optax.apply_updates(model, change)
        gradient = gradient * min(1, clip / np.linalg.norm(gradient))
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        step = m / (1 - 0.9**count) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
        weight = weight - rate * min(count / warmup, 1) * (step + decay * weight)
        np.testing.assert_allclose(model, weight, rtol=1e-4)  # 1 - 0.999^n loses digits in float32


@pytest.mark.parametrize("kind", DAILY)
def test_acting_predicts_as_training_does_at_every_step(kind: ActionKind) -> None:
    algorithm, episode = DT(**TINY), lived(kind)
    agent = fresh(algorithm, logged(episode, 7, kind))
    model, normalizer = agent.model.model, agent.normalizer
    for steps in range(1, 8):  # an episode that is asked for what its first `steps` steps brought
        data = logged(episode, steps, kind)
        policy = replace(algorithm.policy(agent), target_return=jnp.float32(data.returns[0]))
        memory = policy.begin()
        for step in range(steps):
            action, memory = greedy_step(policy, memory, jnp.asarray(data.obs[step]))
            taken = model.encode(normalizer.to_unit(jnp.asarray(data.action[step])))
            window = replace(memory.window, action=memory.window.action.at[-1].set(taken))
            memory = policy.observe(replace(memory, window=window), jnp.asarray(data.reward[step]))
        batch = normalizer.batch(algorithm.source(data).starting_at(jnp.array([max(0, steps - 3)])))
        trained = window_of(jax.tree.map(lambda column: column[0], batch), model, algorithm.return_scale)
        real = trained.mask > 0
        assert int(real.sum()) == min(3, steps)
        for ours, theirs in zip(jax.tree.leaves(memory.window), jax.tree.leaves(trained), strict=True):
            np.testing.assert_allclose(ours[real], theirs[real], rtol=1e-6, atol=1e-6)
        prediction = predict(model, trained)
        expected = normalizer.from_unit(jnp.argmax(prediction) if kind == "discrete" else prediction)
        np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(predict(model, memory.window), prediction, rtol=1e-5, atol=1e-6)


def test_return_to_go_falls_by_what_was_earned_and_timesteps_count() -> None:
    data = logged(lived("discrete"), 7, "discrete")
    algorithm = DT(target_return=10.0, **TINY)
    policy = algorithm.policy(fresh(algorithm, data))

    def step(memory: Any, reward: Any) -> tuple[Any, Any]:
        _, memory = policy.act(memory, jnp.zeros(3), None)
        return policy.observe(memory, reward), memory.window

    _, windows = jax.lax.scan(step, policy.begin(), jnp.array([1.0, -2.0, 4.0, 0.0]))
    np.testing.assert_allclose(4 * windows.return_to_go, [[0, 0, 10], [0, 10, 9], [10, 9, 11], [9, 11, 7]])
    np.testing.assert_array_equal(windows.timestep, [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]])
    np.testing.assert_array_equal(windows.mask, [[0, 0, 1], [0, 1, 1], [1, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize("kind", DAILY)
def test_many_episodes_in_one_compiled_loop_go_as_each_alone(kind: ActionKind) -> None:
    data = logged(lived(kind), 7, kind)
    policy = DT(**TINY).policy(fresh(DT(**TINY), data))
    obs = jax.random.normal(jax.random.key(0), (3, 6, 3))

    def step(memory: Any, obs: Any) -> tuple[Any, Any]:
        action, memory = policy.act(memory, obs, None)
        return policy.observe(memory, jnp.sum(obs)), action

    actions = jax.jit(jax.vmap(lambda obs: jax.lax.scan(step, policy.begin(), obs)[1]))(obs)
    alone = jax.jit(step)
    for episode in range(3):
        memory = policy.begin()
        for index in range(6):
            memory, action = alone(memory, obs[episode, index])
            np.testing.assert_allclose(actions[episode, index], action, rtol=1e-5, atol=1e-5)


def test_a_key_samples_discrete_actions_only() -> None:
    keys = jax.random.split(jax.random.key(0), 4000)
    for kind in KINDS:
        data = logged(lived(kind), 7, kind)
        policy = DT(**TINY).policy(fresh(DT(**TINY), data))
        memory, obs = policy.begin(), jnp.ones(3)
        greedy, after = policy.act(memory, obs, None)
        drawn = jax.jit(jax.vmap(lambda key: policy.act(memory, obs, key)[0]))(keys)  # noqa: B023
        if kind == "continuous":
            np.testing.assert_allclose(drawn, np.tile(greedy, (4000, 1)), rtol=1e-6)
        else:
            chance = jax.nn.softmax(predict(policy.model, after.window))
            assert greedy == np.argmax(chance)
            assert after.window.action[-1].tolist() == np.eye(4)[int(greedy)].tolist()
            np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, chance, atol=0.03)


def test_the_return_asked_for_is_the_best_logged_one_unless_given() -> None:
    data = small_data("continuous")
    best = DT(**TINY)
    agent = jax.jit(best.init)(jax.random.key(0), data.spec())
    assert float(best.policy(agent).target_return) == pytest.approx(data.returns.max())
    assert float(DT(target_return=7.0, **TINY).policy(agent).target_return) == 7.0
    swept = stack(varied(best, members(1, {"target_return": [1.0, 2.0]})))
    found: ReturnConditioned = policies(swept, stack([agent, agent]))
    assert found.target_return.tolist() == [1.0, 2.0]


def test_raw_rewards_count_however_learning_sees_them() -> None:
    data = small_data("continuous").with_reward(scale=10.0, shift=-1.0)
    algorithm = DT(**TINY)
    policy = algorithm.policy(jax.jit(algorithm.init)(jax.random.key(0), data.spec()))
    assert float(policy.target_return) == pytest.approx(data.returns.max())
    assert float(policy.observe(policy.begin(), jnp.float32(3)).return_to_go) == pytest.approx(data.returns.max() - 3)


@pytest.mark.parametrize("kind", DAILY)
def test_what_stands_in_padding_changes_nothing(kind: ActionKind) -> None:
    data = logged(lived(kind), 7, kind)
    algorithm = DT(**TINY)
    agent = fresh(algorithm, data)
    batch = algorithm.source(data).starting_at(jnp.array([4, 5, 6, 6]))
    padded = np.asarray(batch["mask"]) == 0

    def garbled(column: Any) -> Any:
        wide = padded.reshape(padded.shape + (1,) * (column.ndim - 2))
        return jnp.asarray(np.where(wide, np.asarray(1, column.dtype), column))

    garbage = jax.tree.map(garbled, batch)
    garbage = replace(garbage, extra={**garbage.extra, "mask": batch["mask"]})
    assert not np.array_equal(garbage.action, batch.action)
    update = jax.jit(algorithm.update)
    one, metrics = update(agent, batch, jax.random.key(1), jnp.int32(0))
    other, others = update(agent, garbage, jax.random.key(1), jnp.int32(0))
    assert jax.tree.all(jax.tree.map(np.array_equal, (one, metrics), (other, others)))
    assert not np.array_equal(one.model.model.head.weight, agent.model.model.head.weight)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(BadInput, match="a divisor of the width, which is 128"):
        DT(heads=3)


def test_a_target_is_a_number() -> None:
    with pytest.raises(BadInput, match="found nan"):
        DT(target_return=float("nan"))


@pytest.mark.learning
@pytest.mark.parametrize("kind", [pytest.param("continuous", marks=pytest.mark.every), "discrete"])
def test_asking_for_much_beats_cloning_and_asking_for_little_does_not(kind: ActionKind) -> None:
    """Every seed goes half of the way from cloning to the optimum; those asked for -9 of -10 do worse than cloning."""
    small = {"layers": 1, "width": 32, "context": 4, "return_scale": 5.0, "learning_rate": 3e-3, "warmup": 100.0}
    data, seeds = small_data(kind), stack([DT(**small)] * 3)
    source = DT(**small).source(data)
    run, _ = advance(seeds, source, start(seeds, source, data.spec(), keys_of([0, 1, 2])), 800)
    trained, cloned = policies(seeds, run.agent), cloned_value(kind)
    shares = (np.asarray(jax.vmap(policy_value)(trained)) - cloned) / (best_value(kind) - cloned)
    assert np.all(shares > 0.5), shares
    asked_for_little = lambda policy: policy_value(replace(policy, target_return=jnp.float32(-9)))
    assert np.all(jax.vmap(asked_for_little)(trained) < cloned)
