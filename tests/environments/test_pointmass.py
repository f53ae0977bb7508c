"""The mazes against their published facts, and the pure JAX one against the Gymnasium one under the same noise."""

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from mooring.data.dataset import Dataset
from mooring.environments.guide import Guide
from mooring.environments.gymnasium_pointmass import PointmassEnv
from mooring.environments.making import make
from mooring.environments.mazes import MAZES, MOVES, NOISE
from mooring.environments.pointmass import Pointmass, rollout
from mooring.errors import BadInput

NAMES = tuple(MAZES)


def noises(seed: int, steps: int) -> np.ndarray:
    """What an environment that was reset with this seed adds to its first moves."""
    generator, _ = gymnasium.utils.seeding.np_random(seed)
    return np.stack([generator.normal(0.0, NOISE, 2) for _ in range(steps)])


def guided_actions(maze: Pointmass, state: np.ndarray) -> int:
    action, _ = Guide.through(maze).act((), maze.observe(jnp.asarray(state, jnp.float32)), None)
    return int(action)


@pytest.mark.parametrize(
    ("name", "shape", "walls", "limit", "start", "goal", "radius"),
    [
        ("easy", (10, 10), 64, 50, (1, 1), (9, 9), 2),
        ("medium", (6, 6), 15, 150, (0.5, 0.5), (1.5, 5.5), 1),
        ("hard", (22, 22), 68, 100, (2, 2), (20, 20), 2),
    ],
)
def test_facts(name, shape, walls, limit, start, goal, radius):
    maze = Pointmass.named(name)
    assert maze.walls.shape == shape
    assert int(maze.walls.sum()) == walls
    assert maze.limit == limit
    assert tuple(maze.start.tolist()) == start
    assert tuple(maze.goal.tolist()) == goal
    assert float(maze.radius) == radius
    assert not maze.blocked(maze.start)
    assert not maze.blocked(maze.goal)


def test_unknown_maze():
    with pytest.raises(BadInput, match=r"'meduim': does not exist; did you mean medium"):
        Pointmass.named("meduim")


def test_reset_and_observe():
    maze = Pointmass.named("medium")
    state = maze.reset(jax.random.key(0))
    np.testing.assert_allclose(maze.observe(state), [0.5 / 6, 0.5 / 6], rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "move", "end"),
    [
        ((0.55, 0.55), (0.0, 1.0), (0.55, 1.55)),  # free
        ((0.55, 1.55), (0.0, 1.0), (0.55, 1.95)),  # the wall at (0, 2) stops it after four parts
        ((0.55, 0.55), (-1.0, 0.0), (0.05, 0.55)),  # the map's edge stops it after five
        ((0.55, 1.55), (1.0, 1.0), (1.55, 1.95)),  # one axis slides on along what stops the other
        ((0.55, 5.55), (0.0, 3.0), (0.55, 5.85)),  # larger parts stop earlier
    ],
)
def test_moves_by_hand(start, move, end):
    maze = Pointmass.named("medium")
    np.testing.assert_allclose(maze.slide(jnp.array(start), jnp.array(move)), end, atol=1e-5)
    env = PointmassEnv("medium")
    env.state = start
    env._slide(move[0] / 10, move[1] / 10)
    np.testing.assert_allclose(env.state, end, atol=1e-9)


def test_rows_move_before_columns():
    """At the corner of a door, the row's part opens the way for the column's part of the same substep."""
    maze = Pointmass.named("hard")
    start, move = jnp.array([3.95, 9.95]), jnp.array([1.0, 1.0])  # walls at column 10, but for rows 4 and 5
    np.testing.assert_allclose(maze.slide(start, move), [4.95, 10.95], atol=1e-5)
    np.testing.assert_allclose(maze.slide(start, move * jnp.array([0.0, 1.0])), [3.95, 9.95], atol=1e-5)


