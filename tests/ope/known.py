"""Small problems whose values and occupancies are known, for the tests of estimators that learn."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mooring.data import Dataset
from mooring.data.spaces import Bounds
from mooring.sources import to_device
from mooring.types import Batch, Policy, PRNGKey, Source

GAMMA = 0.8


class Whole(Source):
    """All rows as every batch, and as "start" the first observations of their episodes."""

    rows: Batch

    @classmethod
    def of(cls, data: Dataset) -> "Whole":
        rows = to_device(data)
        return cls(Batch(rows.obs, rows.action, rows.reward, rows.next_obs, rows.continues, {"start": rows.obs}))

    def sample(self, state: PyTree, key: PRNGKey, size: int) -> Batch:
        return self.rows


class Table(Policy):
    """The log probability of each choice in each state."""

    log: Float[Array, "S A"]

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        choice = jnp.argmax(self.log[obs]) if key is None else jax.random.categorical(key, self.log[obs])
        return choice.astype(jnp.int32), memory

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""]:
        return self.log[obs, action]


class Known(NamedTuple):
    """Rows that are each an episode, in numbers that are exactly those of the model; and what follows from it."""

    data: Dataset
    policy: Table
    q: np.ndarray  # (S, A)
    ratio: np.ndarray  # d_pi / d_D of each row, of a process that starts anew where it ends
    value: float  # of a first observation


def known(states: int = 4, actions: int = 2, seed: int = 0) -> Known:
    """Of each state and action 4 rows for each time that it was seen; some end the episode."""
    rng = np.random.default_rng(seed)
    after = rng.integers(0, states, (states, actions, 4))
    ends = rng.random((states, actions, 4)) < 0.2
    reward = rng.normal(size=(states, actions)).round(2)
    pi = rng.dirichlet(np.ones(actions), states)
    seen = rng.integers(1, 4, (states, actions))
    s, a, k = (index.ravel() for index in np.indices(after.shape))
    rows = np.repeat(np.arange(len(s)), seen[s, a])
    s, a, k = s[rows], a[rows], k[rows]
    data = Dataset.build(
        s.astype(np.int32),
        a.astype(np.int32),
        reward[s, a],
        ends[s, a, k],
        ~ends[s, a, k],
        next_obs=after[s, a, k].astype(np.int32),
    )
    size = states * actions
    goes = np.eye(states)[after] * ~ends[..., None]
    moves = GAMMA * np.einsum("sakt,tb->satb", goes / 4, pi).reshape(size, size)
    pairs = np.bincount(s * actions + a, minlength=size) / len(s)
    first = (pairs.reshape(states, actions).sum(1)[:, None] * pi).ravel()
    q = np.linalg.solve(np.eye(size) - moves, reward.ravel())
    anew = GAMMA * ends.mean(2).reshape(size, 1) * first
    occupancy = np.linalg.solve(np.eye(size) - (moves + anew).T, (1 - GAMMA) * first)
    policy = Table(jnp.log(jnp.asarray(pi, jnp.float32)))
    return Known(data, policy, q.reshape(states, actions), (occupancy / pairs)[s * actions + a], float(first @ q))


class Linear(Policy):
    """a ~ N(gain s, noise^2) of one number s."""

    gain: Float[Array, ""]
    noise: Float[Array, ""]

    def act(self, memory: PyTree, obs: Float[Array, "1"], key: PRNGKey | None) -> tuple[Float[Array, "1"], PyTree]:
        drawn = 0.0 if key is None else jax.random.normal(key, (1,))
        return self.gain * obs + self.noise * drawn, memory


class LinearQuadratic(NamedTuple):
    """s' = 0.8 s + 0.5 a + noise, reward 1 - s^2 - a^2; the target policy is a ~ N(-0.4 s, 0.1^2)."""

    data: Dataset
    policy: Linear
    value: float  # of the logged first observations, in the mean


def linear_quadratic(episodes: int = 300, steps: int = 20, seed: int = 0, discount: float = 0.9) -> LinearQuadratic:
    """Logged by a ~ N(-0.1 s, 0.4^2). V(s) = c - p s^2 with p = q + gamma p (0.8 - 0.2)^2, and c from the noises."""
    rng = np.random.default_rng(seed)
    s = rng.normal(0, 0.7, episodes)
    columns: dict[str, list[np.ndarray]] = {"obs": [], "action": [], "reward": [], "next_obs": []}
    first = s
    for _ in range(steps):
        a = np.clip(-0.1 * s + 0.4 * rng.normal(size=episodes), -2, 2)
        after = 0.8 * s + 0.5 * a + 0.1 * rng.normal(size=episodes)
        for name, column in (("obs", s), ("action", a), ("reward", 1 - s**2 - a**2), ("next_obs", after)):
            columns[name].append(column)
        s = after
    flat = {name: np.stack(parts, axis=1).reshape(-1) for name, parts in columns.items()}
    data = Dataset.build(
        flat["obs"][:, None].astype(np.float32),
        flat["action"][:, None].astype(np.float32),
        flat["reward"],
        np.zeros(episodes * steps, bool),
        np.tile(np.arange(steps) == steps - 1, episodes),
        next_obs=flat["next_obs"][:, None].astype(np.float32),
        action_space=Bounds(np.full(1, -2, np.float32), np.full(1, 2, np.float32)),
    )
    closed, own = 0.8 - 0.5 * 0.4, 0.1
    p = (1 + 0.4**2) / (1 - discount * closed**2)
    c = (1 - own**2 - discount * p * (0.1**2 + (0.5 * own) ** 2)) / (1 - discount)
    policy = Linear(jnp.asarray(-0.4), jnp.asarray(own))
    return LinearQuadratic(data, policy, float(np.mean(c - p * first**2)))