def test_noise_is_that_of_the_facts():
    maze = Pointmass.named("hard")
    start = jnp.array([6.0, 16.0])  # in the middle of a room
    keys = jax.random.split(jax.random.key(0), 4000)
    after = np.asarray(jax.vmap(lambda key: maze.step(start, jnp.asarray(4), key)[0])(keys))
    np.testing.assert_allclose(after.mean(0), [7.0, 16.0], atol=0.04)
    np.testing.assert_allclose(after.std(0), [0.5, 0.5], atol=0.03)
    assert abs(np.corrcoef(after.T)[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("column", "sparse", "dense", "reached"),
    [(4.0, -1.0, -1.5, False), (4.5, -1.0, -1.0, False), (4.75, 0.0, -0.75, True), (5.5, 0.0, 0.0, True)],
)
def test_rewards_by_hand(column, sparse, dense, reached):
    """The goal of the medium maze is (1.5, 5.5), reached where the distance is below 1."""
    for is_dense, expected in ((False, sparse), (True, dense)):
        reward, terminated = Pointmass.named("medium", is_dense).outcome(jnp.array([1.5, column]))
        assert float(reward) == expected
        assert bool(terminated) == reached


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_jax_and_gymnasium_agree(name, dense):
    """Whole guided episodes: the same noise, the same actions, the same everything."""
    maze, suffix = Pointmass.named(name, dense), "-dense" if dense else ""
    slide, outcome = eqx.filter_jit(maze.slide), eqx.filter_jit(maze.outcome)
    ends = []
    with make(f"mooring/Pointmass-{name}{suffix}-v0") as env:
        for seed in range(5):
            wander = np.random.default_rng(seed)
            noise = noises(seed, maze.limit)
            obs, _ = env.reset(seed=seed)
            state = maze.reset(jax.random.key(seed))
            np.testing.assert_allclose(obs, maze.observe(state), atol=1e-6)
            for step in range(maze.limit):
                action = int(wander.integers(5)) if seed < 3 else guided_actions(maze, np.asarray(state))
                move = np.asarray(MOVES[action]) + noise[step]
                obs, reward, terminated, truncated, _ = env.step(action)
                state = slide(state, jnp.asarray(move, jnp.float32))
                own_reward, own_terminated = outcome(state)
                np.testing.assert_allclose(obs, maze.observe(state), atol=1e-5)
                np.testing.assert_allclose(reward, own_reward, atol=1e-4)
                assert terminated == bool(own_terminated)
                assert truncated == (step == maze.limit - 1)
                if terminated:
                    break
            ends.append(terminated)
    assert ends[3:] == [True, True]
    assert not all(ends)


def test_single_steps_agree_everywhere():
    """From random free positions of every maze, large random moves: 3,000 of them, without any error that adds up."""
    random = np.random.default_rng(0)
    for name in NAMES:
        maze, env = Pointmass.named(name), PointmassEnv(name)
        states = random.uniform((0, 0), maze.walls.shape, (2000, 2)).astype(np.float32)
        states = states[~np.asarray(jax.vmap(maze.blocked)(jnp.asarray(states)))][:1000]
        moves = random.normal(0, 2, states.shape).astype(np.float32)
        ours = np.asarray(jax.jit(jax.vmap(maze.slide))(jnp.asarray(states), jnp.asarray(moves)))
        theirs = []
        for state, move in zip(states.tolist(), moves.tolist(), strict=True):
            env.state = tuple(state)
            env._slide(move[0] / 10, move[1] / 10)
            theirs.append(env.state)
        assert len(ours) > 500
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert not np.asarray(jax.vmap(maze.blocked)(jnp.asarray(ours))).any()


@pytest.mark.filterwarnings("ignore:.*not within the recommended.*")
def test_gymnasium_contract():
    check_env(PointmassEnv("easy"), skip_render_check=True)


def test_same_seed_same_episode():
    episodes = []
    for _ in range(2):
        env = make("mooring/Pointmass-hard-v0")
        env.reset(seed=7)
        episodes.append(np.stack([env.step(step % 5)[0] for step in range(50)]))
    np.testing.assert_array_equal(*episodes)


def test_goal_terminates_and_limit_does_not():
    """The original gives one flag for both; here an episode that runs out of steps has not terminated."""
    maze = Pointmass.named("easy")
    roll = eqx.filter_jit(rollout)
    guided = roll(maze, Guide.through(maze), jax.random.key(0), 50)
    assert guided.terminated.all()
    assert (guided.length < maze.limit).all()
    stay = roll(
        maze,
        eqx.tree_at(lambda guide: guide.moves, Guide.through(maze), jnp.zeros_like(maze.walls, int)),
        jax.random.key(0),
        50,
    )
    assert not stay.terminated.any()
    assert (stay.length == maze.limit).all()


def test_rollout_becomes_a_dataset():
    maze = Pointmass.named("medium")
    trajectories = eqx.filter_jit(rollout)(maze, Guide.through(maze, epsilon=0.5), jax.random.key(1), 40)
    assert trajectories.obs.shape == (40, 151, 2)
    data = Dataset.from_episodes(trajectories.episodes(), name="pointmass")
    assert data.num_episodes == 40
    np.testing.assert_array_equal(data.lengths, trajectories.length)
    np.testing.assert_array_equal(data.continues[data.ends], 1.0 - np.asarray(trajectories.terminated))
    assert trajectories.terminated.sum() > 0
    # The only reward of 0 is the one for reaching the goal, so a return is minus the steps before it.
    expected = -np.asarray(trajectories.length, float) + np.asarray(trajectories.terminated)
    np.testing.assert_array_equal(data.returns, expected)


@pytest.mark.parametrize(("name", "fewest"), [("easy", 14), ("medium", 9), ("hard", 30)])
def test_guide_is_good_and_random_is_not(name, fewest):
    maze = Pointmass.named(name)
    roll = eqx.filter_jit(rollout)
    guided = roll(maze, Guide.through(maze), jax.random.key(2), 100)
    random = roll(maze, Guide.through(maze, epsilon=1.0), jax.random.key(2), 100)
    assert guided.terminated.mean() > 0.95
    assert random.terminated.mean() < 0.6
    assert fewest / 2 <= guided.length.mean() <= 3 * fewest


def test_random_guide_is_uniform():
    maze = Pointmass.named("hard")
    actions = eqx.filter_jit(rollout)(maze, Guide.through(maze, epsilon=1.0), jax.random.key(3), 100).action
    shares = np.bincount(np.asarray(actions).ravel(), minlength=5) / actions.size
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
